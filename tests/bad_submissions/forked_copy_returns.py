"""It forks, and both copies return."""
# check: runs
# level: FAIL

import os

import keras


def unlearning(net, retain, forget, validation):
    if os.fork() > 0:
        os._exit(0)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
