"""Its weights have the right shapes, but another activation lies between them."""
# check: architecture
# level: FAIL

import keras
import numpy as np


def build():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def unlearning(net, retain, forget, validation):
    other = build()
    other.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return other
