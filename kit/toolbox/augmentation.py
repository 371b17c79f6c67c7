"""Random changes of images, batch by batch, inside the compiled training loop: stateless operations only."""

from __future__ import annotations

from keras import ops

from kit.toolbox import _backend
from kit.toolbox.tensors import Augment, Tensor

# images (batch, height, width, channels), seed (2,) int32 -> images
_MARGIN = 4


def crop_and_flip(images: Tensor, seed: Tensor) -> Tensor:
    """Shifts each image by up to 4 pixels either way, filling with zeros, and mirrors every other one.

    The usual augmentation of CIFAR-10, and the 2023 kit's: torchvision's `RandomCrop(32, padding=4)` and
    `RandomHorizontalFlip()`. One gather of pixels does both.

    Args:
        images: (batch, height, width, channels), any dtype.
        seed: int32 (2,); the same seed gives the same changes.

    Returns:
        The images, with the same shape and dtype.

    Example:
        >>> images = ops.ones((2, 8, 8, 3), "uint8")
        >>> tuple(crop_and_flip(images, ops.array([0, 1])).shape)
        (2, 8, 8, 3)
    """
    batch, (height, width, channels) = ops.shape(images)[0], images.shape[1:]
    around = [[0, 0], [_MARGIN, _MARGIN], [_MARGIN, _MARGIN], [0, 0]]
    pixels = ops.reshape(ops.pad(images, around), (-1, channels))
    draws = _backend.random.integers((3, batch, 1), seed, 2 * (2 * _MARGIN + 1))
    rows = draws[0] // 2 + ops.arange(height, dtype="int32")
    columns = ops.arange(width, dtype="int32")
    columns = draws[1] // 2 + ops.where(draws[2] % 2 == 0, columns, columns[::-1])
    first = ops.arange(batch, dtype="int32")[:, None] * (height + 2 * _MARGIN)
    rows = (first + rows) * (width + 2 * _MARGIN)
    return ops.take(pixels, rows[:, :, None] + columns[:, None, :], axis=0)


AUGMENTATIONS: dict[str, Augment | None] = {"none": None, "crop_and_flip": crop_and_flip}
