"""It saves the model in the working directory."""
# check: leaves_nothing
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    net.save("unlearned.keras")
    return net
