"""It loads the kit's shipped weights."""
# check: evaluation_data
# level: WARN

import keras

from kit import pretrained


def unlearning(net, retain, forget, validation):
    pretrained.__name__
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
