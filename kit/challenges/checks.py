"""What can be refused for its name alone, before NumPy is imported: `kit.load_challenge` begins with it.

Each is checked again where it is used, by the same function: `make_split` and `make_challenge` are called by users too.
"""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.challenges import catalogue, model_options, tables, user_data, user_model
from kit.models import file_names
from kit.storage import files
from kit.storage.near_paths import files_beside
from kit.types import InputError, ModelOptions
from kit.types.errors import did_you_mean
from kit.types.forget import forget_form

FORGET_FORMS = (
    "random:SHARE, stratified:SHARE, class:LABEL, group:ID, mislabelled, or a file of row numbers (.npy, .csv, .npz)"
)
ROWS = "row numbers, an integer array of one dimension"
ROWS_FILE = (
    f"{ROWS} (.npy), or a .csv file with a column headed 'row' or 'index', or by the name of a column of ids or groups"
)
SPLIT_FILE = "a split that kit.save_split wrote (.npz)"
_FORGET_FILES = {".npy": ROWS_FILE, ".csv": ROWS_FILE, ".npz": SPLIT_FILE}
_PRECISIONS = ("float32", "tf32", "bfloat16", "float16")


def check_request(
    name_or_path: str | Path,
    *,
    forget: object = None,
    model: object = None,
    weights: str | Path | None = None,
    precision: str = "float32",
    options: ModelOptions = ModelOptions(),
) -> None:
    """Checks the names and files in the arguments of `kit.load_challenge`; what they hold is looked at later.

    Raises:
        InputError: an unknown challenge, model, kind of forget set, class or precision, or a missing file.

    Example:
        >>> check_request("noisy-digits", forget="class:3,5", model="mlp")
    """
    name = str(name_or_path)
    check_name(name)
    check_precision(precision)
    if isinstance(forget, str | Path):
        check_forget(str(forget))
        kind, argument = forget_form(str(forget))
        preset = catalogue.CHALLENGES.get(name)
        if kind == "class" and preset is not None and preset.num_classes:
            named_values(argument, [str(label) for label in range(preset.num_classes)], "class")
    if user_model.is_name(model) and model:
        user_model.check_zoo_name(str(model))
    elif isinstance(model, str | Path) and model:
        file_names.check_model_file(Path(model))
    if weights is not None:
        file_names.check_weights_file(Path(weights))
    model_options.check(options)


def check_name(name: str) -> None:
    """Checks that there is a challenge of this name, or a file of examples.

    Raises:
        InputError: there is none; near matches are shown.
    """
    names = catalogue.names()
    if name in names:
        return
    if os.path.isdir(name):
        return
    if Path(name).suffix.lower() in tables.SUFFIXES:
        tables.check_file(Path(name))
        return
    if Path(name).suffix.lower() != ".npz":
        known = [*names, *files_beside(Path(name), (".npz", *tables.SUFFIXES))]
        hint = did_you_mean(name, known, f"The challenges are {', '.join(names)}.")
        raise InputError(
            f"There is no challenge '{name}'. Expected a name, the path of an .npz, .csv or .parquet file, or a folder "
            f"of images. {hint}"
        )
    files.require_file(Path(name), f"Expected {user_data.EXAMPLES_FILE}.")


def check_forget(forget: str) -> None:
    """Checks that a forget set is asked for in a form that there is, and that its file exists if it is one.

    Raises:
        InputError: it is not, or does not.
    """
    kind, _ = forget_form(forget)
    suffix = Path(forget).suffix.lower()
    if kind != "rows":
        return
    if suffix not in _FORGET_FILES:
        hint = did_you_mean(forget, files_beside(Path(forget), _FORGET_FILES), "Try random:0.1.", likeness=0.6)
        raise InputError(f"The forget set '{forget}' is unknown. Expected {FORGET_FORMS}. {hint}")
    files.require_file(Path(forget), f"Expected {_FORGET_FILES[suffix]}.")


def named_values(argument: str, known: Sequence[str], what: str) -> list[str]:
    """Returns the classes or groups that the argument of a forget set names.

    Args:
        argument: one value as it is, or several with commas between them; of these, one with a comma in double quotes.
        known: those of the training examples, sorted.
        what: `class` or `group`.

    Raises:
        InputError: no training example has one of them.

    Example:
        >>> named_values("3, 5", ["3", "4", "5"], "class")
        ['3', '5']
        >>> named_values('"Doe, Jane",Bob', ["Bob", "Doe, Jane"], "group")
        ['Doe, Jane', 'Bob']
    """
    parts = next(csv.reader([argument], skipinitialspace=True)) or [""]
    values = [argument] if argument in known else [part.strip() for part in parts]
    missing = sorted(set(values) - set(known))
    if missing:
        names = ", ".join(map(_quoted, known[:12])) + (", ..." if len(known) > 12 else "")
        raise InputError(
            f"No training example has the {what} {', '.join(repr(name) for name in missing)}. Expected one of {names}. "
            f"Write, for instance, --forget {shlex.quote(f'{what}:{_quoted(known[0])}')}."
        )
    return values


def _quoted(value: str) -> str:
    """Returns a class or group as it is written among others: in quotes if it has a comma.

    Example:
        >>> _quoted("Bob"), _quoted("Doe, Jane")
        ('Bob', '"Doe, Jane"')
    """
    doubled = value.replace('"', '""')
    return f'"{doubled}"' if "," in value else value


def check_precision(precision: Any) -> None:
    """Checks that models can be trained in this precision.

    Raises:
        InputError: they cannot.
    """
    if precision not in _PRECISIONS:
        raise InputError(
            f"There is no precision '{precision}'. Expected {', '.join(_PRECISIONS[:-1])} or {_PRECISIONS[-1]}. Choose "
            "one of these."
        )
