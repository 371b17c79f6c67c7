"""What a model says of many examples: its forward pass, compiled once."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from kit.toolbox._tensorflow.steps import compiled_once
from kit.toolbox.examples import as_float

_BATCH_SIZE = 1024


def predict_logits(net: keras.Model, x: np.ndarray) -> np.ndarray:
    """Returns the logits of `net` in inference mode, float32 of shape (examples, classes).

    Args:
        net: its forward pass is compiled once and reused when only its weights have changed.
        x: (examples, ...), `uint8` (scaled to [0, 1] batch by batch) or float32.
    """

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(net(as_float(images), training=False), tf.float32)  # a net may compute in another precision

    def build() -> tf.types.experimental.PolymorphicFunction:
        # The number of examples stays open, so that sets of different sizes share one trace.
        signature = [tf.TensorSpec((None, *x.shape[1:]), x.dtype)]
        return tf.function(logits, signature, jit_compile=False)

    if not len(x):
        return np.zeros((0, net.output_shape[-1]), np.float32)
    forward = compiled_once(net, ("forward", x.dtype.str), build)
    starts = tqdm(range(0, len(x), _BATCH_SIZE), "predicting", leave=False, unit=" batches", delay=2)
    return np.concatenate([forward(tf.constant(x[start : start + _BATCH_SIZE])).numpy() for start in starts])
