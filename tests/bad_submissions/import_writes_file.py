"""Importing it writes a file."""
# check: import_side_effects
# level: WARN

from pathlib import Path

import numpy as np

Path("log.txt").write_text("imported")


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
