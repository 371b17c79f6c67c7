"""It closes file descriptors that are not its own."""
# check: runs
# level: FAIL

import os

import numpy as np


def unlearning(net, retain, forget, validation):
    os.closerange(0, 21)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
