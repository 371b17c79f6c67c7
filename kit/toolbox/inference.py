"""The logits of a model for many examples: its forward pass, compiled once."""

from __future__ import annotations

import keras
import numpy as np

from kit.machine.bars import progress
from kit.toolbox import _backend, compiled, costs
from kit.toolbox.tensors import Tensor

_BATCH_SIZE = 1024


def predict_logits(net: keras.Model, x: np.ndarray | Tensor) -> np.ndarray:
    """Returns the logits of a model in inference mode.

    Args:
        net: its forward pass is compiled once and reused when only its weights have changed.
        x: (examples, ...), `uint8` (scaled to [0, 1] batch by batch) or float32, an array or a tensor.

    Returns:
        float32 (examples, classes).

    Example:
        >>> from kit.models import mlp
        >>> predict_logits(mlp((4,), 3), np.zeros((2, 4), "float32")).shape
        (2, 3)
    """
    x = np.asarray(x)
    if not len(x):
        return np.zeros((0, net.output_shape[-1]), np.float32)
    costs.add(forward=len(x))
    key, arguments = ("forward", x.dtype.str), (net, x.shape[1:], x.dtype)
    forward = compiled.once(net, key, lambda: _backend.forward.compile_forward(*arguments))
    starts = progress(range(0, len(x), _BATCH_SIZE), label="predicting", unit=" batches")
    batches = (keras.ops.convert_to_tensor(x[start : start + _BATCH_SIZE]) for start in starts)
    return np.concatenate([keras.ops.convert_to_numpy(forward(batch)) for batch in batches])
