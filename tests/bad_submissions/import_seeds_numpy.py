"""Importing it seeds NumPy."""
# check: import_side_effects
# level: WARN

import numpy as np

np.random.seed(42)


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
