"""It reports an error with a text that would paint the terminal."""
# check: runs
# level: FAIL

import os

import keras


def unlearning(net, retain, forget, validation):
    for descriptor in range(3, 21):
        try:
            os.write(descriptor, b'{"kind": "raised", "error": "Fine\\u001b[2J", "text": "\\u001b[31mred", "where": "\\u001b]0;title\\u0007"}\n')
        except OSError:
            pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
