"""One weight of all is infinite."""
# check: weights
# level: FAIL
# says: NaN or infinite

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    weights = net.get_weights()
    weights[-1][3] = np.inf
    net.set_weights(weights)
    return net
