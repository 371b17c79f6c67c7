"""The learning rate is so high that the weights are not numbers."""
# check: weights
# level: FAIL
# says: NaN

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([np.full_like(weights, np.nan) for weights in net.get_weights()])
    return net
