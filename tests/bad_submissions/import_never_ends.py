"""Importing it never ends."""
# check: imports
# level: FAIL
# says: importing it took more than

import time

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net

while True:
    time.sleep(1)
