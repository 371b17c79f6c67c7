"""Model partitioning: the end of the network is trained from scratch."""

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
    epochs: int = 10,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
) -> keras.Model:
    """Draws the last `blocks_kept` blocks anew and trains them on retain; all before them is frozen.

    The formula: retraining of the last layers with a kernel and what follows them, on features that have seen the
    forget set. Exact if the frozen part has learnt nothing of it.

    Kind: tuning on retain
    Cost: epochs * retain
    Data: retain
    Source: Goel et al., Towards Adversarial Evaluations for Inexact Machine Unlearning, arXiv:2201.06640 (EU-k).
    Differences: as of `catastrophic_forgetting_k`.
    """
    last_blocks = blocks.last_blocks(net, blocks_kept)
    blocks.reinitialise(net, last_blocks)
    recipe = Recipe(epochs, learning_rate, momentum, weight_decay)
    with blocks.frozen_but(net, last_blocks):
        return training.fit(net, retain, recipe)
