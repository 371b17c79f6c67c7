"""It trains until a loss is reached that is never reached."""
# check: time_budget
# level: FAIL
# says: took more than

import keras


def unlearning(net, retain, forget, validation):
    loss = 1.0
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    while loss > 0:
        loss = net.fit(retain, epochs=1, verbose=0).history["loss"][0]
    return net
