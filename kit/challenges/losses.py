"""Weights of classes and smoothed labels, which users name by their labels, in a task, which knows numbers."""

from __future__ import annotations

import numpy as np

from kit.tasks import Classification
from kit.types import InputError, Task
from kit.types.loss_settings import BALANCED, LossSettings


def of_task(task: Task, loss: LossSettings | None, y: np.ndarray, classes: tuple[str, ...]) -> Task:
    """Returns the task with a loss that has these settings.

    Args:
        task: what the labels are.
        loss: of a classification; None, or a plain one, leaves the task as it is.
        y: labels of the training examples, int32 (n,).
        classes: names of the labels 0, 1, ...; none where the numbers are the names.

    Raises:
        InputError: the task is no classification, or a class that the labels do not have.

    Example:
        >>> of_task(Classification(), LossSettings("balanced"), np.array([0, 0, 0, 1]), ("no", "yes")).class_weights
        (0.6666666666666666, 2.0)
    """
    if loss is None or loss.is_plain:
        return task
    if not isinstance(task, Classification):
        raise InputError(
            f"Class weights or label smoothing are given, and the task is {task.name}. Expected them for a "
            "classification alone. Take out the section [loss] of the recipe."
        )
    names = [str(name) for name in classes] or [str(number) for number in range(task.num_outputs(y))]
    return Classification(_weights(loss, names, y), float(loss.label_smoothing))


def _weights(loss: LossSettings, names: list[str], y: np.ndarray) -> tuple[float, ...]:
    """Returns a weight a class, in the order of the classes; nothing where all are 1."""
    if isinstance(loss.class_weights, str):
        counts = np.maximum(np.bincount(y, minlength=len(names)), 1)
        return tuple((len(y) / (len(names) * counts)).tolist()) if loss.class_weights == BALANCED else ()
    given = {str(name): float(weight) for name, weight in loss.class_weights.items()}
    unknown = sorted(given.keys() - {*names})
    if unknown:
        raise InputError(
            f"A weight is given for the class '{unknown[0]}', which no label has. Expected some of {', '.join(names)}. "
            "Correct the name in class_weights."
        )
    return tuple(given.get(name, 1.0) for name in names) if given else ()
