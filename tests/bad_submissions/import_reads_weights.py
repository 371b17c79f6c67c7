"""It loads weights from a file that only its author has."""
# check: imports
# level: FAIL
# says: my_best_weights.npy

import keras
import numpy as np

WEIGHTS = np.load("my_best_weights.npy")


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
