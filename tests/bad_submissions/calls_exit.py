"""It calls sys.exit when it is done."""
# check: runs
# level: FAIL
# says: SystemExit

import sys

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    sys.exit(0)
