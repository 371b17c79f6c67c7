"""While imported it sends a reply with a number where a list belongs."""
# check: runs
# level: FAIL

import os

import numpy as np

for descriptor in range(3, 21):
    try:
        os.write(descriptor, b'{"kind": "imported", "seconds": 0, "changed": 5}\n')
    except OSError:
        pass


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
