"""It trains for no epoch at all."""
# check: changes_weights
# level: WARN

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=0, verbose=0)
    return net
