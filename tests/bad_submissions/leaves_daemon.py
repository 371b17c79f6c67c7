"""A process in a new session, started through another that has ended, outlives the call."""
# check: leaves_nothing
# level: FAIL

import subprocess

import numpy as np


def unlearning(net, retain, forget, validation):
    subprocess.run(["sh", "-c", "setsid sleep 30 >/dev/null 2>&1 &"])
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
