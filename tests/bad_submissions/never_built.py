"""It returns a model that has no weights yet."""
# check: architecture
# level: FAIL

import keras


def unlearning(net, retain, forget, validation):
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
