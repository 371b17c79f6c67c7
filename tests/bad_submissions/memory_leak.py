"""It keeps some more memory with each step."""
# check: memory
# level: FAIL
# says: more memory than the limit

import time

import numpy as np


def unlearning(net, retain, forget, validation):
    kept = []
    for _ in range(300):
        kept.append(np.ones(5_000_000))
        time.sleep(0.01)
    return net
