"""Exact unlearning, and the reference that every other method is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import keras

from kit.toolbox import blocks, training
from kit.toolbox.losses import Loss, cross_entropy
from kit.types import Recipe

if TYPE_CHECKING:
    import tensorflow as tf


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    recipe: Recipe = Recipe(),
    loss: Loss = cross_entropy,
    checkpoint: Path | None = None,
) -> keras.Model:
    """Trains from scratch on the retain set: exact, and what unlearning wants to avoid paying for.

    The formula: `net`'s weights are drawn anew by its own initialisers, then trained with the recipe of the original
    model (the harness passes the challenge's as `recipe`). Frozen layers keep their weights.

    Kind: exact
    Cost: recipe_epochs * retain
    Data: retain
    Source: the definition of exact unlearning, Cao and Yang, IEEE S&P 2015.
    Differences: none.
    """
    net.set_weights(blocks.redrawn(net))
    return training.fit(net, retain, recipe, loss=loss, checkpoint=checkpoint)
