"""No unlearning: the row that shows what there is to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    import tensorflow as tf


def unlearning(
    net: keras.Model, retain: tf.data.Dataset, forget: tf.data.Dataset, validation: tf.data.Dataset
) -> keras.Model:
    """Nothing is done: the model as it was trained, forget set included.

    Kind: landmark
    Cost: 0
    Data: none
    Source: the "original" column of the 2023 starter kit.
    Differences: none.
    """
    return net
