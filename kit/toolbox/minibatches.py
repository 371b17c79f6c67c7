"""Batches of arrays in memory, without `tf.data`: what the kit hands to its own methods.

To build a pipeline of `tf.data` takes longer than many a small network is trained, and most methods never go over it:
they read all examples at once (`kit.toolbox.examples.in_memory`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox.tensors import as_float

if TYPE_CHECKING:
    from kit.toolbox.examples import Selection
    from kit.toolbox.tensors import Augment


class Batches(keras.utils.PyDataset):
    """Batches (x, y) of selected examples, a `keras.utils.PyDataset` that can be gone over again and again.

    Attributes:
        selection: the examples.
        batch_size: of all batches but the last, which may be short.
    """

    def __init__(self, selection: Selection, batch_size: int, shuffle_seed: int | None) -> None:
        """Arguments as for `kit.toolbox.examples.batches`."""
        super().__init__()
        self.selection, self.batch_size = selection, batch_size
        self._shuffle = None if shuffle_seed is None else np.random.default_rng(shuffle_seed)
        self.on_epoch_begin()

    def on_epoch_begin(self) -> None:
        """Draws the order of the pass that begins."""
        indices = self.selection.indices
        self._order = indices if self._shuffle is None else self._shuffle.permutation(indices)

    def __len__(self) -> int:
        """Returns the number of batches."""
        return math.ceil(len(self.selection.indices) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of float32 x and int32 y."""
        chosen = self._order[number * self.batch_size : (number + 1) * self.batch_size]
        images = keras.ops.convert_to_tensor(self.selection.arrays.x[chosen])
        return keras.ops.convert_to_numpy(as_float(images)), self.selection.arrays.y[chosen]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the batches of a new pass."""
        self.on_epoch_begin()
        yield from (self[number] for number in range(len(self)))

    as_numpy_iterator = __iter__


class Augmented(keras.utils.PyDataset):
    """Batches whose images are augmented on the way, under a fresh seed from NumPy's global state."""

    def __init__(self, batches: Batches, augment: Augment) -> None:
        """Takes the batches and the change."""
        super().__init__()
        self._batches, self._augment = batches, augment

    def on_epoch_begin(self) -> None:
        """Begins a pass."""
        self._batches.on_epoch_begin()

    def __len__(self) -> int:
        """Returns the number of batches."""
        return len(self._batches)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch."""
        x, y = self._batches[number]
        seed = np.random.randint(np.iinfo(np.int32).max, size=2, dtype=np.int32)
        return keras.ops.convert_to_numpy(self._augment(keras.ops.convert_to_tensor(x), seed)), y
