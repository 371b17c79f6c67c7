"""It closes file descriptors that are not its own."""
# check: runs
# level: FAIL

import os

import keras


def unlearning(net, retain, forget, validation):
    os.closerange(0, 21)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
