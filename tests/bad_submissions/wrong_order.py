"""Forget comes before retain."""
# check: signature
# level: FAIL

import numpy as np


def unlearning(net, forget, retain, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
