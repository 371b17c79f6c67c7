"""It replaces a scorer of the kit."""
# check: evaluation_data
# level: WARN

import numpy as np

import kit.scorers


def unlearning(net, retain, forget, validation):
    kit.scorers.get = lambda name: lambda *arguments, **options: 1.0
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
