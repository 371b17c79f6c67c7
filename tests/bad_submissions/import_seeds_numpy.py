"""Importing it seeds NumPy."""
# check: import_side_effects
# level: WARN

import keras
import numpy as np

np.random.seed(42)


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
