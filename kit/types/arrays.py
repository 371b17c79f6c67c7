"""Labelled examples in memory, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kit.types.errors import InputError

# Beyond it, float32 takes one whole number for its neighbour.
_LARGEST_INTEGER = 2**24
_ROWS_AT_ONCE = 8192


def read_only(array: np.ndarray) -> np.ndarray:
    """Returns a view of an array that cannot be written through; the array itself stays writable.

    Example:
        >>> read_only(np.zeros(2)).flags.writeable
        False
    """
    view = array.view()
    view.setflags(write=False)
    return view


@dataclass(frozen=True)
class Arrays:
    """Labelled examples in memory, checked once. What is read from here is read-only.

    Arrays that have the right type already are not copied, so leave yours alone afterwards.

    Args:
        x: examples first, of shape (n, height, width, channels) or (n, features); a missing channel axis is added.
            `uint8` stays `uint8` and is scaled by 1/255 batch by batch; anything else becomes `float32` as it is.
        y: labels of shape (n,) or (n, ...): integers and booleans become int32, floats float32, texts the positions of
            their classes. What they may be is checked by the task of the challenge that is made from them.
        groups: optional, (n,): who an example belongs to (integers or strings), for `--forget group:ID`.
        mislabelled: optional, (n,) booleans: labels known to be wrong, for `--forget mislabelled`.
        classes: what the labels 0, 1, ... are called. Texts in `y` are numbered in this order; by default in that of
            the alphabet, as scikit-learn's `LabelEncoder` does.
        keys: name -> (n,), columns by which a file of requests may name examples: customers, orders.
        sample_weight: optional, (n,), finite and >= 0, becomes float32: what an example's loss is multiplied by where
            models are trained, as Keras's `fit` does it. Scores and attacks do not ask for it.

    Raises:
        InputError: unequal lengths, no examples, values that are not finite, integers that float32 does not tell apart,
            labels that are neither numbers nor texts, or that are none of `classes`.

    Example:
        >>> arrays = Arrays(np.zeros((4, 8, 8)), np.array([0, 1, 0, 1]))
        >>> arrays.x.shape, str(arrays.x.dtype), str(arrays.y.dtype)
        ((4, 8, 8, 1), 'float32', 'int32')
        >>> named = Arrays(np.eye(3), np.array(["yes", "no", "yes"]))
        >>> named.y.tolist(), named.classes
        ([1, 0, 1], ('no', 'yes'))
    """

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    mislabelled: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    keys: Mapping[str, np.ndarray] = field(default_factory=dict)
    sample_weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        _check_numbers(x, y)
        y, classes = numbered(y, self.classes)
        if x.ndim == 3:
            x = x[..., np.newaxis]
        if x.dtype != np.uint8:
            _check_integers(x)
            _check_ids(x)
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is found
                x = np.ascontiguousarray(x, dtype=np.float32)
            _check_finite(x)
        object.__setattr__(self, "x", read_only(x))
        object.__setattr__(self, "y", read_only(_as_stored(y)))
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "keys", {name: _entries(name, keys, len(y)) for name, keys in self.keys.items()})
        if self.sample_weight is not None:
            object.__setattr__(self, "sample_weight", _weights(self.sample_weight, len(y)))
        for name in ("groups", "mislabelled"):
            column = getattr(self, name)
            if column is None:
                continue
            column = _entries(name, column, len(y))
            if name == "mislabelled" and column.dtype.kind != "b":
                raise InputError(
                    f"'mislabelled' has dtype {column.dtype}. Expected booleans, True for a label that is known to be "
                    "wrong. Convert it, for instance with mislabelled == 1."
                )
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        columns = {name: getattr(self, name) for name in ("x", "y", "groups", "mislabelled")}
        kinds = [f"{name} {array.dtype} {array.shape}" for name, array in columns.items() if array is not None]
        return f"<Arrays: {', '.join(kinds)}>"

    def take(self, indices: np.ndarray) -> Arrays:
        """Returns some of the examples, with all their columns.

        Examples that stand in a row, in this order, are not copied: a training set of arrays that are mapped from files
        stays there.

        Args:
            indices: integers (k,), positions of examples; repeated ones are repeated.

        Example:
            >>> arrays = Arrays(np.eye(3), np.array([0, 1, 2]), groups=np.array(["ann", "ben", "ann"]))
            >>> arrays.take(np.array([2, 0])).groups.tolist()
            ['ann', 'ann']
        """
        rows = _in_a_row(np.asarray(indices))
        groups = None if self.groups is None else self.groups[rows]
        mislabelled = None if self.mislabelled is None else self.mislabelled[rows]
        keys = {name: column[rows] for name, column in self.keys.items()}
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        return Arrays(self.x[rows], self.y[rows], groups, mislabelled, self.classes, keys, weights)


def _in_a_row(indices: np.ndarray) -> np.ndarray | slice:
    """Returns a slice in place of indices that stand in a row: it makes a view, not a copy.

    Example:
        >>> _in_a_row(np.array([3, 4, 5])), _in_a_row(np.array([3, 5])).tolist()
        (slice(3, 6, None), [3, 5])
    """
    if not len(indices) or indices.dtype.kind not in "iu" or int(indices[0]) < 0:
        return indices
    first, last = int(indices[0]), int(indices[-1])
    in_a_row = last - first == len(indices) - 1 and bool((np.diff(indices) == 1).all())
    return slice(first, last + 1) if in_a_row else indices


def _entries(name: str, column: np.ndarray, number: int) -> np.ndarray:
    """Returns a column that says something of each example."""
    column = np.asarray(column)
    if column.shape != (number,):
        raise InputError(
            f"'{name}' has shape {column.shape} but there are {number} labels. Expected one entry for each example, in "
            f"the order of 'y'. Pass an array of shape ({number},), or leave '{name}' out."
        )
    return read_only(column)


def _weights(column: np.ndarray, number: int) -> np.ndarray:
    """Returns weights of examples as float32."""
    column = _entries("sample_weight", column, number)
    if column.dtype.kind not in "fiub" or not np.isfinite(column).all() or float(column.min()) < 0 or not column.any():
        raise InputError(
            f"'sample_weight' has dtype {column.dtype} and begins with {column[:3].tolist()}. Expected finite numbers, "
            "0 or more, that are not all 0: what the loss of each example is multiplied by. Correct them, or leave "
            "'sample_weight' out."
        )
    return read_only(np.ascontiguousarray(column, dtype=np.float32))


def _check_numbers(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim < 2 or x.ndim > 4 or y.ndim < 1 or len(x) != len(y) or len(y) == 0 or x.size == 0:
        raise InputError(
            f"'x' has shape {x.shape} and 'y' has shape {y.shape}. Expected examples first, x of shape "
            "(n, height, width, channels), (n, height, width) or (n, features) and y of shape (n,) with the same "
            "n >= 1. Check that both arrays come from the same file."
        )
    if x.dtype.kind not in "fiub":
        raise InputError(
            f"'x' has dtype {x.dtype}. Expected numbers: uint8 images (0 to 255) or floats. Convert it with "
            "x.astype('float32'), for instance."
        )


def _check_integers(x: np.ndarray) -> None:
    if x.dtype.kind in "iu" and max(int(x.max()), -int(x.min())) > _LARGEST_INTEGER:
        raise InputError(
            f"'x' holds whole numbers from {x.min()} to {x.max()}, which float32 cannot tell apart beyond "
            f"{_LARGEST_INTEGER:,}. Expected numbers within that range. Count words, customers and the like from 0 on, "
            "for instance with numpy.unique(x, return_inverse=True), and scale measurements as floats."
        )


def _check_ids(x: np.ndarray) -> None:
    """Refuses columns of whole numbers, beside measurements in one matrix of 64 bits, that 32 bits take for others."""
    if x.dtype != np.float64 or x.ndim != 2:
        return
    if not _LARGEST_INTEGER < max(float(x.max()), -float(x.min())) < float(np.finfo(np.float32).max):
        return
    for number, column in enumerate(x.T):
        if np.abs(column).max() > _LARGEST_INTEGER and (column == np.rint(column)).all():
            before, after = len(np.unique(column)), len(np.unique(column.astype(np.float32)))
            if after < before:
                raise InputError(
                    f"Column {number} of 'x' holds {before:,} different whole numbers beyond {_LARGEST_INTEGER:,}, of "
                    f"which float32 leaves {after:,}: customers and the like would be merged. Expected numbers that "
                    "float32 tells apart. Count them from 0 on, for instance with numpy.unique(column, "
                    "return_inverse=True), or give a model with named inputs this column as an input of its own."
                )


def _check_finite(x: np.ndarray) -> None:
    starts = range(0, len(x), _ROWS_AT_ONCE)  # of all at once, a fourth of the memory more
    bad = np.concatenate(
        [~np.isfinite(part.reshape(len(part), -1)).all(axis=1) for part in (x[s : s + _ROWS_AT_ONCE] for s in starts)]
    )
    if bad.any():
        raise InputError(
            f"'x' holds NaN or infinite values in {int(bad.sum())} of {len(x)} examples (the first is example "
            f"{int(np.argmax(bad))}). Expected finite numbers. Drop these examples or fill the gaps, for instance "
            "with numpy.nan_to_num."
        )


def numbered(y: np.ndarray, classes: tuple[str, ...] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns labels as numbers, and what these numbers are called.

    Args:
        y: (n, ...).
        classes: in the order of the numbers; by default the texts themselves, sorted.

    Returns:
        For texts, the int32 (n,) position of each among the classes, and the classes. Numbers are returned as they are.

    Raises:
        InputError: a text that is none of the classes.

    Example:
        >>> numbered(np.array(["b", "a", "b"]))
        (array([1, 0, 1], dtype=int32), ('a', 'b'))
    """
    if y.dtype.kind == "O" and all(isinstance(label, str) for label in y.ravel()):
        y = y.astype(str)
    if y.dtype.kind not in "US" or y.size not in y.shape:  # numbers, or several texts an example
        return y, classes
    values, codes = np.unique(y.astype(str).ravel(), return_inverse=True)
    order = classes or tuple(values.tolist())
    missing = sorted({*values.tolist()} - {*order})
    if missing:
        raise InputError(
            f"'y' holds the label {missing[0]!r}, which is none of the classes {', '.join(map(repr, order[:12]))}. "
            "Expected each label among them. Add it to 'classes' at the place of its output, or leave these out."
        )
    places = np.array([order.index(value) for value in values.tolist()], np.int32)
    return places[codes], order


def _as_stored(y: np.ndarray) -> np.ndarray:
    """Returns integers and booleans as int32 and floats as float32; what they mean is for a task to check."""
    if y.dtype.kind == "b":
        return y.astype(np.int32)
    if y.dtype.kind in "iu" and np.iinfo(np.int32).min <= int(y.min()) and int(y.max()) <= np.iinfo(np.int32).max:
        return np.ascontiguousarray(y, dtype=np.int32)
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):
            y = np.ascontiguousarray(y, dtype=np.float32)
        if np.isfinite(y).all():
            return y
    raise InputError(
        f"'y' has dtype {y.dtype} and begins with {y[:3].tolist()}. Expected classes (whole numbers, booleans or "
        "texts), or finite numbers for a task of numbers. Drop examples without a label, and convert others, for "
        "instance with y.astype(str)."
    )
