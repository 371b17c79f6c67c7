"""It names the data sets that Keras downloads."""
# check: evaluation_data
# level: WARN

import keras


def test_set():
    return keras.datasets.mnist.load_data()[1]


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
