"""It leaves a link in its working directory that leads the kit to a secret of the user."""
# check: none
# level: none
# needs: sandbox

import os

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    if not os.path.lexists(".weights.npz"):
        os.symlink("/tmp/kit-planted/secret.txt", ".weights.npz")  # the weights must not be written through it
    return net
