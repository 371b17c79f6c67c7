"""It plants a file among the installed libraries."""
# check: none
# level: none
# needs: sandbox

import sysconfig
from pathlib import Path

import numpy as np


def unlearning(net, retain, forget, validation):
    for name in ("purelib", "scripts"):
        try:
            (Path(sysconfig.get_path(name)) / "kit-planted-file").write_text("planted; delete it")
            print("STOLEN: a place in", sysconfig.get_path(name))
        except OSError:
            pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
