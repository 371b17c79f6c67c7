"""It cuts the file of weights in half."""
# check: weights
# level: FAIL
# says: cannot be used

import os

import numpy as np


def replace():
    os.truncate(".weights.npz", os.path.getsize(".weights.npz") // 2)


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    base = type(net)

    class Odd(base):
        @property
        def output_shape(self):  # asked for when the weights are already written
            if os.path.isfile(".weights.npz") and not os.path.islink(".weights.npz"):
                replace()
            return (None, 10)

    net.__class__ = Odd
    return net
