"""Batches as a method is handed them: of arrays in memory, without `tf.data`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kit.toolbox.tensors import Tensor, as_float

if TYPE_CHECKING:
    from kit.toolbox.examples import Selection


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches (x, y) of selected examples, as often as they are gone over.

    Args:
        selection: the examples.
        batch_size: the last batch may be short.
        shuffle_seed: each pass has another order, the same sequence of orders for the same seed; None for theirs.
    """

    selection: Selection
    batch_size: int
    shuffle_seed: int | None = None

    def as_numpy_iterator(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields batches of float32 x and int32 y."""
        arrays, indices = self.selection.arrays, self.selection.indices
        indices = indices if self._generator is None else self._generator.permutation(indices)
        for start in range(0, len(indices), self.batch_size):
            chosen = indices[start : start + self.batch_size]
            images = keras.ops.convert_to_tensor(arrays.x[chosen])
            yield keras.ops.convert_to_numpy(as_float(images)), arrays.y[chosen]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return self.as_numpy_iterator()

    def __len__(self) -> int:
        """Returns the number of batches."""
        return math.ceil(len(self.selection.indices) / self.batch_size)

    @cached_property
    def _generator(self) -> np.random.Generator | None:
        return None if self.shuffle_seed is None else np.random.default_rng(self.shuffle_seed)


def batches(selection: Selection, batch_size: int, shuffle_seed: int | None) -> Batches:
    """Returns batches of the selected examples, see `kit.toolbox.examples.batches`."""
    return Batches(selection, batch_size, shuffle_seed)


def arrays_of(dataset: Any) -> tuple[Tensor, Tensor] | None:
    """Returns all of x and y of the kit's own batches, in the order of the selection, and None of any other data set.

    Training draws orders of its own; and many networks in lockstep share these arrays.
    """
    return dataset.selection.tensors if isinstance(dataset, Batches) else None
