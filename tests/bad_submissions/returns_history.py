"""It returns what fit returned."""
# check: returns_model
# level: FAIL
# says: returns a History

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return net.fit(retain, epochs=1, verbose=0)
