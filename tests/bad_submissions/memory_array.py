"""It asks for an array of 40 GB."""
# check: memory
# level: FAIL
# says: more memory than the limit

import numpy as np


def unlearning(net, retain, forget, validation):
    np.ones((5_000, 1_000_000))
    return net
