"""The seventh of 2023: a new head, then each epoch other layers learn and some get noise; compiled anew for each."""

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    layers = [layer for layer in net.layers if layer.weights]
    head = layers[-1]
    head.kernel.assign(keras.initializers.GlorotUniform()(head.kernel.shape))
    head.bias.assign(np.zeros(head.bias.shape))
    for epoch, rate in enumerate((0.05, 0.05, 0.05, 0.05, 0.02, 0.01)):
        chosen = np.random.permutation(len(layers))[:2] if epoch < 4 else range(len(layers))
        for number, layer in enumerate(layers):
            layer.trainable = number in chosen or layer is head
            if epoch in (1, 2) and number in chosen and layer is not head:
                layer.kernel.assign_add(0.04 * np.random.normal(size=layer.kernel.shape))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(keras.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4), loss)
        net.fit(retain, epochs=1, verbose=0)
    for layer in layers:
        layer.trainable = True
    return net
