"""Importing it takes six seconds."""
# check: imports
# level: WARN

import time

import numpy as np

time.sleep(6)


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
