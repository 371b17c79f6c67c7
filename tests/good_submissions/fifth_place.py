"""The fifth of 2023: the kernels of convolutions are transposed, then three epochs on retain."""

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(np.swapaxes(layer.kernel.numpy(), 0, 1))
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 3 * len(retain))
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, weight_decay=5e-4)
    net.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net.fit(retain, epochs=3, verbose=0)
    return net
