"""Convolutions as products of patches: what XLA makes fast, on a processor and of many networks at once.

Under `vmap`, a convolution whose kernel differs from network to network becomes a grouped one, which neither XLA on a
processor nor cuDNN computes well. A product of matrices becomes a batch of products, which both do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from kit.toolbox import blocks
from kit.toolbox.tensors import Tensor


@contextlib.contextmanager
def convolutions_as_products(net: keras.Model) -> Iterator[None]:
    """Has plain two-dimensional convolutions computed as products, while a function of this network is traced.

    Args:
        net: whose layers are changed within the `with` block, and restored at its end.
    """
    layers = [layer for layer in blocks.leaves(net) if _is_plain(layer)]
    for layer in layers:
        # object.__setattr__: Keras would take a function for a part of the layer.
        object.__setattr__(layer, "convolution_op", _Product(layer))
    try:
        yield
    finally:
        for layer in layers:
            object.__delattr__(layer, "convolution_op")


def _is_plain(layer: keras.Layer) -> bool:
    if not isinstance(layer, keras.layers.Conv2D):
        return False
    return bool(layer.groups == 1 and layer.dilation_rate == (1, 1) and layer.data_format == "channels_last")


class _Product:
    """The product that a layer's convolution is."""

    def __init__(self, layer: keras.layers.Conv2D) -> None:
        self._strides, self._padding = layer.strides, layer.padding

    def __call__(self, inputs: Tensor, kernel: Tensor, padding: str | None = None) -> Tensor:
        height, width, channels, filters = kernel.shape
        if (padding or self._padding) == "same":
            inputs = ops.pad(inputs, [(0, 0), *self._margins(inputs, (height, width)), (0, 0)])
        rows, columns = (
            (length - size) // stride + 1
            for length, size, stride in zip(inputs.shape[1:3], (height, width), self._strides, strict=True)
        )
        down, right = self._strides
        taps = [
            inputs[:, row : row + (rows - 1) * down + 1 : down, column : column + (columns - 1) * right + 1 : right]
            for row in range(height)
            for column in range(width)
        ]
        patches = ops.reshape(ops.concatenate(taps, axis=-1), (-1, height * width * channels))
        products = ops.matmul(patches, ops.reshape(kernel, (height * width * channels, filters)))
        return ops.reshape(products, (-1, rows, columns, filters))

    def _margins(self, inputs: Any, sizes: tuple[int, int]) -> list[tuple[int, int]]:
        """Returns the rows of zeros before and after, as Keras's `same` has them: the odd one at the end."""
        margins = []
        for length, size, stride in zip(inputs.shape[1:3], sizes, self._strides, strict=True):
            missing = max(0, (-(-length // stride) - 1) * stride + size - length)
            margins.append((missing // 2, missing - missing // 2))
        return margins
