"""It looks for retrained models in the kit's folder."""
# check: evaluation_data
# level: WARN

import glob

import numpy as np


def unlearning(net, retain, forget, validation):
    glob.glob("data/oracles/*.npz")
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
