"""It trains on validation, which comes in one order, so that the seed changes nothing."""
# check: seeds_differ
# level: WARN

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(validation, epochs=1, verbose=0)
    return net
