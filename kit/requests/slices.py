"""Groups of test examples that are looked at for harm: all of them, each class, and slices by a column's values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from kit.types import Arrays, Challenge, InputError, Table

# Different numbers beyond which a column is cut into quarters, and texts beyond which it makes no slices.
_MOST_VALUES = 12
# Test examples below which nothing can be said of a slice.
FEWEST = 20


def columns_of(data: Arrays | Table, names: Sequence[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Returns columns of the data that are called so: inputs, ids or groups, of these rows.

    Args:
        data: the examples.
        names: of columns.
        rows: int64 (m,).

    Raises:
        InputError: there is no such column, or it does not hold single values.
    """
    known = {**(data.inputs if isinstance(data, Table) else {}), **data.keys}
    known |= {} if data.groups is None else {"group": data.groups}
    for name in names:
        column = known.get(name)
        if column is None or np.asarray(column).reshape(len(data), -1).shape[1] != 1:
            raise InputError(
                f"Slices by '{name}' were asked for, and the data have no such column of single values. Expected some "
                f"of {', '.join(map(repr, known)) or 'named inputs, which an array has not'}. Correct the name under "
                "'slices', or leave it out."
            )
    return {name: np.asarray(known[name]).reshape(len(data))[rows] for name in names}


def groups_of(challenge: Challenge, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the groups of test examples, by name, booleans (m,).

    Args:
        challenge: whose test examples.
        columns: name -> (m,); each value of a column is a slice, of a column of many numbers each quarter. Slices of
            fewer than 20 examples, of which nothing can be said, are left out.

    Raises:
        InputError: a column of many texts.
    """
    strata, name, names = challenge.strata("test"), challenge.task.stratum, challenge.train.classes
    groups = {"test": np.ones(len(strata), bool)}
    groups |= {f"{name} {names[stratum] if names else stratum}": strata == stratum for stratum in np.unique(strata)}
    for column, values in columns.items():
        groups |= {slice_: members for slice_, members in _slices(column, values).items() if members.sum() >= FEWEST}
    return groups


def _slices(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the slices of a column.

    Example:
        >>> list(_slices("age", np.arange(100)))
        ['age below 24.75', 'age 24.75 to 49.5', 'age 49.5 to 74.25', 'age from 74.25']
    """
    different = np.unique(values)
    if len(different) <= _MOST_VALUES:
        return {f"{name} {value}": values == value for value in different}
    if values.dtype.kind not in "fiu":
        raise InputError(
            f"The column '{name}' has {len(different):,} different texts, too many to make slices of. Expected "
            f"{_MOST_VALUES} at most, or numbers. Choose another column under 'slices'."
        )
    ends = np.unique(np.quantile(values, (0.25, 0.5, 0.75)))
    places = np.searchsorted(ends, values, side="right")
    labels = [f"below {ends[0]:g}", *(f"{low:g} to {high:g}" for low, high in itertools.pairwise(ends))]
    return {f"{name} {label}": places == place for place, label in enumerate([*labels, f"from {ends[-1]:g}"])}
