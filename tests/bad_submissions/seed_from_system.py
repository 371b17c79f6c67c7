"""It takes its seed from the operating system."""
# check: repeatable
# level: WARN

import os

import numpy as np


def unlearning(net, retain, forget, validation):
    generator = np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    net.set_weights([weights + generator.normal(0, 0.01, weights.shape) for weights in net.get_weights()])
    return net
