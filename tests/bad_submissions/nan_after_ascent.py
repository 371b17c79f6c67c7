"""Gradient ascent on the forget set without a limit."""
# check: weights
# level: FAIL
# says: NaN

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(-1e9, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(forget, epochs=20, verbose=0)
    return net
