"""Importing it never ends."""
# check: imports
# level: FAIL
# says: importing it took more than

import time

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net

while True:
    time.sleep(1)
