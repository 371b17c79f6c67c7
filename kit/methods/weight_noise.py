"""Noise on all weights, then fine-tuning on the retain set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import training
from kit.types import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3), "sigma": ("log", 0.02, 1.0)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    sigma: float = 0.2,
    epochs: int = 5,
    learning_rate: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
) -> keras.Model:
    """Adds normal noise to every trainable weight, then fine-tunes on retain along a cosine.

    The formula: `w += sigma * std(w's array) * N(0, 1)`: relative to the spread of the array that a weight is in, so
    that one sigma does for all layers. Biases, which begin at 0, are blurred by as much as they have learnt.

    Kind: tuning on retain
    Cost: epochs * retain
    Data: retain
    Source: the simplest baseline of the 2023 challenge, in many of its notebooks; Golatkar, Achille and Soatto, CVPR
    2020, scale noise by information (`fisher_forgetting`).
    Differences: noise relative to an array's standard deviation.
    """
    for variable in net.trainable_variables:
        weights = keras.ops.convert_to_numpy(variable)
        variable.assign(weights + sigma * weights.std() * np.random.standard_normal(weights.shape))
    return training.fit(net, retain, Recipe(epochs, learning_rate, momentum, weight_decay))
