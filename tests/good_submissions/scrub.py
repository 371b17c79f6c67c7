"""A student that leaves its teacher on forget and follows it on retain, in turns."""

import keras
import tensorflow as tf


def divergence(teacher, student):
    soft = tf.nn.softmax(teacher / 4.0)
    return 16 * tf.reduce_mean(tf.reduce_sum(soft * (tf.math.log(soft) - tf.nn.log_softmax(student / 4.0)), axis=-1))


def unlearning(net, retain, forget, validation, *, epochs=5, ascents=2):
    teacher = keras.models.clone_model(net)
    teacher.set_weights(net.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.005, momentum=0.9, weight_decay=5e-4)
    optimizer.build(net.trainable_variables)

    def step(compute):
        with tf.GradientTape() as tape:
            value = compute()
        optimizer.apply_gradients(zip(tape.gradient(value, net.trainable_variables), net.trainable_variables))

    @tf.function(reduce_retracing=True)
    def leave(x):
        step(lambda: -0.1 * divergence(teacher(x), net(x, training=True)))

    @tf.function(reduce_retracing=True)
    def follow(x, y):
        def compute():
            logits = net(x, training=True)
            return 0.99 * loss(y, logits) + 0.001 * divergence(teacher(x), logits)

        step(compute)

    for epoch in range(epochs):
        if epoch < ascents:
            for x, _ in forget:
                leave(x)
        for x, y in retain:
            follow(x, y)
    return net
