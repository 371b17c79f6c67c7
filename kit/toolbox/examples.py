"""Examples: arrays as batches of `tf.data`, and data sets read into memory, as training goes over them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kit.types import Arrays, InputError

if TYPE_CHECKING:  # loaded where it is used: what only names it does without
    import tensorflow as tf


def as_float(images: tf.Tensor) -> tf.Tensor:
    """Returns a tensor of images as float32, `uint8` ones scaled by 1/255.

    A product: in compiled functions TensorFlow makes one of a division by a constant, which rounds otherwise, and the
    same images would not be the same numbers everywhere.
    """
    import tensorflow as tf

    return tf.cast(images, tf.float32) * (1 / 255) if images.dtype == tf.uint8 else images


@dataclass(frozen=True)
class Examples:
    """Examples in memory, as `kit.training` goes over them.

    Args:
        x: (n, ...), float32, or uint8 where the images are 8-bit ones.
        y: int32 (n,).
        batch_size: of the data set that they were read from.
        targets: float32 (n, ...), what a method puts beside the examples, for instance a teacher's logits.
    """

    x: tf.Tensor
    y: tf.Tensor
    batch_size: int
    targets: tf.Tensor | None = None

    def __len__(self) -> int:
        """Returns n."""
        return len(self.x)

    def at(self, indices: np.ndarray) -> Examples:
        """Returns the examples at these positions, in this order."""
        import tensorflow as tf

        x, y, targets = (None if one is None else tf.gather(one, indices) for one in (self.x, self.y, self.targets))
        return Examples(x, y, self.batch_size, targets)

    def labelled(self, y: np.ndarray) -> Examples:
        """Returns the examples with other labels, int (n,)."""
        import tensorflow as tf

        return replace(self, y=tf.constant(y, self.y.dtype))

    def followed_by(self, others: Examples) -> Examples:
        """Returns these examples and others behind them, both with targets or both without."""
        import tensorflow as tf

        targets = None if self.targets is None else tf.concat([self.targets, others.targets], axis=0)
        images = [self.x, others.x]
        if self.x.dtype != others.x.dtype:  # only one of the two could be packed
            images = [as_float(one) for one in images]
        x, y = tf.concat(images, axis=0), tf.concat([self.y, others.y], axis=0)
        return Examples(x, y, max(self.batch_size, others.batch_size), targets)

    def ids(self) -> np.ndarray:
        """Returns a number for each example that is made of its content, image and label: uint64 (n,).

        It is the same in every data set that the example is in, wherever it stands there.

        Example:
            >>> import tensorflow as tf
            >>> three = Examples(tf.constant([[0.0], [1.0], [0.0]]), tf.constant([3, 3, 3]), 2)
            >>> one, other, again = three.ids()
            >>> bool(one == again), bool(one == other)
            (True, False)
        """
        labels, found = self.y.numpy().astype("<i8"), []
        for start in range(0, len(self), 1024):
            images = as_float(self.x[start : start + 1024]).numpy()
            for image, label in zip(images, labels[start : start + 1024], strict=True):
                found.append(hashlib.sha256(image.tobytes() + label.tobytes()).digest()[:8])
        return np.frombuffer(b"".join(found), "<u8")

    def with_targets(self, targets: np.ndarray) -> Examples:
        """Returns the examples with these targets, (n, ...)."""
        import tensorflow as tf

        return replace(self, targets=tf.constant(targets, tf.float32))


def in_memory(dataset: tf.data.Dataset) -> Examples:
    """Reads a data set of batches (x, y) once.

    A method is handed float32 images. In memory at once, those of a whole training set would take four times as much
    as where they came from: what were 8-bit images become 8-bit images again.

    Raises:
        InputError: there is no batch.
    """
    import tensorflow as tf

    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for batch, its_labels in dataset.as_numpy_iterator():
        packed = _packed(batch) if not images or images[0].dtype == np.uint8 else None
        if packed is None and images and images[0].dtype == np.uint8:
            images = [as_float(tf.constant(earlier)).numpy() for earlier in images]
        images.append(batch if packed is None else packed)
        labels.append(its_labels)
    if not images:
        raise InputError("The data set to train on has no batch. Expected at least one batch (x, y). Check the split.")
    return Examples(tf.constant(np.concatenate(images)), tf.constant(np.concatenate(labels)), len(images[0]))


def _packed(images: np.ndarray) -> np.ndarray | None:
    """Returns 8-bit images that `as_float` turns into these again, to the last bit, or None where there are none."""
    import tensorflow as tf

    if images.dtype == np.uint8:
        return images
    if images.dtype != np.float32 or not (images.min() >= 0 and images.max() <= 1):  # not a number: neither
        return None
    packed = np.rint(images * 255).astype(np.uint8)
    again = as_float(tf.constant(packed)).numpy()
    return packed if np.array_equal(again.view(np.int32), images.view(np.int32)) else None  # -0.0 is no 0.0


def batches(arrays: Arrays, indices: np.ndarray, batch_size: int, shuffle_seed: int | None = None) -> tf.data.Dataset:
    """Returns a `tf.data.Dataset` of batches (x, y) of the examples at `indices`.

    Args:
        arrays: the examples; they are not copied.
        indices: int64 (k,), positions in `arrays`.
        batch_size: the last batch may be short.
        shuffle_seed: if given, each pass has another order, the same sequence of orders for the same seed.

    Returns:
        Batches of float32 x of shape (b, ...) (`uint8` images scaled to [0, 1]) and int32 y of shape (b,).
    """
    import tensorflow as tf

    x, y = tf.constant(arrays.x), tf.constant(arrays.y)
    dataset = tf.data.Dataset.from_tensor_slices(indices)
    if shuffle_seed is not None:
        dataset = dataset.shuffle(len(indices), seed=shuffle_seed, reshuffle_each_iteration=True)
    dataset = dataset.batch(batch_size)
    # Gathering a whole batch by index is several times quicker than slicing, shuffling and stacking single images.
    dataset = dataset.map(lambda batch: (as_float(tf.gather(x, batch)), tf.gather(y, batch)))
    return dataset.prefetch(tf.data.AUTOTUNE)
