"""It writes 5 MB of garbage to all file descriptors."""
# check: runs
# level: FAIL

import os
import select

import keras


def unlearning(net, retain, forget, validation):
    for descriptor in range(3, 21):
        for _ in range(5 * 16):
            try:
                _, writable, _ = select.select([], [descriptor], [], 0.1)
                os.write(descriptor if writable else -1, b"\xff\0{" * (1 << 14))
            except (OSError, ValueError):
                break
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
