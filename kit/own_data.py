"""What a user brings to a challenge in files: arrays, a model with weights, a recipe."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import files
from kit.types import Arrays, InputError, Recipe

if TYPE_CHECKING:
    import keras


def read_npz(path: Path) -> tuple[Arrays, np.ndarray | None]:
    """Reads examples, and how they are divided in train, validation and test, if the file says so.

    Raises:
        InputError: the file is missing, no `.npz`, or does not hold what it should.
    """
    expected = "an .npz file with the arrays 'x' and 'y' (and optionally 'groups', 'mislabelled', 'partition')"
    stored = files.checked(lambda: files.read_npz(path), path, expected)
    missing = [name for name in ("x", "y") if name not in stored]
    if missing:
        raise InputError(
            f"'{path}' has no array {' and no array '.join(repr(name) for name in missing)}; it holds "
            f"{', '.join(sorted(stored)) or 'nothing'}. Expected {expected}. Save it with numpy.savez(path, x=x, y=y)."
        )
    arrays = Arrays(stored["x"], stored["y"], stored.get("groups"), stored.get("mislabelled"))
    return arrays, stored.get("partition")


def read_model(arrays: Arrays, model: str, weights: str | Path | None) -> str | keras.Model:
    """Returns a name of the zoo as it is, or the model that a `.keras` file, or a name with weights, stands for.

    Raises:
        InputError: a file is missing, damaged or does not fit the other.
    """
    is_file = bool(Path(model).suffix)
    if weights is None and not is_file:
        return model
    from kit import models, own_models

    if is_file:
        net = own_models.load(Path(model))
    else:
        net = models.build(model or default_model(arrays), arrays.x.shape[1:], 1 + int(arrays.y.max()))
    if weights is not None:
        own_models.load_weights(net, Path(weights))
    return net


def default_model(arrays: Arrays) -> str:
    """Returns the zoo's model for arrays of this shape.

    Example:
        >>> default_model(Arrays(np.zeros((2, 3)), np.array([0, 1])))
        'mlp'
    """
    return "convnet" if arrays.x.ndim == 4 else "mlp"


def read_recipe(path: Path) -> tuple[Recipe, int]:
    """Reads a recipe and a batch size (64 by default) from a TOML file.

    Raises:
        InputError: the file is missing or no TOML, or names what a recipe has not.
    """
    fields = [field.name for field in dataclasses.fields(Recipe)]
    expected = f"a TOML file with lines such as 'epochs = 20'; the names are {', '.join([*fields, 'batch_size'])}"
    given: dict[str, Any] = files.checked(lambda: tomllib.loads(path.read_text(encoding="utf-8")), path, expected)
    unknown = sorted(given.keys() - {*fields, "batch_size"})
    if unknown:
        raise InputError(f"The recipe '{path}' has a line for '{unknown[0]}'. Expected {expected}. Correct the name.")
    batch_size = given.pop("batch_size", 64)
    return files.checked(lambda: Recipe(**given), path, expected), batch_size
