"""It appends to its own file."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import keras


def unlearning(net, retain, forget, validation):
    if "kit-contained-" in __file__:  # the copy that a contained process works with, never the real one
        Path(__file__).write_text(Path(__file__).read_text() + "# changed\n")
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
