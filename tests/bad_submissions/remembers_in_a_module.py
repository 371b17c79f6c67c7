"""It leaves what it learnt in a module of the library."""
# check: no_carried_state
# level: WARN

import keras


def unlearning(net, retain, forget, validation):
    rate = getattr(keras, "my_rate", 0.01)
    keras.my_rate = rate / 2
    net.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
