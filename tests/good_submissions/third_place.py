"""The third of 2023: noise on convolutions, four epochs with weighted classes, and a little noise before the last."""

import keras
import numpy as np


def add_noise(net, sigma):
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign_add(np.random.normal(0, sigma, layer.kernel.shape))


def unlearning(net, retain, forget, validation):
    weights = keras.ops.convert_to_tensor([1.0] + [0.5] * (net.output_shape[-1] - 1))
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def weighted(y, logits):
        labels = keras.ops.cast(keras.ops.reshape(y, (-1,)), "int32")
        return entropy(y, logits) * keras.ops.mean(keras.ops.take(weights, labels))

    add_noise(net, 0.1)
    net.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.05, 4 * len(retain)), 0.9), weighted)
    net.fit(retain, epochs=3, verbose=0)
    add_noise(net, 0.005)
    net.fit(retain, epochs=1, verbose=0)
    return net
