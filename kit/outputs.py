"""From a model to its outputs, and outputs on disk. After this nothing touches Keras."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from kit import files
from kit.datasets import as_float
from kit.training import compiled_once
from kit.types import PARTS, Challenge, FailedRun, ModelOutputs

_BATCH_SIZE = 1024
_KINDS = ("confidences", "correct", "logits")


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


def compute_outputs(net: keras.Model, challenge: Challenge, method: str = "model") -> ModelOutputs:
    """Returns what `net` says of retain, forget, validation and test: one forward pass over each example.

    Raises:
        FailedRun: logits that are not finite.
    """
    train = predict_logits(net, challenge.train.x)
    logits = {
        "retain": train[challenge.split.retain],
        "forget": train[challenge.split.forget],
        "validation": predict_logits(net, challenge.validation.x),
        "test": predict_logits(net, challenge.test.x),
    }
    for part in PARTS:
        bad = ~np.isfinite(logits[part]).all(axis=-1)
        if bad.any():
            raise FailedRun(
                f"The model that '{method}' returned gives NaN or infinite logits for {int(bad.sum())} of {len(bad)} "
                f"{part} examples. Expected finite logits. Lower the method's learning rate, or clip its gradients."
            )
    return ModelOutputs.of_logits(logits, {part: challenge.labels(part) for part in PARTS})


def save_outputs(path: Path, outputs: ModelOutputs) -> None:
    """Writes one model's outputs as `.npz`, atomically."""
    arrays = {f"{name}_{part}": array for name in _KINDS for part, array in getattr(outputs, name).items()}
    files.write_npz(path, arrays)


def load_outputs(path: Path) -> ModelOutputs:
    """Reads what `save_outputs` wrote; nothing is unpickled."""
    stored = files.read_npz(path)
    kinds = [
        {part: stored[f"{name}_{part}"] for part in PARTS if name != "logits" or f"{name}_{part}" in stored}
        for name in _KINDS
    ]
    return ModelOutputs(*kinds)
