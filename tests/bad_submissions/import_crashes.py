"""It crashes the process while it is imported."""
# check: imports
# level: FAIL
# says: SIGSEGV

import ctypes

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net

ctypes.string_at(0)
