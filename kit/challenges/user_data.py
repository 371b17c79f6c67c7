"""A user's own examples: arrays in an `.npz` file, and what the kit's own models can be trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kit.challenges import output_labels
from kit.storage import files
from kit.types import InputError

if TYPE_CHECKING:
    import numpy as np

    from kit.types import Arrays, Table

EXAMPLES_FILE = (
    "an .npz file with the arrays 'x' and 'y' (and optionally 'groups', 'ids', 'mislabelled', 'partition', "
    "'sample_weight'), or with 'x_NAME' for each input, and 'y_NAME' for each output, of a model with several"
)
# Beyond them, the kit's recipes diverge: digits from 0 to 16 (a spread of 8) are not learnt, from 0 to 8 they are.
_LARGEST, _LARGEST_SPREAD = 100.0, 5.0
# Bytes that stay below it are no images of 0 to 255, or very dark ones.
_DARKEST = 128


def read_npz(path: Path, output: str = "", names: Sequence[str] = ()) -> tuple[Arrays | Table, np.ndarray | None]:
    """Reads examples, and how they are divided in train, validation and test, if the file says so.

    Args:
        path: of the file.
        output: of a model with several, whose labels `y_OUTPUT` are read where there is no `y`; `all` for all.
        names: of all outputs, in the order in which their labels stand side by side.

    Raises:
        InputError: the file is missing, no `.npz`, or does not hold what it should.
    """
    from kit.storage.digests import without_digest_of_arrays

    stored = files.checked(lambda: without_digest_of_arrays(files.read_npz(path)), path, EXAMPLES_FILE)
    return _examples(path, stored, output, names)


def is_array_folder(path: Path) -> bool:
    """Returns whether a folder holds arrays, as `read_folder` takes them, and not images."""
    return any(name.endswith(".npy") for name in os.listdir(path))


def read_folder(path: Path, output: str = "", names: Sequence[str] = ()) -> tuple[Arrays | Table, np.ndarray | None]:
    """Reads a folder of `.npy` files that are called as the arrays of an `.npz` file; they stay on disk.

    They are mapped into memory, of which the system takes back what it needs: float32 and uint8 arrays are never copied
    as a whole where the examples for training stand in a row, and so do those for validation and for testing.

    Raises:
        InputError: it does not hold what it should.
    """
    import numpy as np

    def mapped(file: Path) -> np.ndarray:
        array: np.ndarray = files.checked(
            lambda: np.load(file, mmap_mode="r", allow_pickle=False), file, "an array that numpy.save wrote"
        )
        return array

    return _examples(path, {file.stem: mapped(file) for file in sorted(path.glob("*.npy"))}, output, names)


def _examples(
    path: Path, stored: Mapping[str, np.ndarray], output: str, names: Sequence[str]
) -> tuple[Arrays | Table, np.ndarray | None]:
    from kit.types import Arrays, Table

    labels = {name.removeprefix("y_"): array for name, array in stored.items() if name.startswith("y_")}
    if "y" not in stored and labels:  # of several outputs, each has labels of its own
        stored = {**stored, "y": output_labels.chosen(labels, output, names, what=f"'{path}'")}

    inputs = {name.removeprefix("x_"): array for name, array in stored.items() if name.startswith("x_")}
    missing = [name for name in ("x", "y") if name not in stored and not (name == "x" and inputs)]
    if missing:
        raise InputError(
            f"'{path}' has no array {' and no array '.join(repr(name) for name in missing)}; it holds "
            f"{', '.join(sorted(stored)) or 'nothing'}. Expected {EXAMPLES_FILE}. Save it with "
            "numpy.savez(path, x=x, y=y)."
        )
    if inputs and "x" in stored:
        raise InputError(
            f"'{path}' has an array 'x' and an array 'x_{next(iter(inputs))}'. Expected 'x' for a model with one "
            "input, or 'x_NAME' for each input of one with several. Save it with the one or the others."
        )
    keys = {"id": stored["ids"]} if "ids" in stored else {}
    further = (stored["y"], stored.get("groups"), stored.get("mislabelled"), (), keys, stored.get("sample_weight"))
    if not inputs and (stored["x"].dtype.kind in "US" or stored["x"].ndim > 4):  # texts, videos
        inputs = {"x": stored["x"]}
    examples = Table(inputs, *further) if inputs else Arrays(stored["x"], *further)
    return examples, stored.get("partition")


def check_scale(arrays: Arrays) -> None:
    """Checks that the kit's own models can be trained on these numbers.

    Raises:
        InputError: floats or integers on which training would diverge.
    """
    import numpy as np

    x = arrays.x
    if x.dtype == np.uint8:
        return
    largest = float(np.abs(x).max())
    spread = float(np.sqrt(np.square(x).mean(axis=tuple(range(x.ndim - 1)))).max())
    if largest > _LARGEST or spread > _LARGEST_SPREAD:
        raise InputError(
            f"'x' holds values up to {largest:g} (root mean square of a column or channel: up to {spread:.3g}), on "
            "which the kit's models cannot be trained. Expected values of about -3 to 3, or uint8 images of 0 to 255, "
            "which the kit scales to [0, 1]. Divide other images by their largest value, "
            "(x / x.max()).astype('float32'), and scale the columns of a table, for instance with "
            "sklearn.preprocessing.StandardScaler."
        )


def check_bytes(arrays: Arrays) -> None:
    """Checks that bytes are what they are taken for: images of 0 to 255, which are divided by 255.

    Raises:
        InputError: they go up to less than half of that, as a table of 0 and 1 does: little would be left of them.
    """
    import numpy as np

    largest = int(arrays.x.max()) if arrays.x.dtype == np.uint8 else 0
    if 0 < largest < _DARKEST:
        raise InputError(
            f"'x' is uint8 and goes up to {largest}. Expected images of 0 to 255 in this type, which the kit divides "
            "by 255. Save other numbers as floats, which are left as they are: x.astype('float32'), or for images "
            "(x / x.max()).astype('float32')."
        )


def stacked(table: Table) -> Arrays:
    """Returns the columns of a table side by side, for a model of the kit's.

    Raises:
        InputError: some are texts, or no columns of single numbers.
    """
    import numpy as np

    from kit.types import Arrays

    for name, column in table.inputs.items():
        if column.dtype.kind in "US" or (column.ndim > 1 and len(table.inputs) > 1):
            raise InputError(
                f"The input '{name}' has dtype {column.dtype} and shape {column.shape}, which the kit's own models "
                "cannot take. Expected columns of numbers, or a model of yours that makes numbers of them, for "
                "instance with a StringLookup. Give it with --model, or leave the column out with 'features'."
            )
    columns = [np.asarray(column) for column in table.inputs.values()]
    x = columns[0] if len(columns) == 1 and columns[0].ndim > 1 else np.stack(columns, axis=1)
    return Arrays(x, table.y, table.groups, table.mislabelled, table.classes, table.keys, table.sample_weight)
