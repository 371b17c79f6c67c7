"""Tables in files, `.csv` and `.parquet`: columns that a recipe says what they are, become a `kit.Table`.

`pandas` and `pyarrow` read them, the extra `tables`; they are imported where there is a table (`frames`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.challenges import frames
from kit.storage import files
from kit.types import DataColumns, InputError

if TYPE_CHECKING:
    import numpy as np

    from kit.types import Table

SUFFIXES = (".csv", ".parquet")


def check_file(path: Path) -> None:
    """Checks that there is such a file, and that what reads it is installed; nothing is imported.

    Raises:
        InputError: there is none, or it is not.
    """
    files.require_file(path, "Expected a table.")
    missing = [name for name in ("pandas", "pyarrow") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"'{path}' is a table, which {' and '.join(missing)} would read. Expected both to be installed. Run "
            "'python -m pip install pandas pyarrow', or save the columns as 'x_NAME' in an .npz file."
        )


def read(
    path: Path, columns: DataColumns, id_column: str | None = None, outputs: Sequence[str] = ()
) -> tuple[Table, np.ndarray | None]:
    """Reads examples, and how they are divided in train, validation and test, if a column says so.

    Args:
        path: the file. Of a `.csv`, an empty cell is a gap, and no other text is.
        columns: which column is what.
        id_column: a further one by which requests name examples.
        outputs: of a model with several, their names in their order.

    Raises:
        InputError: the file is damaged, a column is missing or has gaps, or none is named as the label.
    """
    frame = files.checked(lambda: _frame(path), path, "a table with a line of names, in UTF-8")
    return frames.table(frame, columns, id_column, outputs=outputs, what=f"'{path}'")


def _frame(path: Path) -> Any:
    """Returns a DataFrame with the names of the columns as they are written."""
    import pandas

    if path.suffix.lower() == ".parquet":
        return pandas.read_parquet(path)
    # Pandas makes others of names that are there twice, or not at all.
    frame = pandas.read_csv(path, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    first = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return frame.set_axis(first.iloc[0].tolist(), axis=1)
