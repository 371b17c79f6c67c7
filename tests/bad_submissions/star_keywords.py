"""Further parameters are **options, so that a misspelt one goes unnoticed."""
# check: signature
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation, **options):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
