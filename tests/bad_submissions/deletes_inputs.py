"""It deletes the data that its process was given."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import keras


def unlearning(net, retain, forget, validation):
    for path in Path(__file__).parents[1].glob("inputs.npz"):
        if "kit-contained-" in str(path):  # the copy that a contained process works with
            path.unlink()
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
