"""It trains until two seconds are over, as many steps as that gives."""
# check: repeatable
# level: WARN

import time

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for images, labels in retain:
            net.train_on_batch(images, labels)
            if time.monotonic() > end:
                break
    return net
