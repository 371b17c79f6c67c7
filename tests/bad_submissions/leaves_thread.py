"""A thread outlives the call."""
# check: leaves_nothing
# level: FAIL

import threading
import time

import numpy as np


def unlearning(net, retain, forget, validation):
    threading.Thread(target=time.sleep, args=(30,), name="watcher").start()
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
