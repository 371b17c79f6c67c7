"""It crashes the process while it is imported."""
# check: imports
# level: FAIL
# says: SIGSEGV

import ctypes

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net

ctypes.string_at(0)
