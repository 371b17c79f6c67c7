"""Importing it starts a thread."""
# check: import_side_effects
# level: WARN

import threading
import time

import numpy as np

threading.Thread(target=time.sleep, args=(20,), daemon=True).start()


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
