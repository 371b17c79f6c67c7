"""Operations on vectors that `keras.ops` has too, but with other bits."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


def dot(vector: Sequence[tf.Tensor], other: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the scalar product of two vectors.

    `add_n` takes eight terms at a time, the odd ones first: of a vector of more parts it is not the sum from left to
    right, which Python's `sum` and `keras.ops.add` would give.
    """
    return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(vector, other, strict=True)])


def arrays_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Returns the values of variables; read one by one through Keras they take three times as long."""
    resources = [variable.value for variable in variables]
    return [tf.raw_ops.ReadVariableOp(resource=each.handle, dtype=each.dtype).numpy() for each in resources]
