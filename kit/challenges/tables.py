"""Tables in files, `.csv` and `.parquet`: columns that a recipe says what they are, become a `kit.Table`.

`pandas` and `pyarrow` read them, the extra `tables`; they are imported here and nowhere else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.challenges.recipes import DataColumns
from kit.storage import files
from kit.types import InputError
from kit.types.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from kit.types import Table

SUFFIXES = (".csv", ".parquet")
_PARTS = {"train": 0, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}
_LISTED = 12


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


def read(path: Path, columns: DataColumns, id_column: str | None = None) -> tuple[Table, np.ndarray | None]:
    """Reads examples, and how they are divided in train, validation and test, if a column says so.

    Args:
        path: the file. Of a `.csv`, an empty cell is a gap, and no other text is.
        columns: which column is what.
        id_column: a further one by which requests name examples.

    Raises:
        InputError: the file is damaged, a column is missing or has gaps, or none is named as the label.
    """
    frame = files.checked(lambda: _frame(path), path, "a table with a line of names, in UTF-8")
    names = _names(path, frame)
    frame.columns = names
    if not columns.label:
        raise InputError(
            f"'{path}' is a table of the columns {_listed(names)}, and nothing says which are the labels. Expected a "
            "recipe with a section [data]. Write into a file, and give it with --recipe: [data], and below it label = "
            "'COLUMN', and id, group, partition and features where there are such."
        )
    keys = [name for name in (columns.id, id_column, columns.group) if name]
    roles = [name for name in (columns.label, columns.partition, columns.sample_weight, *keys) if name]
    for name in [*roles, *columns.features]:
        _require(path, name, names)
    features = columns.features or tuple(name for name in names if name not in roles)
    _require_features(path, features, columns.label)
    from kit.types import Table

    def values(name: str) -> np.ndarray:
        return _whole(path, frame, name)

    inputs = {name: frame[name].to_numpy() for name in features}
    try:
        table = Table(
            inputs,
            values(columns.label),
            values(columns.group) if columns.group else None,
            classes=columns.classes,
            keys={name: values(name) for name in keys},
            sample_weight=values(columns.sample_weight) if columns.sample_weight else None,
        )
    except InputError:
        raise
    except (ValueError, TypeError) as error:  # NumPy's, of what pandas keeps as objects
        raise InputError(
            f"A column of '{path}' holds something else than numbers, texts or sequences of equal shape "
            f"({str(error).splitlines()[0][:200]}). Expected such, and labels, groups and ids that are single ones. "
            "Leave out nested columns, with 'features' in the recipe."
        ) from error
    return table, _partition(path, columns.partition, values(columns.partition)) if columns.partition else None


def _frame(path: Path) -> Any:
    """Returns a DataFrame with the names of the columns as they are written."""
    import pandas

    if path.suffix.lower() == ".parquet":
        return pandas.read_parquet(path)
    # Pandas makes others of names that are there twice, or not at all.
    frame = pandas.read_csv(path, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    first = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return frame.set_axis(first.iloc[0].tolist(), axis=1)


def _names(path: Path, frame: Any) -> list[str]:
    """Returns what the columns are called, each by a name of its own."""
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"'{path}' has {names.count(twice[0])} columns called '{twice[0][:80]}'. Expected a name of its own for "
            "each, or nobody knows which is meant. Rename them, or leave some out."
        )
    return names


def _require_features(path: Path, features: Sequence[str], label: str) -> None:
    """Checks that the model is given neither its answer nor what nobody has named."""
    if label in features:
        raise InputError(
            f"The features of '{path}' hold '{label}', which is the label. Expected other columns: a model that is "
            "given its answer has nothing to learn. Take it out of 'features'."
        )
    if "" in features:
        raise InputError(
            f"'{path}' has a column without a name, which is most often the row number that pandas writes. Expected a "
            "name. Write the file with index=False, name the column, or list the others under 'features' in the recipe."
        )


def _require(path: Path, name: str, names: list[str]) -> None:
    if name not in names:
        hint = did_you_mean(name, names, f"The columns are {_listed(names)}.")
        raise InputError(f"'{path}' has no column '{name}'. Expected the name of one of its columns. {hint}")


def _whole(path: Path, frame: Any, name: str) -> np.ndarray:
    """Returns a column that says what examples are: without gaps, texts as texts."""
    gaps = frame[name].isna().to_numpy()
    if gaps.any():
        raise InputError(
            f"The column '{name}' of '{path}' has {int(gaps.sum())} gaps, row {int(gaps.argmax())} first (rows are "
            "counted from 0, without the line of names). Expected a value in each row. Fill them, or leave the rows "
            "out."
        )
    values: np.ndarray = frame[name].to_numpy()
    return values.astype(str) if values.dtype.kind == "O" else values


def _partition(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    import numpy as np

    texts = [str(value).lower() for value in values.tolist()]
    unknown = sorted({*texts} - {*_PARTS})
    if unknown:
        raise InputError(
            f"The column '{name}' of '{path}' holds '{unknown[0]}'. Expected train, validation and test, or 0, 1 and "
            "2. Rename the parts."
        )
    return np.array([_PARTS[text] for text in texts])


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")
