"""An error at the top level."""
# check: imports
# level: FAIL
# says: IndexError

import keras

RATES = [0.01, 0.1]
RATE = RATES[2]


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
