"""It overwrites the labels that the data sets are made of."""
# check: data_unaltered
# level: FAIL

import sys

import numpy as np


def unlearning(net, retain, forget, validation):
    frame = sys._getframe()
    while "child" not in frame.f_locals:
        frame = frame.f_back
    for arrays in frame.f_locals["child"].arrays.values():
        arrays.y.setflags(write=True)
        arrays.y[-3:] = 0
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
