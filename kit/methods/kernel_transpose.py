"""Team toni of 2023: transpose every convolution kernel, then fine-tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kit.toolbox import training
from kit.types import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 5,
    learning_rate: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
) -> keras.Model:
    """Transposes height and width of every convolution kernel, then fine-tunes on retain.

    The formula: `kernel[i, j] -> kernel[j, i]` of square kernels, then `finetune`. What is symmetric stays, what tells
    one image from another is mostly lost, and comes back for those that are still shown.

    Kind: winners of 2023
    Cost: epochs * retain
    Data: retain
    Source: toshi-k and marvel (team toni), write-up 458531 of the 2023 challenge; xcadet/deepunlearn, kgltop5.
    Differences: five epochs at 0.05, where the team had three at 1e-3 for a larger network and more data; half of its
    512 runs used a second algorithm, which it did not describe in full. Randomness comes from the order of the
    examples alone.
    """
    for variable in net.trainable_variables:
        if len(variable.shape) == 4 and variable.shape[0] == variable.shape[1]:
            variable.assign(keras.ops.transpose(variable.value, (1, 0, 2, 3)))
    return training.fit(net, retain, Recipe(epochs, learning_rate, momentum, weight_decay))
