"""An optimizer made once knows the variables of the first call only."""
# check: runs
# level: FAIL

import keras

OPTIMIZER = keras.optimizers.SGD(0.01, momentum=0.9)


def unlearning(net, retain, forget, validation):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(OPTIMIZER, loss, jit_compile=False)
    net.fit(retain, epochs=1, verbose=0)
    return net
