"""The function is replaced by a partial one below its definition."""
# check: defines_unlearning
# level: FAIL

import functools

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net

unlearning = functools.partial(unlearning)
