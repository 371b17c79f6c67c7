"""It looks for earlier results in the folder 'runs/'."""
# check: evaluation_data
# level: WARN

from pathlib import Path

import keras


def unlearning(net, retain, forget, validation):
    sorted(Path("runs/").glob("**/*.npz"))
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
