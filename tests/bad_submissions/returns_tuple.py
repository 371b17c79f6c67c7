"""It returns the net and the history."""
# check: returns_model
# level: FAIL
# says: a tuple

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    history = net.fit(retain, epochs=1, verbose=0)
    return net, history
