"""Importing it sets an environment variable."""
# check: import_side_effects
# level: WARN

import os

import keras

os.environ["CUDA_VISIBLE_DEVICES"] = "7"


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
