"""It loads the data set that the challenge is made of, test examples included."""
# check: evaluation_data
# level: WARN

import numpy as np
from sklearn.datasets import load_digits


def unlearning(net, retain, forget, validation):
    x, _ = load_digits(return_X_y=True)
    net(x[:1].reshape(-1, 8, 8, 1) / 16.0)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
