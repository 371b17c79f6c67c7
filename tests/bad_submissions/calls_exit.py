"""It calls sys.exit when it is done."""
# check: runs
# level: FAIL
# says: SystemExit

import sys

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    sys.exit(0)
