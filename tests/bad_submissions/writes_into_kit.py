"""It writes a file into the kit's folder."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import keras

import kit


def unlearning(net, retain, forget, validation):
    (Path(kit.__file__).parent / "planted_by_a_submission.txt").write_text("here")
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
