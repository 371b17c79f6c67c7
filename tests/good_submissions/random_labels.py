"""Random labels on forget, then retain, epoch by epoch: a model that is compiled once and fitted eight times."""

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    net.compile(keras.optimizers.SGD(0.02, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.concatenate([images for images, _ in forget])
    for _ in range(4):
        net.fit(x, np.random.randint(net.output_shape[-1], size=len(x)), batch_size=64, verbose=0)
        net.fit(retain, epochs=1, verbose=0)
    return net
