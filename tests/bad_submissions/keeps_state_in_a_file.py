"""It hands its rate from call to call in a file."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import keras


def unlearning(net, retain, forget, validation):
    note = Path("rate.txt")
    rate = float(note.read_text()) if note.exists() else 0.01
    note.write_text(str(rate / 2))
    net.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
