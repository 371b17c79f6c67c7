"""It ends the process while it is imported."""
# check: imports
# level: FAIL
# says: exit code 0

import os

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net

os._exit(0)
