"""Gradient ascent on forget, then a repair on retain: the model is compiled twice, with two losses."""

import keras


def unlearning(net, retain, forget, validation):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.005, clipnorm=1.0), lambda y, logits: -loss(y, logits))
    net.fit(forget, epochs=2, verbose=0)
    net.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss)
    net.fit(retain, epochs=4, verbose=0)
    return net
