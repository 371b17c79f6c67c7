"""The baseline of the 2023 starter kit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import keras

from kit.toolbox import training
from kit.toolbox.losses import Loss, cross_entropy
from kit.types import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3), "weight_decay": ("log", 1e-5, 1e-2)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 5,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    loss: Loss = cross_entropy,
    checkpoint: Path | None = None,
) -> keras.Model:
    """Trains on with the retain set only, and trusts the network to forget what it no longer sees.

    The formula: cross-entropy, SGD with momentum and coupled weight decay, cosine schedule stepped at each epoch.

    Kind: tuning on retain
    Cost: epochs * retain
    Data: retain
    Source: unlearning-challenge/starting-kit, unlearning-CIFAR10.ipynb.
    Differences: the batch size is the challenge's.
    """
    recipe = Recipe(epochs, learning_rate, momentum, weight_decay, schedule="cosine")
    return training.fit(net, retain, recipe, loss=loss, checkpoint=checkpoint)
