"""A thread outlives the call under the name of one of the kit's own."""
# check: leaves_nothing
# level: FAIL

import threading
import time

import numpy as np


def unlearning(net, retain, forget, validation):
    threading.Thread(target=time.sleep, args=(30,), name="kit-helper", daemon=True).start()
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
