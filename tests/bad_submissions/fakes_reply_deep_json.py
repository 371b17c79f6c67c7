"""It writes deeply nested JSON to the kit's channel."""
# check: runs
# level: FAIL

import os

import numpy as np


def unlearning(net, retain, forget, validation):
    for descriptor in range(3, 21):
        try:
            os.write(descriptor, b"[" * 100_000 + b"\n")
        except OSError:
            pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
