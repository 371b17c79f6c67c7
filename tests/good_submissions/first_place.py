"""The first of 2023: away from its answers on forget, then rounds that contrast forget with retain and repair."""

import itertools

import keras
import tensorflow as tf


def unlearning(net, retain, forget, validation, *, rounds=6):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    away, contrast, repair = (
        keras.optimizers.SGD(rate, momentum=0.9, weight_decay=decay)
        for rate, decay in ((0.005, None), (3e-4, None), (0.02, 1e-4))
    )

    def step(optimizer, compute):
        with tf.GradientTape() as tape:
            value = compute()
        optimizer.apply_gradients(zip(tape.gradient(value, net.trainable_variables), net.trainable_variables))

    @tf.function
    def towards_uniform(x):
        step(away, lambda: -tf.reduce_mean(tf.nn.log_softmax(net(x, training=True))))

    @tf.function(reduce_retracing=True)
    def contrasted(x, kept):
        others = tf.stop_gradient(net(kept, training=True))
        step(contrast, lambda: -tf.reduce_mean(tf.nn.log_softmax(net(x, training=True) @ tf.transpose(others) / 1.15)))

    @tf.function(reduce_retracing=True)
    def repaired(x, y):
        step(repair, lambda: loss(y, net(x, training=True)))

    for optimizer in (away, contrast, repair):
        optimizer.build(net.trainable_variables)
    larger = retain.unbatch().batch(256)
    for x, _ in forget:
        towards_uniform(x)
    for _ in range(rounds):
        for (x, _), (kept, _) in zip(forget, itertools.cycle(larger)):
            contrasted(x, kept)
        for x, y in larger:
            repaired(x, y)
    return net
