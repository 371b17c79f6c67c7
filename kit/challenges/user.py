"""What a user brings to a challenge in files: arrays, a model with weights, code of their own.

What is wrong with a name is said before NumPy is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit import files, models
from kit.machine import quiet
from kit.types import InputError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.models.compiled import Compiled
    from kit.models.user import Own
    from kit.types import Arrays, Table, Task

EXAMPLES_FILE = (
    "an .npz file with the arrays 'x' and 'y' (and optionally 'groups', 'ids', 'mislabelled', 'partition'), or with "
    "'x_NAME' for each input of a model with several"
)
# Beyond them, the kit's recipes diverge: digits from 0 to 16 (a spread of 8) are not learnt, from 0 to 8 they are.
_LARGEST, _LARGEST_SPREAD = 100.0, 5.0
# Bytes that stay below it are no images of 0 to 255, or very dark ones.
_DARKEST = 128


def read_npz(path: Path) -> tuple[Arrays | Table, np.ndarray | None]:
    """Reads examples, and how they are divided in train, validation and test, if the file says so.

    Raises:
        InputError: the file is missing, no `.npz`, or does not hold what it should.
    """
    stored = files.checked(lambda: files.read_npz(path), path, EXAMPLES_FILE)
    from kit.types import Arrays, Table

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
    further = (stored["y"], stored.get("groups"), stored.get("mislabelled"), (), keys)
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


def is_name(model: object) -> bool:
    """Returns whether this is a name of the zoo, known or not, and neither a file nor a model."""
    return isinstance(model, str) and not Path(model).suffix


def read_model(
    examples: Arrays | Table, model: str | Path | keras.Model, weights: str | Path | None, own: Own | None = None
) -> str | keras.Model:
    """Returns a name of the zoo as it is, or the model that a `.keras` file, or a name with weights, stands for.

    Raises:
        InputError: a file is missing, damaged or does not fit the other.
    """
    builder = own if own is not None and own.builder and not model else None
    if weights is None and not builder and (is_name(model) or not isinstance(model, str | Path)):
        return model
    quiet.load_tensorflow()
    from kit.models import user_files

    if builder:
        net, origin = user_files.made(examples, builder), f"the model of '{builder.builder}'"
    elif isinstance(model, str) and is_name(model):
        from kit.types import Arrays

        arrays = examples if isinstance(examples, Arrays) else stacked(examples)
        name = model or default_model(arrays)
        net = models.build(name, arrays.x.shape[1:], 1 + int(arrays.y.max()))
        origin = f"the kit's model '{name}'" + ("" if model else ", for want of --model")
    else:
        net = model
        if isinstance(model, str | Path):
            net = user_files.load_trusted(Path(model), examples, own) if own else user_files.load(Path(model))
        origin = f"the model '{net.name}'"
    if weights is not None:
        user_files.load_weights(net, Path(weights), origin, own=bool(builder))
    return net


class Adopted(NamedTuple):
    """What a challenge records of a model: name, description in plain data and weights of a user's own, examples."""

    name: str
    arrays: Arrays
    description: str = ""
    weights: tuple[np.ndarray, ...] | None = None


def adopted(
    model: str | keras.Model | None, data: Arrays | Table, precision: str, task: Task, own: Own | None = None
) -> Adopted:
    """Returns what a challenge records of a model.

    Raises:
        InputError: an unknown name, a model that cannot be taken, or numbers that it cannot be trained on.
    """
    from kit.types import Arrays

    if not isinstance(model, str | None):
        from kit.models import user

        if isinstance(data, Arrays):
            check_bytes(data)
        made = user.adopt(model, data, precision, task=task, own=own or user.Own())
        return Adopted(model.name, made.arrays, made.description, made.weights)
    arrays = data if isinstance(data, Arrays) else stacked(data)
    check_bytes(arrays)
    model = model or default_model(arrays)
    check_zoo_name(model)
    check_scale(arrays)
    return Adopted(model, arrays)


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
    return Arrays(x, table.y, table.groups, table.mislabelled, table.classes, table.keys)


def file_of(builder: str) -> str:
    """Returns the file of a builder, `FILE.py:function`.

    Raises:
        InputError: it names no function.

    Example:
        >>> file_of("models/mine.py:make")
        'models/mine.py'
    """
    path, _, function = builder.rpartition(":")
    if not path or not function.isidentifier():
        raise InputError(
            f"The builder is '{builder}'. Expected a file and the name of a function in it that returns the model, as "
            "in FILE.py:function. Add the name."
        )
    return path


def own_code(custom_objects: str | Path | None, builder: str | None) -> Own | None:
    """Returns what a user's file says of a model, for `FILE.py` or `FILE.py:function`; None where there is none.

    Raises:
        InputError: a file that cannot be read, a builder without a function, or two different files.
    """
    if custom_objects is None and builder is None:
        return None
    quiet.load_tensorflow()
    from kit.models import custom
    from kit.models.user import Own

    path, function = str(custom_objects), ""
    if builder is not None:
        path, function = file_of(builder), builder.rpartition(":")[2]
    if custom_objects is not None and str(custom_objects) != path:
        raise InputError(
            f"Custom objects in '{custom_objects}' and a builder in '{path}' were given. Expected one file with both. "
            "Put them into one."
        )
    return Own(custom.read(Path(path)), function)


def task_of(task: Task | str | None, model: object, y: np.ndarray) -> Task:
    """Returns the task of a challenge: the one that is named, else that of the model's loss, else classification."""
    from kit import tasks

    if isinstance(task, str):
        return tasks.get(task, y)
    if task is not None:
        return task
    if isinstance(model, str | Path | None) or not hasattr(model, "compiled"):
        return tasks.CLASSIFICATION
    from kit.models import compiled

    return tasks.get(compiled.of(model).task(_num_outputs(model)) or "classification", y)


def task_in_file(path: object, y: np.ndarray, net: str | keras.Model) -> Task | None:
    """Returns the task of the loss that a model in a file was compiled with, which is not loaded; None for no file."""
    if is_name(path) or not isinstance(path, str | Path) or isinstance(net, str):
        return None
    from kit import tasks
    from kit.models import compiled

    return tasks.get(compiled.of_file(Path(path)).task(_num_outputs(net)) or "classification", y)


def compiled_with(model: str | Path | keras.Model | None) -> Compiled | None:
    """Returns what a user's model was compiled with; None for a name, or where there is none."""
    if not model or is_name(model):
        return None
    from kit.models import compiled

    return compiled.of_file(Path(model)) if isinstance(model, str | Path) else compiled.of(model)


def _num_outputs(net: keras.Model) -> int:
    outputs = getattr(net, "outputs", None) or []
    return int(outputs[0].shape[-1] or 1) if len(outputs) == 1 else 1


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
