"""It returns a list of arrays."""
# check: returns_model
# level: FAIL
# says: a list

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net.get_weights()
