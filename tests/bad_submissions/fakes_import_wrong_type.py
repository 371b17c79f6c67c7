"""While imported it sends a reply with a number where a list belongs."""
# check: runs
# level: FAIL

import os

import keras

for descriptor in range(3, 21):
    try:
        os.write(descriptor, b'{"kind": "imported", "seconds": 0, "changed": 5}\n')
    except OSError:
        pass


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
