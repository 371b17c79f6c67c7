"""Random numbers inside compiled functions: of a seed that is handed over, never of a state."""

from __future__ import annotations

import tensorflow as tf


def integers(shape: tuple[int | tf.Tensor, ...], seed: tf.Tensor, high: int) -> tf.Tensor:
    """Returns numbers in [0, high), int32, the same for the same seed, int32 (2,)."""
    return tf.random.stateless_uniform(shape, seed, 0, high, tf.int32)
