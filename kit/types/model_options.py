"""What a user says of a model and data of their own, as plain data: `kit.challenges.model_options` reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.types.data_columns import DataColumns
    from kit.types.loss_settings import LossSettings
    from kit.types.recipe import Recipe
    from kit.types.task import Task

# In place of the name of an output: all of them, their losses summed.
ALL_OUTPUTS = "all"


@dataclass(frozen=True)
class ModelOptions:
    """The options of a user's own model and data, each as the user gave it, and None where it was left out.

    Args:
        recipe: how the model is trained: a `kit.Recipe`, or a TOML file with its fields, `batch_size`, and under
            `[data]` the columns of a table.
        id_column: of a table, the column by which a file of requests names examples.
        task: what the labels are (`kit.tasks`), or its name.
        custom_objects: a Python file that defines layers and functions of the model. It is run.
        builder: `FILE.py:function`, a function that makes the model, if it has no configuration. It is run.
        retrain: the user's own training function, or `FILE.py:function`, by which models are retrained in place of the
            recipe: of `kit unlearn` alone (`kit.requests.own_training`). It is run.
        loss: weights of classes and smoothed labels; by default what the recipe's file and the model say.
        columns: of a DataFrame, which column is what, or the label's name alone; by default what the recipe's file says
            under `[data]`.
        output: of a model with several outputs, the name of the one that the labels are for; by default what the
            recipe's file says under `[data]`.

    Example:
        >>> ModelOptions(recipe="recipe.toml", task="regression").task
        'regression'
    """

    recipe: Recipe | str | Path | None = None
    id_column: str | None = None
    task: Task | str | None = None
    custom_objects: str | Path | None = None
    builder: str | None = None
    retrain: Callable[..., Any] | str | None = None
    loss: LossSettings | None = None
    columns: DataColumns | str | None = None
    output: str | None = None
