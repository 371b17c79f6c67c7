"""It sets the smallest weights to zero: nothing in it is random."""
# check: seeds_differ
# level: WARN

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([np.where(abs(w) < 0.01, 0, w) for w in net.get_weights()])
    return net
