"""It changes the net and returns nothing."""
# check: returns_model
# level: FAIL
# says: End the function with 'return net'

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
