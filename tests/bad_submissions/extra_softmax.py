"""It puts a softmax after the logits."""
# check: architecture
# level: FAIL

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return keras.Sequential([net, keras.layers.Softmax()])
