"""All layers are frozen before it trains."""
# check: changes_weights
# level: WARN

import keras


def unlearning(net, retain, forget, validation):
    net.trainable = False
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
