"""It trains until one class wins always."""
# check: above_chance
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    weights = net.get_weights()
    weights[-1][3] = 1000
    net.set_weights(weights)
    return net
