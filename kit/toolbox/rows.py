"""Rows of an array that is too large to be held twice: read, from memory or disk, as training comes to them.

What is trained is the same to the last bit: a step is handed the same batch, from a tensor of some thousand rows in
place of one of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from kit.toolbox.tensors import Tensor

# Of the examples of a training; below it they become one tensor, which many trainings share.
MOST_IN_MEMORY = 2**28
# What is read at once, in bytes and in rows: enough for a second of training.
_BYTES_AT_ONCE, _ROWS_AT_ONCE = 2**25, 20_000


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of an array, in an order; nothing is copied before it is asked for.

    Args:
        array: (n, ...), in memory or mapped from a file.
        indices: int64 (k,), which rows.

    Example:
        >>> rows = Rows(np.arange(10.0).reshape(5, 2), np.array([4, 0, 2]))
        >>> rows.shape, rows.take(np.array([1, 0])).tolist()
        ((3, 2), [[0.0, 1.0], [8.0, 9.0]])
    """

    array: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        """Returns k."""
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array that they would be."""
        return (len(self.indices), *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Of the array."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """Of the array that they would be."""
        return len(self) * _bytes_a_row(self)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Returns some rows, copied into an array.

        Args:
            places: int64 (n,), positions among these rows.
        """
        return np.asarray(self.array[self.indices[places]])

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields all rows in their order, some at a time."""
        at_once = at_most(self, 1)
        for start in range(0, len(self), at_once):
            yield self.take(np.arange(start, min(start + at_once, len(self))))


def at_most(rows: Rows, batch_size: int) -> int:
    """Returns how many rows are read at once: a batch at least, else as many as take little memory.

    Args:
        rows: to read.
        batch_size: of the training.
    """
    return max(batch_size, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, _bytes_a_row(rows))))


def gathered(arrays: Sequence[Rows | Tensor], order: np.ndarray, length: int) -> tuple[tuple[Tensor, ...], np.ndarray]:
    """Returns the rows that an order names, as tensors, and the order that finds them there.

    Args:
        arrays: of a stream of examples, all with as many rows.
        order: int32 (epochs, k).
        length: rows of what is returned, zeros behind those that are named: always as many, for what is compiled for
            one shape.

    Example:
        >>> parts, order = gathered([Rows(np.arange(5.0), np.arange(5)), np.arange(5)], np.array([[3, 1]]), 3)
        >>> parts[0].numpy().tolist(), parts[1].numpy().tolist(), order.tolist()
        ([3.0, 1.0, 0.0], [3, 1, 0], [[0, 1]])
    """
    places = order.ravel()
    parts = []
    for array in arrays:
        values = array.take(places) if isinstance(array, Rows) else np.asarray(array)[places]
        part = np.zeros((length, *values.shape[1:]), values.dtype)
        part[: len(values)] = values
        parts.append(keras.ops.convert_to_tensor(part))
    return tuple(parts), np.arange(len(places), dtype=np.int32).reshape(order.shape)


def _bytes_a_row(rows: Rows) -> int:
    return int(np.prod(rows.array.shape[1:], dtype=np.int64)) * rows.array.dtype.itemsize
