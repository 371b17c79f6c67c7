"""The learning rate falls from call to call."""
# check: no_carried_state
# level: WARN

import keras

CALLS = []


def unlearning(net, retain, forget, validation):
    CALLS.append(1)
    net.compile(
        keras.optimizers.SGD(0.01 / len(CALLS), momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
