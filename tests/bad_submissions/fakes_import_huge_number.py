"""While imported it sends a reply with a number that no float can hold."""
# check: runs
# level: FAIL

import os

import keras

for descriptor in range(3, 21):
    try:
        os.write(descriptor, b'{"kind": "imported", "seconds": 1%s}\n' % (b"0" * 400))
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
