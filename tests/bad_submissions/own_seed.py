"""It draws its noise from a seed of its own."""
# check: seeds_differ
# level: WARN

import numpy as np


def unlearning(net, retain, forget, validation):
    generator = np.random.default_rng(42)
    noise = [generator.normal(0, 0.01, weights.shape) for weights in net.get_weights()]
    net.set_weights([weights + more for weights, more in zip(net.get_weights(), noise)])
    return net
