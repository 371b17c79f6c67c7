"""The logits of a model for many examples: its forward pass, compiled once."""

from __future__ import annotations

import math

import keras
import numpy as np

from kit.machine.bars import progress
from kit.toolbox import _backend, blocks, compiled, costs
from kit.toolbox.tensors import Tensor

# How many examples are predicted at once, unless what a layer gives takes more bytes, as with large images.
_AT_MOST, _BYTES_AT_ONCE = 1024, 2**28


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
    at_once = compiled.once(net, ("at once", x.shape[1:]), lambda: examples_at_once(net, x.shape[1:]))
    starts = progress(range(0, len(x), at_once), label="predicting", unit=" batches")
    batches = (keras.ops.convert_to_tensor(x[start : start + at_once]) for start in starts)
    return np.concatenate([keras.ops.convert_to_numpy(forward(batch)) for batch in batches])


def examples_at_once(net: keras.Model, shape: tuple[int, ...]) -> int:
    """Returns how many examples are predicted at once without much memory, 1 to 1,024.

    Args:
        net: of whose layers the one with the largest output counts, as far as a graph says what they give.
        shape: of an example, which also stands in for axes whose size the network leaves open.

    Example:
        >>> from kit.models import mlp
        >>> examples_at_once(mlp((4,), 3), (4,)), examples_at_once(mlp((224, 224, 3), 3), (224, 224, 3))
        (1024, 445)
    """
    numbers = [math.prod(shape)]
    for layer in blocks.leaves(net):
        try:
            outputs = keras.tree.flatten(layer.output)
        except (AttributeError, ValueError):  # no part of a graph, or of several
            continue
        numbers += [math.prod(size or max(shape) for size in output.shape[1:]) for output in outputs]
    return max(1, min(_AT_MOST, _BYTES_AT_ONCE // (4 * max(numbers))))
