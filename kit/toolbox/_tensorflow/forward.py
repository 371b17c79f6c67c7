"""The compiled forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kit.toolbox.tensors import as_float


def compile_forward(net: keras.Model, shape: tuple[int, ...], dtype: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from images to float32 logits in inference mode.

    Args:
        net: whose weights are read at each call.
        shape, dtype: of an example. How many there are stays open, so that sets of different sizes share one trace.
    """

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(net(as_float(images), training=False), tf.float32)  # a net may compute in another precision

    compiled: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        logits, [tf.TensorSpec((None, *shape), dtype)], jit_compile=False, autograph=False
    )
    return compiled
