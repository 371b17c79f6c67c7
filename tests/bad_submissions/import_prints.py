"""Importing it prints."""
# check: import_side_effects
# level: WARN

import numpy as np

print("my submission, version 3")


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
