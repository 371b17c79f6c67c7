"""Random changes of images, batch by batch, inside the compiled training loop: stateless operations only."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# images (batch, height, width, channels), seed (2,) int32 -> images
Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
_MARGIN = 4


def crop_and_flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts each image by up to 4 pixels either way, filling with zeros, and mirrors every other one.

    The usual augmentation of CIFAR-10, and the 2023 kit's: torchvision's `RandomCrop(32, padding=4)` and
    `RandomHorizontalFlip()`. One gather of pixels does both.

    Args:
        images: (batch, height, width, channels), any dtype.
        seed: int32 (2,); the same seed gives the same changes.

    Example:
        >>> images = tf.ones((2, 8, 8, 3), tf.uint8)
        >>> crop_and_flip(images, tf.constant([0, 1])).shape
        TensorShape([2, 8, 8, 3])
    """
    batch, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    around = [[0, 0], [_MARGIN, _MARGIN], [_MARGIN, _MARGIN], [0, 0]]
    pixels = tf.reshape(tf.pad(images, around), (-1, channels))
    drawn = tf.random.stateless_uniform((3, batch, 1), seed, 0, 2 * (2 * _MARGIN + 1), tf.int32)
    rows = drawn[0] // 2 + tf.range(height)
    columns = tf.range(width)
    columns = drawn[1] // 2 + tf.where(drawn[2] % 2 == 0, columns, columns[::-1])
    first = tf.range(batch)[:, tf.newaxis] * (height + 2 * _MARGIN)
    rows = (first + rows) * (width + 2 * _MARGIN)
    return tf.gather(pixels, rows[:, :, tf.newaxis] + columns[:, tf.newaxis, :])


AUGMENTATIONS: dict[str, Augment | None] = {"none": None, "crop_and_flip": crop_and_flip}
