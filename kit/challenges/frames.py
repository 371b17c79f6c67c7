"""A pandas DataFrame whose columns a user explains becomes a `kit.Table`; pandas is imported where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kit.challenges import output_labels
from kit.types import DataColumns, InputError
from kit.types.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from kit.types import Table

_PARTS = {"train": 0, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}
_LISTED = 12


def is_frame(data: object) -> bool:
    """Returns whether this is a pandas DataFrame.

    Example:
        >>> is_frame({"age": [30]})
        False
    """
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns")


def table(
    frame: Any,
    columns: DataColumns,
    id_column: str | None = None,
    *,
    outputs: Sequence[str] = (),
    what: str = "The DataFrame",
) -> tuple[Table, np.ndarray | None]:
    """Returns the examples of a DataFrame, and how they are divided in train, validation and test, if a column says so.

    Args:
        frame: its rows are counted from 0, whatever its index says. Columns of numbers, booleans and texts are taken,
            nullable ones (`Int64`, `boolean`, `string`) and those of Arrow too; of categories, their values.
        columns: which column is what.
        id_column: a further one by which requests name examples.
        outputs: of a model with several, their names in their order: by these, columns are the labels of each.
        what: for people: what the frame is.

    Raises:
        InputError: a column is missing or has gaps, holds dates or something else, or none is named as the label.
    """
    names = _names(what, frame)
    frame = frame.set_axis(names, axis=1)
    _require_label(what, columns, names)
    keys = [name for name in (columns.id, id_column, columns.group) if name]
    roles = [name for name in (*columns.labels, columns.partition, columns.sample_weight, *keys) if name]
    for name in [*roles, *columns.features]:
        _require(what, name, names)
    features = columns.features or tuple(name for name in names if name not in roles)
    _require_features(what, features, columns.labels)
    from kit.types import Table

    def values(name: str) -> np.ndarray:
        return _whole(what, frame, name)

    try:
        examples = Table(
            {name: _values(what, name, frame[name]) for name in features},
            values(columns.label)
            if isinstance(columns.label, str)
            else output_labels.chosen(
                {name: values(name) for name in columns.label}, columns.output, outputs, what=what
            ),
            values(columns.group) if columns.group else None,
            classes=columns.classes,
            keys={name: values(name) for name in keys},
            sample_weight=values(columns.sample_weight) if columns.sample_weight else None,
        )
    except InputError:
        raise
    except (ValueError, TypeError) as error:  # NumPy's, of what pandas keeps as objects
        raise InputError(
            f"A column of {_inside(what)} holds something else than numbers, texts or sequences of equal shape "
            f"({str(error).splitlines()[0][:200]}). Expected such, and labels, groups and ids that are single ones. "
            "Leave out nested columns, with 'features' in the recipe."
        ) from error
    partition = _partition(what, columns.partition, values(columns.partition)) if columns.partition else None
    return examples, partition


def _require_label(what: str, columns: DataColumns, names: list[str]) -> None:
    if not columns.labels:
        raise InputError(
            f"{what} is a table of the columns {_listed(names)}, and nothing says which are the labels. Expected a "
            "recipe with a section [data], or in Python columns=kit.DataColumns(label=...). Write into a file, and "
            "give it with --recipe: [data], and below it label = 'COLUMN', and id, group, partition and features where "
            "there are such."
        )


def _values(what: str, name: str, column: Any) -> np.ndarray:
    """Returns a column as NumPy keeps such values; gaps of nullable ones as None, which `Table` refuses.

    Raises:
        InputError: dates, spans of time, complex numbers.
    """
    from pandas import CategoricalDtype
    from pandas.api import types

    if isinstance(column.dtype, CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if column.notna().all() else object)
    dtype = column.dtype
    if (
        types.is_datetime64_any_dtype(dtype)
        or types.is_timedelta64_dtype(dtype)
        or types.is_complex_dtype(dtype)
        or (str(dtype).startswith(("period", "interval", "date", "time", "duration", "decimal")))
    ):
        raise InputError(
            f"The column '{name}' of {_inside(what)} holds values of the type {dtype}. Expected numbers, booleans or "
            "texts. Make of it what your model was trained on, for instance days since a date as a number, or leave "
            "it out with 'features'."
        )
    if not types.is_extension_array_dtype(dtype):
        array: np.ndarray = column.to_numpy()
        return array
    if column.isna().any():
        array = column.astype(object).where(column.notna(), None).to_numpy()
    elif types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype):
        array = column.to_numpy(dtype=dtype.numpy_dtype)
    else:
        array = column.to_numpy(dtype=object)
    return array


def _names(what: str, frame: Any) -> list[str]:
    """Returns what the columns are called, each by a name of its own."""
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{what} has {names.count(twice[0])} columns called '{twice[0][:80]}'. Expected a name of its own for "
            "each, or nobody knows which is meant. Rename them, or leave some out."
        )
    return names


def _require_features(what: str, features: Sequence[str], labels: Sequence[str]) -> None:
    """Checks that the model is given neither its answer nor what nobody has named."""
    given = [label for label in labels if label in features]
    if given:
        raise InputError(
            f"The features of {_inside(what)} hold '{given[0]}', which is {'the' if len(labels) == 1 else 'a'} label. "
            "Expected other columns: a model that is given its answer has nothing to learn. Take it out of 'features'."
        )
    if "" in features:
        raise InputError(
            f"{what} has a column without a name, which is most often the row number that pandas writes. Expected a "
            "name. Write the file with index=False, name the column, or list the others under 'features' in the recipe."
        )


def _require(what: str, name: str, names: list[str]) -> None:
    if name not in names:
        hint = did_you_mean(name, names, f"The columns are {_listed(names)}.")
        raise InputError(f"{what} has no column '{name}'. Expected the name of one of its columns. {hint}")


def _whole(what: str, frame: Any, name: str) -> np.ndarray:
    """Returns a column that says what examples are: without gaps, texts as texts."""
    gaps = frame[name].isna().to_numpy()
    if gaps.any():
        raise InputError(
            f"The column '{name}' of {_inside(what)} has {int(gaps.sum())} gaps, row {int(gaps.argmax())} first (rows "
            "are counted from 0, without the line of names). Expected a value in each row. Fill them, or leave the "
            "rows out."
        )
    values = _values(what, name, frame[name])
    return values.astype(str) if values.dtype.kind == "O" else values


def _partition(what: str, name: str, values: np.ndarray) -> np.ndarray:
    import numpy as np

    texts = [str(value).lower() for value in values.tolist()]
    unknown = sorted({*texts} - {*_PARTS})
    if unknown:
        raise InputError(
            f"The column '{name}' of {_inside(what)} holds '{unknown[0]}'. Expected train, validation and test, or 0, "
            "1 and 2. Rename the parts."
        )
    return np.array([_PARTS[text] for text in texts])


def _inside(what: str) -> str:
    """Returns what a table is, within a sentence."""
    return what[0].lower() + what[1:]


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")
