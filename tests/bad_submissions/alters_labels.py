"""It overwrites the labels that the data sets are made of."""
# check: data_unaltered
# level: FAIL

import gc

import numpy as np


def unlearning(net, retain, forget, validation):
    for thing in gc.get_objects():
        if type(thing).__name__ == "Arrays":
            thing.y.setflags(write=True)
            thing.y[-3:] = 0
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
