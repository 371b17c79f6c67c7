"""It appends to a file of the kit."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import keras

import kit


def unlearning(net, retain, forget, validation):
    path = Path(kit.__file__).parent / "child.py"
    if "kit-contained-" in str(path):  # the copy that a contained process works with, never the real one
        path.write_text(path.read_text() + "# changed\n")
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
