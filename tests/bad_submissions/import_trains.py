"""Importing it trains a network."""
# check: import_side_effects
# level: WARN

import keras
import numpy as np

TEACHER = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
TEACHER.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
TEACHER.fit(np.zeros((64, 8, 8, 1), np.float32), np.zeros(64, np.int32), shuffle=False, verbose=0)


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
