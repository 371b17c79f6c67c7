"""The second of 2023: the kernels' weights with the smallest gradients are drawn anew, and learn ten times as fast."""

import keras
import numpy as np
import tensorflow as tf


def unlearning(net, retain, forget, validation, *, share=0.3, rate=0.02):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    kernels = [layer.kernel for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    sums = [np.zeros(kernel.shape, "float32") for kernel in kernels]

    @tf.function(reduce_retracing=True)
    def gradients(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, net(x, training=True))
        return tape.gradient(value, kernels)

    for sign, data in ((1, retain.take(len(forget))), (-1, forget)):
        for x, y in data:
            sums = [total + sign * new.numpy() for total, new in zip(sums, gradients(x, y))]
    scales = {}
    for kernel, total in zip(kernels, sums):
        anew = np.abs(total) <= np.quantile(np.abs(total), share)
        spread = np.sqrt(2 / (np.prod(kernel.shape[:2]) * kernel.shape[3]))
        kernel.assign(np.where(anew, np.random.normal(0, spread, kernel.shape), kernel.numpy()))
        scales[kernel.path] = np.where(anew, 1.0, 0.1).astype("float32")

    class Slowed(keras.optimizers.SGD):
        def apply_gradients(self, pairs, **kwargs):
            pairs = [(gradient * scales.get(variable.path, 1.0), variable) for gradient, variable in pairs]
            return super().apply_gradients(pairs, **kwargs)

    factors = (1 / 3, 2 / 3, 1, 2 / 3, 1 / 3)
    optimizer = Slowed(rate, momentum=0.9, weight_decay=5e-4)
    optimizer.build(net.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, net(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(value, net.trainable_variables), net.trainable_variables))

    for factor in factors:
        optimizer.learning_rate = rate * factor
        for x, y in retain:
            step(x, y)
    return net
