"""The parameters are *args."""
# check: signature
# level: FAIL

import numpy as np


def unlearning(*args):
    net, retain = args[:2]
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
