"""It puts another dense layer after the logits."""
# check: architecture
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    net = keras.Sequential([net, keras.layers.Dense(10)])
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
