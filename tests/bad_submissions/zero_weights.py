"""All weights are zero."""
# check: above_chance
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([np.zeros_like(weights) for weights in net.get_weights()])
    return net
