"""The returned model hands out arrays of Python objects."""
# check: architecture
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    net.__class__ = type("Odd", (type(net),), {"get_weights": lambda self: [np.array([print, self.name], dtype=object)] * 8})
    return net
