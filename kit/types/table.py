"""Labelled examples whose inputs are several arrays of any type, by name: for models that make numbers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.types.arrays import read_only
from kit.types.errors import InputError


@dataclass(frozen=True)
class Table:
    """Labelled examples with named inputs: columns of a table, or whatever a model with several inputs takes.

    Nothing is scaled or converted: the model that they are for has seen them as they are, and `kit.make_challenge` has
    its preprocessing layers make numbers of them.

    Args:
        inputs: name -> array, examples first, of numbers, booleans or texts: a dictionary or a `pandas.DataFrame`.
            Lists of whole numbers of unequal length are padded with zeros behind.
        y, groups, mislabelled, classes, keys, sample_weight: as those of `kit.Arrays`.

    Raises:
        InputError: no inputs, unequal lengths, something else than numbers and texts, numbers that are not finite.

    Example:
        >>> table = Table({"job": ["cook", "clerk"], "age": np.array([30, 40])}, np.array([0, 1]))
        >>> {name: str(column.dtype) for name, column in table.inputs.items()}, len(table)
        ({'job': '<U5', 'age': 'int64'}, 2)
    """

    inputs: Mapping[str, Any]
    y: np.ndarray
    groups: np.ndarray | None = None
    mislabelled: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    keys: Mapping[str, np.ndarray] = field(default_factory=dict)
    sample_weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        inputs = {str(name): _column(str(name), column) for name, column in self.inputs.items()}
        object.__setattr__(self, "y", np.asarray(self.y))
        if not inputs:
            raise InputError(
                "The table has no inputs. Expected one array or more, by name. Pass, for instance, {'x': x}."
            )
        if self.y.ndim == 0 or len(self.y) == 0:
            raise InputError(
                f"The table has labels of shape {self.y.shape}. Expected one for each example, and an example or more. "
                "Check that the file was written whole."
            )
        for name, column in inputs.items():
            if len(column) != len(self.y):
                raise InputError(
                    f"The input '{name}' has {len(column)} examples and 'y' {len(self.y)} labels. Expected as many. "
                    "Check that both come from the same file."
                )
        object.__setattr__(self, "inputs", inputs)

    def __len__(self) -> int:
        return len(self.y)


def _column(name: str, values: Any) -> np.ndarray:
    """Returns a column as an array of numbers or texts."""
    column = np.asarray(values, object) if _ragged(values) else np.asarray(values)
    if column.ndim == 1 and column.dtype.kind == "O" and all(isinstance(value, str) for value in column):
        column = column.astype(str)
    elif column.ndim == 1 and column.dtype.kind == "O" and all(isinstance(v, Sequence | np.ndarray) for v in column):
        column = _in_rows(name, column)
    if column.dtype.kind not in "fiubUS" or column.ndim == 0:
        missing = [number for number, value in enumerate(column.ravel()) if value is None or isinstance(value, float)]
        reason = f"nothing in row {missing[0]}, first" if missing else f"values of dtype {column.dtype}"
        raise InputError(
            f"The column '{name}' holds {reason}. Expected numbers or texts in each row. Fill the gaps as you did for "
            f"the model's training, for instance with frame['{name}'].fillna('').astype(str), or leave the column out "
            "with 'features'."
        )
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        first = int(np.argmax(~np.isfinite(column.reshape(len(column), -1)).all(axis=1)))
        raise InputError(
            f"The column '{name}' holds NaN or infinite values, in row {first} first. Expected finite numbers. Fill "
            f"the gaps as you did for the model's training, for instance with frame['{name}'].fillna(0)."
        )
    return read_only(column)


def _ragged(values: Any) -> bool:
    lists = isinstance(values, list | tuple) and values and all(isinstance(value, list | tuple) for value in values)
    return bool(lists) and len({len(value) for value in values}) > 1


def _in_rows(name: str, values: np.ndarray) -> np.ndarray:
    """Returns numbers (n, length); of several lengths, whole ones (n, longest) with zeros behind each that is shorter.

    Raises:
        InputError: something else is in them, or fractions in rows of several lengths, where 0 may be a value.
    """
    rows = [np.asarray(row) for row in values]
    kinds = {row.dtype.kind for row in rows if row.size}
    if len({row.shape for row in rows}) == 1 and kinds <= {*"fiub"}:
        return np.stack(rows)
    if any(row.ndim != 1 for row in rows) or not kinds <= {*"iub"}:
        raise InputError(
            f"The column '{name}' holds sequences of something else than numbers, or of fractions and of several "
            "lengths. Expected sequences of one length, or of whole numbers, which get zeros behind them. Bring them "
            "to one length as you did for the model's training, or leave the column out with 'features'."
        )
    padded = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for place, row in zip(padded, rows, strict=True):
        place[: len(row)] = row
    return padded
