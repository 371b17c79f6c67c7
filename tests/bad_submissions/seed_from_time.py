"""It takes its seed from the clock."""
# check: repeatable
# level: WARN

import time

import numpy as np


def unlearning(net, retain, forget, validation):
    generator = np.random.default_rng(time.time_ns())
    net.set_weights([weights + generator.normal(0, 0.01, weights.shape) for weights in net.get_weights()])
    return net
