"""It writes a log into the working directory."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    Path("log.txt").write_text("done")
    return net
