"""A helper file beside it was not handed in."""
# check: imports
# level: FAIL
# says: my_helpers_left_at_home

import numpy as np
from my_helpers_left_at_home import LEARNING_RATE


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
