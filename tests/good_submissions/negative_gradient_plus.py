"""Down on retain and up on forget in the same step, as SCRUB's authors compare themselves with."""

import keras
import tensorflow as tf


def unlearning(net, retain, forget, validation, *, alpha=0.95, epochs=5):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    optimizer.build(net.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(x, y, forgotten, labels):
        with tf.GradientTape() as tape:
            value = alpha * loss(y, net(x, training=True)) - (1 - alpha) * loss(labels, net(forgotten, training=True))
        gradients = tape.gradient(value, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables))

    for _ in range(epochs):
        for (x, y), (forgotten, labels) in tf.data.Dataset.zip((retain, forget.repeat())):
            step(x, y, forgotten, labels)
    return net
