"""Tensors of whatever backend Keras runs on, and images in them: 8 bits in memory, float32 in a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Tensor = Any  # of the backend: its type has no name that all of them share
Augment = Callable[[Tensor, Tensor], Tensor]  # of a batch of float32 images and a seed
Vector = list[Tensor]  # in weight space: one tensor a trainable variable, in the order of `net.trainable_variables`


def as_float(images: Tensor) -> Tensor:
    """Returns a tensor of images as float32, `uint8` ones scaled by 1/255, others as they are.

    A product: in compiled functions TensorFlow makes one of a division by a constant, which rounds otherwise, and the
    same images would not be the same numbers everywhere.

    Args:
        images: of any shape, uint8 in [0, 255] or float32.

    Example:
        >>> as_float(keras.ops.convert_to_tensor(np.array([0, 255], np.uint8))).numpy().tolist()
        [0.0, 1.0]
    """
    if keras.backend.standardize_dtype(images.dtype) != "uint8":
        return images
    return keras.ops.cast(images, "float32") * (1 / 255)


def packed(images: np.ndarray) -> np.ndarray | None:
    """Returns float32 images as 8-bit ones, from which `as_float` makes the same images again, to the last bit.

    Args:
        images: float32, of any shape.

    Returns:
        uint8 of the same shape, or None where the images never had 8 bits.

    Example:
        >>> packed(as_float(np.array([[0, 7, 255]], np.uint8)).numpy()).tolist()
        [[0, 7, 255]]
        >>> packed(np.array([[0.5]], np.float32)) is None
        True
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype != np.float32 or not (images.min() >= 0 and images.max() <= 1):  # not a number: neither
        return None
    in_8_bits = np.rint(images * 255).astype(np.uint8)
    again = keras.ops.convert_to_numpy(as_float(keras.ops.convert_to_tensor(in_8_bits)))
    return in_8_bits if np.array_equal(again.view(np.int32), images.view(np.int32)) else None  # -0.0 is no 0.0
