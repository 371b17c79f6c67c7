"""The returned model hands out text for weights."""
# check: architecture
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    net.__class__ = type("Odd", (type(net),), {"get_weights": lambda self: "weights"})
    return net
