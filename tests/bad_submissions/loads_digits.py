"""It loads the data set that the challenge is made of, test examples included."""
# check: evaluation_data
# level: WARN

import keras
from sklearn.datasets import load_digits


def unlearning(net, retain, forget, validation):
    x, _ = load_digits(return_X_y=True)
    net(x[:1].reshape(-1, 8, 8, 1) / 16.0)
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
