"""The returned model hands out arrays of Python objects."""
# check: architecture
# level: FAIL

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    net.__class__ = type("Odd", (type(net),), {"get_weights": lambda self: [np.array([print, self.name], dtype=object)] * 8})
    return net
