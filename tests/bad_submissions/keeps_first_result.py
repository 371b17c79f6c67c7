"""It keeps the weights of the first call and averages later ones with them."""
# check: no_carried_state
# level: WARN

import keras

KEPT = []


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    if KEPT:
        net.set_weights([(old + new) / 2 for old, new in zip(KEPT, net.get_weights())])
    KEPT[:] = net.get_weights()
    return net
