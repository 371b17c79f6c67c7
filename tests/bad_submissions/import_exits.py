"""It calls sys.exit at the top level."""
# check: imports
# level: FAIL
# says: SystemExit

import sys

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net

sys.exit(0)
