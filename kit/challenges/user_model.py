"""A user's own model: a name of the zoo, a file or a Keras model, and what its compile settings say of it.

What is wrong with a name is said before NumPy is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit import models
from kit.challenges.user_data import check_bytes, check_scale, stacked
from kit.machine import quiet
from kit.types import InputError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.models.compiled import Compiled
    from kit.models.user import Own
    from kit.types import Arrays, Table, Task


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
            is_own = own is not None and bool(own.source)
            net = (
                user_files.load_trusted(Path(model), examples, own) if own and is_own else user_files.load(Path(model))
            )
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
        adoption = user.adopt(model, data, precision, task=task, own=own or user.Own())
        return Adopted(model.name, adoption.arrays, adoption.description, adoption.weights)
    arrays = data if isinstance(data, Arrays) else stacked(data)
    check_bytes(arrays)
    model = model or default_model(arrays)
    check_zoo_name(model)
    check_scale(arrays)
    return Adopted(model, arrays)


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


def task_in_file(
    settings: Compiled | None, path: object, y: np.ndarray, net: str | keras.Model, output: str = ""
) -> Task | None:
    """Returns the task of the loss that a model was compiled with, for its only or its named output.

    None where the model is no file's and has one output: `task_of` looks at it.
    """
    if settings is None or isinstance(net, str) or not (output or isinstance(path, str | Path)):
        return None
    from kit import tasks

    return tasks.get(settings.task(_num_outputs(net, output)) or "classification", y)


def compiled_with(
    model: str | Path | keras.Model | None, net: str | keras.Model = "", output: str = ""
) -> Compiled | None:
    """Returns what a user's model was compiled with; None for a name, or where there is none.

    Args:
        model: as the user gave it.
        net: the same, read: it says in which order its outputs have losses.
        output: whose loss is asked for, where there are several.
    """
    if not model or is_name(model):
        return None
    from kit.models import compiled

    names: Sequence[str] = ()
    if output and not isinstance(net, str):
        from kit.models import named_outputs

        names = list(named_outputs.of(net))
    at = compiled.Output(output, names)
    return compiled.of_file(Path(model), at) if isinstance(model, str | Path) else compiled.of(model, at)


def shape_of(model: str | Path | keras.Model | None) -> tuple[int | None, ...] | None:
    """Returns the shape of the examples that a user's model takes; None for a name, or where it does not say it."""
    if not model or is_name(model):
        return None
    if isinstance(model, str | Path):
        from kit.models import shapes

        return shapes.of_file(Path(model))
    inputs = getattr(model, "inputs", None) or []
    return tuple(inputs[0].shape[1:]) if len(inputs) == 1 else None


def output_names(model: str | Path | keras.Model | None) -> list[str]:
    """Returns the names of the outputs of a user's model; none for a name of the zoo, or where it does not say them."""
    if not model or is_name(model):
        return []
    quiet.load_tensorflow()
    from kit.models import named_outputs

    return named_outputs.names_of(model)


def check_output(model: str | Path | keras.Model | None, output: str) -> None:
    """Checks that a model has the output that is named, as far as the model says it, before labels are read by it.

    Raises:
        InputError: it has other outputs.
    """
    names = output_names(model) if output else []
    if names and model is not None:
        from kit.models import named_outputs

        named_outputs.check(output, names, str(model) if isinstance(model, str | Path) else model.name)


def _num_outputs(net: keras.Model, output: str = "") -> int:
    outputs = getattr(net, "outputs", None) or []
    if output and len(outputs) > 1:
        from kit.models import named_outputs

        outputs = [tensor for name, tensor in named_outputs.of(net).items() if name == output]
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
