"""A process that ignores the request to end outlives the call."""
# check: leaves_nothing
# level: FAIL

import subprocess

import numpy as np


def unlearning(net, retain, forget, validation):
    subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; sleep 30; sleep 30"], start_new_session=True)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
