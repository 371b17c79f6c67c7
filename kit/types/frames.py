"""Rows as a pandas DataFrame; pandas is imported where somebody asks for one, and need not be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kit.types.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Sequence[Mapping[str, Any]], *, index: str | None = None, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Returns rows as a pandas DataFrame.

    Args:
        rows: column -> value.
        index: the column that becomes the index; by default rows are numbered from 0.
        numbers: columns of float64, in which None becomes NaN.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError(
            "A DataFrame was asked for, and pandas is not installed. Expected pandas, which the kit needs for this "
            "alone. Install it with 'python -m pip install pandas', or take the numbers from to_json()."
        ) from error
    table = pd.DataFrame(list(rows)).astype(dict.fromkeys(numbers, float))
    return table if index is None else table.set_index(index)
