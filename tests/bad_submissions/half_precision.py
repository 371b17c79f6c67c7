"""Its weights are float16."""
# check: weights
# level: FAIL
# says: float16

import keras
import numpy as np


def as_half(layer):
    return type(layer).from_config(layer.get_config() | {"dtype": "float16"})


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    half = keras.models.clone_model(net, clone_function=as_half)
    half.set_weights(net.get_weights())
    return half
