"""It draws its noise from a generator without a seed."""
# check: repeatable
# level: WARN

import numpy as np


def unlearning(net, retain, forget, validation):
    generator = np.random.default_rng()
    net.set_weights([weights + generator.normal(0, 0.01, weights.shape) for weights in net.get_weights()])
    return net
