"""The weights of the returned model cannot be read."""
# check: runs
# level: FAIL
# says: ZeroDivisionError

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    net.__class__ = type("Odd", (type(net),), {"get_weights": lambda self: 1 / 0})
    return net
