"""It writes a file into the kit's folder."""
# check: runs
# level: FAIL
# says: Read-only file system

from pathlib import Path

import numpy as np

import kit


def unlearning(net, retain, forget, validation):
    (Path(kit.__file__).parent / "planted_by_a_submission.txt").write_text("here")
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
