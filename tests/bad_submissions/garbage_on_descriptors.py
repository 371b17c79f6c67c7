"""It writes 5 MB of garbage to all file descriptors."""
# check: runs
# level: FAIL

import os
import select

import numpy as np


def unlearning(net, retain, forget, validation):
    for descriptor in range(3, 21):
        for _ in range(5 * 16):
            try:
                _, writable, _ = select.select([], [descriptor], [], 0.1)
                os.write(descriptor if writable else -1, b"\xff\0{" * (1 << 14))
            except (OSError, ValueError):
                break
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
