"""It writes deeply nested JSON to the kit's channel."""
# check: runs
# level: FAIL

import os

import keras


def unlearning(net, retain, forget, validation):
    for descriptor in range(3, 21):
        try:
            os.write(descriptor, b"[" * 100_000 + b"\n")
        except OSError:
            pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
