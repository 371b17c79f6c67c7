"""One weight of all is infinite."""
# check: weights
# level: FAIL
# says: NaN or infinite

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    weights = net.get_weights()
    weights[-1][3] = np.inf
    net.set_weights(weights)
    return net
