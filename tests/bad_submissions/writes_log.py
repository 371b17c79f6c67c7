"""It writes a log into the working directory."""
# check: leaves_nothing
# level: FAIL

from pathlib import Path

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    Path("log.txt").write_text("done")
    return net
