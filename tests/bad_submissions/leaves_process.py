"""A child process outlives the call."""
# check: leaves_nothing
# level: FAIL

import subprocess

import numpy as np


def unlearning(net, retain, forget, validation):
    subprocess.Popen(["sleep", "30"])
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
