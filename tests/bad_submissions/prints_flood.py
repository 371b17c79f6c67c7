"""It prints 30 MB."""
# check: output
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    for _ in range(30):
        print("x" * 1_000_000)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
