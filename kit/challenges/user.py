"""What a user brings to a challenge in files: arrays, a model with weights, a recipe.

What is wrong with a name is said before NumPy is imported.
"""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kit import files, models
from kit.machine import quiet
from kit.types import InputError, Recipe

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.types import Arrays

EXAMPLES_FILE = "an .npz file with the arrays 'x' and 'y' (and optionally 'groups', 'mislabelled', 'partition')"
# Beyond them, the kit's recipes diverge: digits from 0 to 16 (a spread of 8) are not learnt, from 0 to 8 they are.
_LARGEST, _LARGEST_SPREAD = 100.0, 5.0
# Bytes that stay below it are no images of 0 to 255, or very dark ones.
_DARKEST = 128


def read_npz(path: Path) -> tuple[Arrays, np.ndarray | None]:
    """Reads examples, and how they are divided in train, validation and test, if the file says so.

    Raises:
        InputError: the file is missing, no `.npz`, or does not hold what it should.
    """
    stored = files.checked(lambda: files.read_npz(path), path, EXAMPLES_FILE)
    from kit.types import Arrays

    missing = [name for name in ("x", "y") if name not in stored]
    if missing:
        raise InputError(
            f"'{path}' has no array {' and no array '.join(repr(name) for name in missing)}; it holds "
            f"{', '.join(sorted(stored)) or 'nothing'}. Expected {EXAMPLES_FILE}. Save it with "
            "numpy.savez(path, x=x, y=y)."
        )
    arrays = Arrays(stored["x"], stored["y"], stored.get("groups"), stored.get("mislabelled"))
    return arrays, stored.get("partition")


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


def is_name(model: object) -> bool:
    """Returns whether this is a name of the zoo, known or not, and neither a file nor a model."""
    return isinstance(model, str) and not Path(model).suffix


def read_model(arrays: Arrays, model: str | Path | keras.Model, weights: str | Path | None) -> str | keras.Model:
    """Returns a name of the zoo as it is, or the model that a `.keras` file, or a name with weights, stands for.

    Raises:
        InputError: a file is missing, damaged or does not fit the other.
    """
    if weights is None and (is_name(model) or not isinstance(model, str | Path)):
        return model
    quiet.load_tensorflow()
    from kit.models import user_files

    if isinstance(model, str) and is_name(model):
        name = model or default_model(arrays)
        net = models.build(name, arrays.x.shape[1:], 1 + int(arrays.y.max()))
        origin = f"the kit's model '{name}'" + ("" if model else ", for want of --model")
    else:
        net = user_files.load(Path(model)) if isinstance(model, str | Path) else model
        origin = f"the model '{net.name}'"
    if weights is not None:
        user_files.load_weights(net, Path(weights), origin)
    return net


class Adopted(NamedTuple):
    """What a challenge records of a model: its name; of a user's own, a description in plain data and the weights."""

    name: str
    description: str = ""
    weights: tuple[np.ndarray, ...] | None = None


def adopted(model: str | keras.Model | None, arrays: Arrays, precision: str) -> Adopted:
    """Returns what a challenge records of a model.

    Raises:
        InputError: an unknown name, a model that cannot be taken, or numbers that it cannot be trained on.
    """
    check_bytes(arrays)
    if model is None or model == "":
        model = default_model(arrays)
    if not isinstance(model, str):
        from kit.models import user

        description, weights = user.adopt(model, arrays, precision)
        return Adopted(model.name, description, weights)
    check_zoo_name(model)
    check_scale(arrays)
    return Adopted(model)


def check_zoo_name(model: str) -> None:
    """Checks that the zoo has a model of this name.

    Raises:
        InputError: it has none.
    """
    if model not in models.NAMES:
        raise InputError(
            f"There is no model '{model}'. Expected one of {', '.join(models.NAMES)}, or a Keras model. Load a file "
            "with keras.saving.load_model, or pass it to kit.load_challenge."
        )


def default_model(arrays: Arrays) -> str:
    """Returns the zoo's model for arrays of this shape.

    Example:
        >>> import numpy as np
        >>> from kit.types import Arrays
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
    expected = (
        f"a TOML file in UTF-8 with lines such as 'epochs = 20'; the names are {', '.join([*fields, 'batch_size'])}"
    )
    fields_read: dict[str, Any] = files.checked(
        lambda: tomllib.loads(path.read_text(encoding="utf-8-sig")), path, expected
    )
    unknown = sorted(fields_read.keys() - {*fields, "batch_size"})
    if unknown:
        raise InputError(
            f"The recipe '{path}' has a line for '{unknown[0]}'. Expected {expected}; training is by stochastic "
            "gradient descent, and other optimizers are not offered. Correct the name, or take the line out."
        )
    batch_size = fields_read.pop("batch_size", 64)
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise InputError(
            f"The batch size in '{path}' is {batch_size!r}. Expected a whole number, 1 or more. Write, for instance, "
            "batch_size = 64."
        )
    return Recipe(**fields_read), batch_size
