"""A keyword-only parameter has no default."""
# check: signature
# level: FAIL

import keras


def unlearning(net, retain, forget, validation, *, epochs):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=epochs, verbose=0)
    return net
