"""It draws new weights and does not train them."""
# check: above_chance
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([np.random.normal(0, 0.05, weights.shape) for weights in net.get_weights()])
    return net
