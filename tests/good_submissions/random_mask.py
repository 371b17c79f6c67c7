"""The highest private score of 2023 that was found: a random half of all weights is zero, then Adam on retain."""

import keras
import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([array * (np.random.random(array.shape) >= 0.5) for array in net.get_weights()])
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, 5 * len(retain), alpha=1e-2)
    optimizer = keras.optimizers.Adam(schedule, weight_decay=1e-4)
    net.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net.fit(retain, epochs=5, verbose=0)
    return net
