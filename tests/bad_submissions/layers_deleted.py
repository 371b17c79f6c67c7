"""It deletes the layers of the net."""
# check: architecture
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    net._layers.clear()
    return net
