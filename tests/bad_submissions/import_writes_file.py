"""Importing it writes a file."""
# check: import_side_effects
# level: WARN

from pathlib import Path

import keras

Path("log.txt").write_text("imported")


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
