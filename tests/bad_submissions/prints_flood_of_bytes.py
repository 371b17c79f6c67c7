"""It writes 30 MB that are no text to the descriptor of the output."""
# check: output
# level: FAIL

import os

import keras


def unlearning(net, retain, forget, validation):
    for _ in range(3_000):
        os.write(1, b"\xff\0\x1b[2J" * 1_500)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
