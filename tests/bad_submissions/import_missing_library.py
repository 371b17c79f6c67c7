"""It imports a library that is not installed."""
# check: imports
# level: FAIL
# says: No module named

import keras
import torch_unlearning_toolbox_that_does_not_exist


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
