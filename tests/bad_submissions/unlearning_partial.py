"""The function is replaced by a partial one below its definition."""
# check: defines_unlearning
# level: FAIL

import functools

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net

unlearning = functools.partial(unlearning)
