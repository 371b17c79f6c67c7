"""A pool of workers is never closed."""
# check: leaves_nothing
# level: FAIL

import multiprocessing

import keras

POOLS = []


def unlearning(net, retain, forget, validation):
    POOLS.append(multiprocessing.get_context("fork").Pool(2))
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
