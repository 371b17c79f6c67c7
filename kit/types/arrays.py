"""Labelled examples in memory, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.types.errors import InputError

# Beyond it, float32 takes one whole number for its neighbour.
_LARGEST_INTEGER = 2**24


def read_only(array: np.ndarray) -> np.ndarray:
    """Returns a view of an array that cannot be written through."""
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
        y: labels of shape (n,) or (n, ...): integers become int32, floats float32. What they may be is checked by the
            task of the challenge that is made from them: for classification integers 0 .. num_classes - 1.
        groups: optional, (n,): who an example belongs to (integers or strings), for `--forget group:ID`.
        mislabelled: optional, (n,) booleans: labels known to be wrong, for `--forget mislabelled`.

    Raises:
        InputError: unequal lengths, no examples, values that are not finite, integers that float32 does not tell apart,
            labels that are no numbers.

    Example:
        >>> arrays = Arrays(np.zeros((4, 8, 8)), np.array([0, 1, 0, 1]))
        >>> arrays.x.shape, str(arrays.x.dtype), str(arrays.y.dtype)
        ((4, 8, 8, 1), 'float32', 'int32')
    """

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    mislabelled: np.ndarray | None = None

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        _check_numbers(x, y)
        if x.ndim == 3:
            x = x[..., np.newaxis]
        if x.dtype != np.uint8:
            _check_integers(x)
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is found
                x = np.ascontiguousarray(x, dtype=np.float32)
            _check_finite(x)
        object.__setattr__(self, "x", read_only(x))
        object.__setattr__(self, "y", read_only(_as_stored(y)))
        for name in ("groups", "mislabelled"):
            column = getattr(self, name)
            if column is None:
                continue
            column = np.asarray(column)
            if column.shape != y.shape[:1]:
                raise InputError(
                    f"'{name}' has shape {column.shape} but there are {len(y)} labels. Expected one entry for each "
                    f"example, in the order of 'y'. Pass an array of shape ({len(y)},), or leave '{name}' out."
                )
            if name == "mislabelled" and column.dtype.kind != "b":
                raise InputError(
                    f"'mislabelled' has dtype {column.dtype}. Expected booleans, True for a label that is known to be "
                    "wrong. Convert it, for instance with mislabelled == 1."
                )
            object.__setattr__(self, name, read_only(column))

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: np.ndarray) -> Arrays:
        """Returns a copy of the examples at `indices`, an integer array of shape (k,)."""
        groups = None if self.groups is None else self.groups[indices]
        mislabelled = None if self.mislabelled is None else self.mislabelled[indices]
        return Arrays(self.x[indices], self.y[indices], groups, mislabelled)


def _check_numbers(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim < 2 or x.ndim > 4 or y.ndim < 1 or len(x) != len(y) or len(y) == 0 or x.size == 0:
        raise InputError(
            f"'x' has shape {x.shape} and 'y' has shape {y.shape}. Expected examples first, x of shape "
            "(n, height, width, channels), (n, height, width) or (n, features) and y of shape (n,) with the same "
            "n >= 1. Check that both arrays come from the same file; a column of labels becomes flat by y.ravel(), and "
            "one-hot rows become labels by y.argmax(axis=1)."
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


def _check_finite(x: np.ndarray) -> None:
    bad = ~np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    if bad.any():
        raise InputError(
            f"'x' holds NaN or infinite values in {int(bad.sum())} of {len(x)} examples (the first is example "
            f"{int(np.argmax(bad))}). Expected finite numbers. Drop these examples or fill the gaps, for instance "
            "with numpy.nan_to_num."
        )


def _as_stored(y: np.ndarray) -> np.ndarray:
    """Returns integers as int32 and floats as float32; what they mean is for a task to check."""
    if y.dtype.kind in "iu" and np.iinfo(np.int32).min <= int(y.min()) and int(y.max()) <= np.iinfo(np.int32).max:
        return np.ascontiguousarray(y, dtype=np.int32)
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):
            y = np.ascontiguousarray(y, dtype=np.float32)
        if np.isfinite(y).all():
            return y
    raise InputError(
        f"'y' has dtype {y.dtype} and begins with {y[:3].tolist()}. Expected class labels 0, 1, ..., num_classes - 1, "
        "or finite numbers for a task of numbers. Map other labels with numpy.unique(y, return_inverse=True)."
    )
