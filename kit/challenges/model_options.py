"""What the options of a user's own model and data stand for: the files that they name are checked, and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kit.challenges import joint, recipes, user_model
from kit.challenges.recipes import RecipeFile
from kit.machine import quiet
from kit.storage import files
from kit.types import DataColumns, InputError, ModelOptions, Recipe
from kit.types.loss_settings import LossSettings

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.models.user import Own
    from kit.types import Task


def check(options: ModelOptions) -> None:
    """Checks, before NumPy is imported, that the files are there.

    Raises:
        InputError: one is missing, or a builder names no function.
    """
    if isinstance(options.recipe, str | Path):
        files.require_file(Path(options.recipe), "Expected a TOML file with lines such as 'epochs = 20'.")
    retraining = options.retrain if isinstance(options.retrain, str) else None
    functions = (_file_of(options.builder, "builder"), _file_of(retraining, "training function"))
    for path in (options.custom_objects, *functions):
        if path:
            files.require_file(Path(path), "Expected a Python file of yours, which is run.")


def recipe_file(options: ModelOptions, default: Recipe, batch_size: int) -> RecipeFile:
    """Returns what the recipe's file says, or what it would say of a `kit.Recipe`, by default of this one.

    Raises:
        InputError: the file is no TOML, or names what a recipe has not; or this is neither a file nor a recipe.
    """
    columns = DataColumns(options.columns) if isinstance(options.columns, str) else options.columns
    if isinstance(options.recipe, str | Path):
        training = recipes.read(Path(options.recipe))
        return _of_output(training if columns is None else dataclasses.replace(training, data=columns), options)
    recipe = checked_recipe(options.recipe or default)
    fields = {each.name: getattr(recipe, each.name) for each in dataclasses.fields(recipe)}
    return _of_output(RecipeFile(Path(), fields, batch_size, columns or DataColumns()), options)


def _of_output(training: RecipeFile, options: ModelOptions) -> RecipeFile:
    """Returns what a recipe's file says, with the output that the options name."""
    if options.output is None:
        return training
    return dataclasses.replace(training, data=dataclasses.replace(training.data, output=options.output))


def checked_recipe(recipe: object) -> Recipe:
    """Returns what is a recipe as it is.

    Raises:
        InputError: it is none.
    """
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"The recipe is {recipe!r}. Expected a kit.Recipe. Write, for instance, kit.Recipe(epochs=20)."
        )
    return recipe


def resolved(
    options: ModelOptions,
    training: RecipeFile,
    model: str | Path | keras.Model | None,
    net: str | keras.Model,
    y: np.ndarray,
    *,
    steps: int,
    announce: Callable[[str], None],
) -> ModelOptions:
    """Returns the options with a `kit.Recipe`, and with task and loss of the recipe's file or of the model.

    Args:
        training: of `recipe_file`.
        model: as the user gave it, whose compile settings may say how it was trained.
        net: the same, read (`user_model.read_model`).
        y: the labels.
        steps: of an epoch, by which a schedule of the model's becomes rates of epochs.
        announce: is told what was read from the model, and what of it the kit leaves out.

    Raises:
        InputError: the model does not say how it was trained, or values with which nothing can be trained.
    """
    output = training.data.output
    compiled = user_model.compiled_with(model, net, output)
    recipe = training.recipe(compiled if training.is_from_model else None, steps)
    task: Task | str | None = options.task or training.data.task
    if joint.is_joint(net, output):
        if task:
            raise InputError(
                f"The task '{task}' and all outputs were asked for. Expected the one or the other: the task of each "
                "output is read from its loss. Leave the task out, or name a single output with --output-name."
            )
        task = joint.task_of(model, cast("keras.Model", net), y)
    task = task or user_model.task_in_file(compiled, model, y, net, output)
    loss = options.loss or training.loss or (None if compiled is None else LossSettings({}, compiled.label_smoothing))
    if training.is_from_model and compiled is not None:
        read = (
            "" if compiled.schedule is None or recipe.schedule != "listed" else f"; rates: of {compiled.schedule.name}"
        )
        announce(f"recipe of the model: {recipe}{read}" + "".join(f"; left out: {part}" for part in compiled.left_out))
    return dataclasses.replace(options, recipe=recipe, task=task, loss=loss, output=output or None)


def code(options: ModelOptions, output: str = "") -> Own | None:
    """Returns the user's code, from `FILE.py` or `FILE.py:function`, and which output is meant; None for neither.

    Raises:
        InputError: a file that cannot be read, a builder without a function, or two different files.
    """
    output = output or options.output or ""
    if options.custom_objects is None and options.builder is None and not output:
        return None
    quiet.load_tensorflow()
    from kit.models import custom
    from kit.models.user import Own

    if options.custom_objects is None and options.builder is None:
        return Own(output=output)

    path, function = str(options.custom_objects), ""
    if options.builder is not None:
        path, function = _file_of(options.builder, "builder"), options.builder.rpartition(":")[2]
    if options.custom_objects is not None and str(options.custom_objects) != path:
        raise InputError(
            f"Custom objects in '{options.custom_objects}' and a builder in '{path}' were given. Expected one file "
            "with both. Put them into one."
        )
    return Own(custom.read(Path(path)), function, output)


def _file_of(function: str | None, what: str) -> str:
    """Returns the file of `FILE.py:function`; nothing for None.

    Raises:
        InputError: it names no function.

    Example:
        >>> _file_of("models/mine.py:make", "builder")
        'models/mine.py'
    """
    if function is None:
        return ""
    path, _, name = function.rpartition(":")
    if not path or not name.isidentifier():
        raise InputError(
            f"The {what} is '{function}'. Expected a file and the name of a function in it that returns the model, as "
            "in FILE.py:function. Add the name."
        )
    return path
