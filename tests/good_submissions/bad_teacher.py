"""Two teachers: a network that knows nothing for what is forgotten, the original for what stays."""

import keras
import tensorflow as tf


def unlearning(net, retain, forget, validation):
    good, bad = keras.models.clone_model(net), keras.models.clone_model(net)
    good.set_weights(net.get_weights())
    kept = retain.map(lambda x, y: (x, tf.nn.softmax(good(x, training=False))))
    dropped = forget.map(lambda x, y: (x, tf.nn.softmax(bad(x, training=False))))
    mixed = kept.concatenate(dropped).unbatch().shuffle(2048, seed=7).batch(64)
    net.compile(keras.optimizers.Adam(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True))
    net.fit(mixed, epochs=3, verbose=0)
    return net
