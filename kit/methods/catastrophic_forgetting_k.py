"""Model partitioning: only the end of the network is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kit.toolbox import blocks, training
from kit.types import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3), "blocks_kept": ("int", 1, 3)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    blocks_kept: int = 1,
    epochs: int = 5,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
) -> keras.Model:
    """Fine-tunes the last `blocks_kept` blocks on retain; all before them is frozen, batch statistics included.

    The formula: that of `finetune`, for the last layers with a kernel and what follows them. What the frozen part has
    learnt from the forget set stays.

    Kind: tuning on retain
    Cost: epochs * retain
    Data: retain
    Source: Goel et al., Towards Adversarial Evaluations for Inexact Machine Unlearning, arXiv:2201.06640 (CF-k).
    Differences: the cost is stated as that of whole passes; the frozen part saves its backward pass.
    """
    recipe = Recipe(epochs, learning_rate, momentum, weight_decay)
    with blocks.frozen_but(net, blocks.last_blocks(net, blocks_kept)):
        return training.fit(net, retain, recipe)
