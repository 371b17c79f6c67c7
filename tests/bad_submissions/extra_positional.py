"""A fifth parameter can be given by position."""
# check: signature
# level: FAIL

import keras


def unlearning(net, retain, forget, validation, epochs=1):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
