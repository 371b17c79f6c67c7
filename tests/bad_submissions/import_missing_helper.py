"""A helper file beside it was not handed in."""
# check: imports
# level: FAIL
# says: my_helpers_left_at_home

import keras
from my_helpers_left_at_home import LEARNING_RATE


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
