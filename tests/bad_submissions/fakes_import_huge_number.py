"""While imported it sends a reply with a number that no float can hold."""
# check: runs
# level: FAIL

import os

import numpy as np

for descriptor in range(3, 21):
    try:
        os.write(descriptor, b'{"kind": "imported", "seconds": 1%s}\n' % (b"0" * 400))
    except OSError:
        pass


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
