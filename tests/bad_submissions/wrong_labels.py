"""It trains on shifted labels."""
# check: above_chance
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    retain = retain.map(lambda images, labels: (images, (labels + 1) % 10))
    net.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=15, verbose=0)
    return net
