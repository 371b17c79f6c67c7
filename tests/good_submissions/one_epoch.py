"""The competition's own example: one epoch on retain at a low learning rate."""

import keras


def unlearning(net, retain, forget, validation):
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    net.optimizer.learning_rate = 0.02
    net.fit(retain, epochs=1, verbose=0)
    return net
