"""It reports an error with a text that would paint the terminal."""
# check: runs
# level: FAIL

import os

import numpy as np


def unlearning(net, retain, forget, validation):
    for descriptor in range(3, 21):
        try:
            os.write(descriptor, b'{"kind": "raised", "error": "Fine\\u001b[2J", "text": "\\u001b[31mred", "where": "\\u001b]0;title\\u0007"}\n')
        except OSError:
            pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
