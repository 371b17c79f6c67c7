"""It trains far longer than a retraining."""
# check: time_budget
# level: FAIL
# says: took more than

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=5000, verbose=0)
    return net
