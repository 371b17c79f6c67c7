"""What a method's own training keeps in its folder for `unlearning`: arrays, weights and plain values, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit.models.weights import in_order, write_file
from kit.storage import files


def write_arrays(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as `<name>.npz`, atomically, in place of those that are there.

    Args:
        folder: that was handed to the method's training.
        name: of the file, without its ending.
        arrays: name -> array.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_arrays(Path(folder), "shards", {"rows": np.arange(2)})
        ...     read_arrays(Path(folder), "shards")
        {'rows': array([0, 1])}
    """
    files.write_npz(folder / f"{name}.npz", arrays)


def read_arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Returns what `write_arrays` wrote; nothing is unpickled.

    Args:
        folder, name: as there.
    """
    return files.read_npz(folder / f"{name}.npz")


def write_weights(folder: Path, name: str, weights: Sequence[np.ndarray]) -> None:
    """Writes a model's weights as `<name>.npz`, atomically.

    Args:
        folder: that was handed to the method's training.
        name: of the file, without its ending.
        weights: in the order of `keras.Model.weights`.
    """
    write_file(folder / f"{name}.npz", weights)


def read_weights(folder: Path, name: str) -> list[np.ndarray]:
    """Returns what `write_weights` wrote, in its order.

    Args:
        folder, name: as there.
    """
    return in_order(files.read_npz(folder / f"{name}.npz"))


def write_values(folder: Path, name: str, values: Mapping[str, Any]) -> None:
    """Writes plain values as `<name>.json`, atomically.

    Args:
        folder: that was handed to the method's training.
        name: of the file, without its ending.
        values: name -> what JSON can hold.
    """
    files.write_json(folder / f"{name}.json", dict(values))


def read_values(folder: Path, name: str) -> dict[str, Any]:
    """Returns what `write_values` wrote.

    Args:
        folder, name: as there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_values(Path(folder), "plan", {"shards": 3})
        ...     read_values(Path(folder), "plan")
        {'shards': 3}
    """
    values: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return values
