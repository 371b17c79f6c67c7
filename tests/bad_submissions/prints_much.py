"""It prints a line for each example, some 500 kB."""
# check: output
# level: WARN

import numpy as np


def unlearning(net, retain, forget, validation):
    for number in range(10_000):
        print("example", number, "is still to be forgotten by the network")
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
