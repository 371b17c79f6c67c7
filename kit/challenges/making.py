"""A challenge from arrays: checked, divided, split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from kit.challenges import beginnings, checks, frames, joint, losses, model_options, splits, user_model
from kit.challenges.catalogue import Preset
from kit.challenges.partition import published_partition, stratified_partition
from kit.datasets.loading import Published
from kit.types import Arrays, Challenge, DataColumns, InputError, ModelOptions, Recipe, Table, Task
from kit.types.arrays import numbered

if TYPE_CHECKING:
    import keras
    import pandas as pd

Forget = str | Path | Sequence[int] | np.ndarray


def make_challenge(
    name: str,
    arrays: Arrays | Table | pd.DataFrame,
    *,
    columns: DataColumns | str | None = None,
    partition: np.ndarray | None = None,
    forget: Forget = "random:0.1",
    split_seed: int = 0,
    model: str | keras.Model | None = None,
    recipe: Recipe = Recipe(),
    batch_size: int = 64,
    hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
    published: str = "",
    source: str = "",
    precision: str = "float32",
    task: Task | str | None = None,
    custom_objects: str | Path | None = None,
    builder: str | None = None,
    output_name: str | None = None,
) -> Challenge:
    """Makes a challenge from a user's arrays.

    Args:
        name: becomes the name of the results' folder.
        arrays: all examples, e.g. `kit.Arrays(x, y, groups=person)`, or `kit.Table({"age": age, "job": job}, y)` for a
            model of your own with several inputs, or with layers that read texts; or a pandas DataFrame.
        columns: of a DataFrame: which column is what (`kit.DataColumns`), or the name of the label's.
        partition: optional integers (n,): 0 for training, 1 for validation, 2 for test. By default 70, 15 and 15 %,
            each class in the same shares, always the same for the same data.
        forget, split_seed: as in `load_challenge`.
        model: a name of the zoo, by default `convnet` for images and `mlp` for tables; or a Keras model of your own,
            trained on these arrays.
        recipe, batch_size: how the model is trained anew; of a name, the kit trains the original too, and caches it.
        hyperparameters: method name -> keyword arguments that differ on this challenge.
        published, source, precision: see `kit.Challenge`.
        task: what the labels are (`kit.tasks`), or its name; by default what the model's loss says, if it was
            compiled, and else classification.
        custom_objects: a Python file that defines layers and functions of the model's. It is run.
        builder: `FILE.py:function`, for a model that has no configuration: a function that makes it. It is run.
        output_name: of a model with several outputs, the one that the labels are for, or `all` (see
            `kit.unlearn_model`).

    Raises:
        InputError: labels that are none of the task's, a partition without one of its three parts, a bad forget set,
            a model that cannot be taken.

    Example:
        >>> arrays = Arrays(np.random.default_rng(0).normal(size=(200, 5)), np.arange(200) % 4)
        >>> challenge = make_challenge("table", arrays, forget="class:3")
        >>> challenge.model, len(challenge.split.forget)
        ('mlp', 35)
    """
    if frames.is_frame(arrays):
        explained = DataColumns(columns) if isinstance(columns, str) else columns or DataColumns()
        explained = replace(explained, output=output_name or explained.output)
        output_name, outputs = explained.output or None, user_model.output_names(model) if explained.output else ()
        arrays, divided = frames.table(arrays, explained, outputs=outputs)
        partition, task = divided if partition is None else partition, task or explained.task or None
    return make(
        name,
        arrays,
        _of_model(ModelOptions(recipe, None, task, custom_objects, builder, output=output_name), model, arrays.y),
        partition=partition,
        forget=forget,
        split_seed=split_seed,
        model=model,
        batch_size=batch_size,
        hyperparameters=hyperparameters,
        published=published,
        source=source,
        precision=precision,
    )


def _of_model(options: ModelOptions, model: str | keras.Model | None, y: np.ndarray) -> ModelOptions:
    """Returns the options with the task of the output that is named, or of all."""
    if not options.output or options.task is not None or model is None or isinstance(model, str):
        return options
    user_model.check_output(model, options.output)
    if joint.is_joint(model, options.output):
        return replace(options, task=joint.task_of(model, model, y))
    settings = user_model.compiled_with(model, model, options.output)
    return replace(options, task=user_model.task_in_file(settings, model, y, model, options.output))


def make(
    name: str,
    arrays: Arrays | Table,
    options: ModelOptions,
    *,
    partition: np.ndarray | None,
    forget: Forget,
    split_seed: int = 0,
    model: str | keras.Model | None,
    batch_size: int,
    hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
    published: str = "",
    source: str = "",
    precision: str = "float32",
) -> Challenge:
    """Makes a challenge from arrays; the options have a `kit.Recipe`; the rest, and errors, as in `make_challenge`."""
    task = user_model.task_of(options.task, model, arrays.y)
    arrays = _labelled(name, arrays, task)
    partition = stratified_partition(arrays, task) if partition is None else np.asarray(partition)
    _check_partition(name, partition, len(arrays))
    task = losses.of_task(task, options.loss, arrays.y[partition == 0], arrays.classes)
    checks.check_precision(precision)
    recipe = model_options.checked_recipe(options.recipe)
    own = model_options.code(options)
    adopted = user_model.adopted(model, arrays, precision, task, own)
    train, validation, test = (adopted.arrays.take(np.flatnonzero(partition == part)) for part in range(3))
    challenge = Challenge(
        name=name,
        train=train,
        validation=validation,
        test=test,
        split=splits.make_split(train, forget, split_seed, rows=np.flatnonzero(partition == 0)),
        model=adopted.name,
        model_description=adopted.description,
        recipe=replace(recipe, start=None),
        batch_size=batch_size,
        hyperparameters=hyperparameters or {},
        published=published,
        source=source,
        precision=cast(Literal["float32", "tf32", "bfloat16", "float16"], precision),
        original=adopted.weights,
        task=task,
    )
    return beginnings.begun(challenge, recipe.start, model, arrays, own)


def _labelled(name: str, data: Arrays | Table, task: Task) -> Arrays | Table:
    """Returns examples with labels as the task keeps them, and what these are called.

    Raises:
        InputError: labels that are none of the task's, or that go beyond the number of examples.
    """
    y, classes = (data.y, data.classes) if isinstance(data, Arrays) else numbered(data.y, data.classes)
    labelled = replace(data, y=task.check(y), classes=classes or task.classes(y))
    if task.num_outputs(labelled.y) > len(labelled):
        raise InputError(
            f"'{name}' has labels up to {labelled.y.max()} but only {len(labelled)} examples. Expected labels 0 .. "
            "num_classes - 1. Map them with numpy.unique(y, return_inverse=True)."
        )
    return labelled


def _check_partition(name: str, partition: np.ndarray, num_examples: int) -> None:
    if partition.shape != (num_examples,) or partition.dtype.kind not in "iu" or set(np.unique(partition)) != {0, 1, 2}:
        raise InputError(
            f"The partition of '{name}' has shape {partition.shape}, dtype {partition.dtype} and the values "
            f"{np.unique(partition)[:5].tolist()}. Expected one integer for each of {num_examples} examples, 0 for "
            "training, 1 for validation and 2 for test, each of them present. Correct 'partition' or leave it out."
        )


def load_preset(preset: Preset, announce: Callable[[str], None] | None) -> tuple[Arrays, np.ndarray | None, str]:
    """Returns a preset's examples, their division in train, validation and test, and where they were found."""
    if not preset.published:
        return preset.load(), None, ""
    published: Published = preset.load(announce=announce)
    source = f"{preset.published}: {published.source}, sha256 {published.sha256}"
    return published.arrays, published_partition(published), source
