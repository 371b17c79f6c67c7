"""The eighth of 2023: cycles in which some layers are drawn anew and the original's logits are learnt on retain."""

import keras
import numpy as np


def unlearning(net, retain, forget, validation, *, cycles=(1, 1, 1)):
    teacher = keras.models.clone_model(net)
    teacher.set_weights(net.get_weights())

    def noisy(x, y):
        return x + keras.random.normal(keras.ops.shape(x), stddev=0.01, seed=generator), teacher(x, training=False)

    generator = keras.random.SeedGenerator(int(np.random.randint(2**31 - 1)))
    layers = [layer for layer in net.layers if hasattr(layer, "kernel")][:-1]
    net.compile(keras.optimizers.Adam(5e-3), "mean_squared_error")
    data = retain.map(noisy)
    for epochs in cycles:
        for number in np.random.randint(len(layers), size=1):
            layer = layers[number]
            layer.kernel.assign(keras.initializers.HeNormal()(layer.kernel.shape))
        net.fit(data, epochs=epochs, verbose=0)
    return net
