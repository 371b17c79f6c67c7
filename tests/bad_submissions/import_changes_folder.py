"""Importing it changes the working directory."""
# check: import_side_effects
# level: WARN

import os
import tempfile

import keras

os.chdir(tempfile.gettempdir())


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
