"""Examples: arrays as batches, and data sets read into memory, as training goes over them."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import _backend, rows
from kit.toolbox.minibatches import Batches
from kit.toolbox.rows import Rows
from kit.toolbox.tensors import Tensor, as_float, packed
from kit.types import Arrays, InputError

if TYPE_CHECKING:  # the contract's own type, which no code here has to load
    import tensorflow as tf

    from kit.toolbox.tensors import Augment


@dataclass(frozen=True)
class Examples:
    """Examples in memory, as `kit.toolbox.training` goes over them.

    Args:
        x: (n, ...), float32, or uint8 where the images are 8-bit ones; `Rows` of what is too large to be a tensor
            (`as_needed`).
        y: int32 (n,).
        batch_size: of the data set that they were read from.
        targets: float32 (n, ...), what a method puts beside the examples, for instance a teacher's logits.

    Example:
        >>> examples = Examples(keras.ops.eye(3), keras.ops.arange(3), 2)
        >>> len(examples), examples.at(np.array([2])).y.numpy().tolist()
        (3, [2])
    """

    x: Tensor
    y: Tensor
    batch_size: int
    targets: Tensor | None = None

    def __len__(self) -> int:
        """Returns n."""
        return len(self.x)

    @property
    def arrays(self) -> tuple[Tensor, ...]:
        """x, y, and targets where there are some."""
        return (self.x, self.y) if self.targets is None else (self.x, self.y, self.targets)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields the numbers of all arrays, one after the other, in pieces where they are `Rows`."""
        for array in self.arrays:
            if isinstance(array, Rows):
                yield from array.blocks()
            else:
                yield np.asarray(array)

    def at(self, indices: np.ndarray) -> Examples:
        """Returns some of the examples.

        Args:
            indices: integers (k,), their positions, in the order wanted.
        """
        x, y, *targets = (keras.ops.take(array, indices, axis=0) for array in self.arrays)
        return Examples(x, y, self.batch_size, *targets)

    def labelled(self, y: np.ndarray) -> Examples:
        """Returns the examples with other labels.

        Args:
            y: integers (n,), one for each example.
        """
        return replace(self, y=keras.ops.convert_to_tensor(y, self.y.dtype))

    def followed_by(self, others: Examples) -> Examples:
        """Returns these examples with others behind them.

        Args:
            others: with targets if and only if these have some.
        """
        images = [self.x, others.x]
        if self.x.dtype != others.x.dtype:  # only one of the two could be packed
            images = [as_float(part) for part in images]
        pairs = [images, *zip(self.arrays[1:], others.arrays[1:], strict=True)]
        x, y, *targets = (keras.ops.concatenate(pair, axis=0) for pair in pairs)
        return Examples(x, y, max(self.batch_size, others.batch_size), *targets)

    def ids(self, key: bytes) -> np.ndarray:
        """Returns a number for each example that is made of its content, image and label: uint64 (n,).

        It is the same in every data set that the example is in, wherever it stands there. Who knows an example and not
        the key cannot tell its number: the first 8 bytes of an HMAC (SHA-256).

        Args:
            key: a secret, of 32 bytes or more to be one.

        Example:
            >>> three = Examples(keras.ops.array([[0.0], [1.0], [0.0]]), keras.ops.array([3, 3, 3]), 2)
            >>> first, second, third = three.ids(b"secret")
            >>> bool(first == third), bool(first == second), bool(first == three.ids(b"other")[0])
            (True, False, False)
        """
        labels, digests = np.asarray(self.y).astype("<i8"), []
        for start in range(0, len(self), 1024):
            images = np.asarray(as_float(self.x[start : start + 1024]))
            for image, label in zip(images, labels[start : start + 1024], strict=True):
                digests.append(hmac.digest(key, image.tobytes() + label.tobytes(), "sha256")[:8])
        return np.frombuffer(b"".join(digests), "<u8")

    def with_targets(self, targets: np.ndarray) -> Examples:
        """Returns the examples with targets beside them.

        Args:
            targets: (n, ...), for instance a teacher's logits; becomes float32.
        """
        return replace(self, targets=keras.ops.convert_to_tensor(targets, "float32"))


def in_memory(dataset: tf.data.Dataset | Batches) -> Examples:
    """Reads a data set of batches (x, y) once, and returns its examples.

    A method is handed float32 images. In memory at once, those of a whole training set would take four times as much
    as where they came from: what were 8-bit images become 8-bit images again. The kit's own batches are not even gone
    over: the examples come in the order of their selection, not in that of a pass, and many networks share them.

    Args:
        dataset: a `tf.data.Dataset` of finite length, or what `batches` returns.

    Returns:
        The examples, as tensors.

    Raises:
        InputError: there is no batch.

    Example:
        >>> three = Arrays(np.eye(3, dtype="float32"), np.arange(3))
        >>> examples = in_memory(batches(three, np.array([2, 0, 1]), 2))
        >>> len(examples), examples.batch_size
        (3, 2)
    """
    if isinstance(dataset, Batches) and len(dataset):
        x, y = dataset.selection.tensors
        return Examples(x, y, min(dataset.batch_size, len(x)))
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for batch, labels_of_batch in dataset.as_numpy_iterator():
        in_8_bits = packed(batch) if not images or images[0].dtype == np.uint8 else None
        if in_8_bits is None and images and images[0].dtype == np.uint8:
            images = [np.asarray(as_float(keras.ops.convert_to_tensor(earlier))) for earlier in images]
        images.append(batch if in_8_bits is None else in_8_bits)
        labels.append(labels_of_batch)
    if not images:
        raise InputError("The data set to train on has no batch. Expected at least one batch (x, y). Check the split.")
    x, y = (keras.ops.convert_to_tensor(np.concatenate(parts)) for parts in (images, labels))
    return Examples(x, y, len(images[0]))


def as_needed(dataset: tf.data.Dataset | Batches) -> Examples:
    """Returns the examples of a data set, those of a large selection as `Rows`, of which no tensor is made.

    For `kit.toolbox.training` alone: what else methods do with examples takes tensors.

    Args:
        dataset: a data set of batches (x, y).

    Returns:
        Its examples; `x` is of type `Rows` where the selection takes more than `rows.MOST_IN_MEMORY` bytes.

    Raises:
        InputError: there is no batch.
    """
    if isinstance(dataset, Batches) and len(dataset):
        arrays, indices = dataset.selection.arrays, dataset.selection.indices
        some = Rows(arrays.x, indices)
        if some.nbytes > rows.MOST_IN_MEMORY:
            return Examples(some, arrays.y[indices], min(dataset.batch_size, len(some)))
    return in_memory(dataset)


@dataclass(frozen=True, eq=False)
class Selection:
    """Some examples of arrays, in an order: what a data set is made of, as often as one is needed.

    Args:
        arrays: the examples; they are not copied.
        indices: int64 (k,), positions in `arrays`.
    """

    arrays: Arrays
    indices: np.ndarray

    def batches(self, batch_size: int, shuffle_seed: int | None = None) -> Batches:
        """Returns batches for the kit's own methods, see `kit.toolbox.examples.batches`.

        Args:
            batch_size, shuffle_seed: as there.
        """
        return Batches(self, batch_size, shuffle_seed)

    def tf_data(self, batch_size: int, shuffle_seed: int | None = None) -> tf.data.Dataset | Batches:
        """Returns batches for a submission: those of `batches`, in other orders, as a `tf.data.Dataset`.

        Where TensorFlow is not installed, beside Keras on JAX, they are a `keras.utils.PyDataset` of NumPy arrays.

        Args:
            batch_size, shuffle_seed: as in `kit.toolbox.examples.batches`.
        """
        make = _backend.tf_data() or Batches
        return make(self, batch_size, shuffle_seed)

    def for_fit(self, batch_size: int, shuffle_seed: int | None = None) -> tf.data.Dataset | Batches:
        """Returns batches as plain Keras trains on them on this backend: of `tf.data`, or a `PyDataset` on JAX.

        Args:
            batch_size, shuffle_seed: as in `kit.toolbox.examples.batches`.
        """
        return _backend.data.batches(self, batch_size, shuffle_seed)

    @cached_property
    def pipelines(self) -> dict[int, tf.data.Dataset]:
        """By the size of a batch, what the backend has made to read the examples in their own order."""
        return {}

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """All of x, 8-bit images in 8 bits, and of y: the same tensors each time, which many runs can share.

        Large ones are made anew each time: the sets of a request's many models would fill the memory.
        """
        is_large = Rows(self.arrays.x, self.indices).nbytes > rows.MOST_IN_MEMORY
        return self._made_tensors() if is_large else self._tensors

    @cached_property
    def _tensors(self) -> tuple[Tensor, Tensor]:
        return self._made_tensors()

    def _made_tensors(self) -> tuple[Tensor, Tensor]:
        x, y = (keras.ops.convert_to_tensor(array[self.indices]) for array in (self.arrays.x, self.arrays.y))
        return x, y


def batches(arrays: Arrays, indices: np.ndarray, batch_size: int, shuffle_seed: int | None = None) -> Batches:
    """Returns batches (x, y) of the examples at `indices`, a `keras.utils.PyDataset`.

    Args:
        arrays: the examples; they are not copied.
        indices: int64 (k,), positions in `arrays`.
        batch_size: the last batch may be short.
        shuffle_seed: if given, each pass has another order, the same sequence of orders for the same seed.

    Returns:
        Batches of float32 x of shape (b, ...) (`uint8` images scaled to [0, 1]) and int32 y of shape (b,).

    Example:
        >>> three = Arrays(np.eye(3, dtype="float32"), np.arange(3))
        >>> [y.tolist() for x, y in batches(three, np.array([2, 0, 1]), 2).as_numpy_iterator()]
        [[2, 0], [1]]
    """
    return Selection(arrays, indices).batches(batch_size, shuffle_seed)


def augmented(dataset: tf.data.Dataset | Batches, augment: Augment) -> tf.data.Dataset | keras.utils.PyDataset:
    """Returns batches whose images are changed on the way, anew in each pass.

    `kit.toolbox.training` augments inside its compiled loop instead.

    Args:
        dataset: what `Selection.for_fit` returned.
        augment: takes a batch of float32 images and an int32 (2,) seed, as `kit.toolbox.augmentation.crop_and_flip`.
    """
    return _backend.data.augmented(dataset, augment)
