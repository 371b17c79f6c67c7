"""Its random generator belongs to the module, and begins anew with each run."""
# check: seeds_differ
# level: WARN

import numpy as np

GENERATOR = np.random.default_rng(7)


def unlearning(net, retain, forget, validation):
    net.set_weights([weights + GENERATOR.normal(0, 0.01, weights.shape) for weights in net.get_weights()])
    return net
