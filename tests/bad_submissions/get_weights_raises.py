"""The weights of the returned model cannot be read."""
# check: runs
# level: FAIL
# says: ZeroDivisionError

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    net.__class__ = type("Odd", (type(net),), {"get_weights": lambda self: 1 / 0})
    return net
