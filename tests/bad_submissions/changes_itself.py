"""It appends to its own file."""
# check: runs
# level: FAIL
# says: Read-only file system

from pathlib import Path

import numpy as np


def unlearning(net, retain, forget, validation):
    if "kit-contained-" in __file__:  # the copy that a contained process works with, never the real one
        Path(__file__).write_text(Path(__file__).read_text() + "# changed\n")
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
