"""All outputs of a user's model as one task: what each was compiled with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.challenges import user_model
from kit.types import InputError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.tasks import Joint
    from kit.types import Task


def is_joint(net: str | keras.Model, output: str) -> bool:
    """Returns whether all of several outputs are meant."""
    if not output or isinstance(net, str):
        return False
    from kit.models import named_outputs

    return named_outputs.is_joint(net, output)


def task_of(model: str | Path | keras.Model | None, net: keras.Model, y: np.ndarray) -> Joint:
    """Returns the task of all outputs, from the losses and `loss_weights` that a model was compiled with.

    Args:
        model: as the user gave it, whose compile settings are read.
        net: the same, read.
        y: the labels, (n, columns).

    Raises:
        InputError: an output without a loss that says what its labels are, or labels that do not fit.
    """
    from kit import tasks
    from kit.models import named_outputs

    heads = []
    for name, tensor in named_outputs.of(net).items():
        width = int(tensor.shape[-1] or 1)
        settings = user_model.compiled_with(model, net, name)
        kind = settings.task(width) if settings is not None else ""
        if settings is None or not kind or settings.loss_weight < 0:
            raise InputError(
                f"The model '{net.name}' was compiled without a loss for its output '{name}' that says what its labels "
                "are, or with a negative weight. Expected one of Keras's losses of classes, of 0 and 1, or of squared "
                "or absolute errors for each output, where all are asked for. Compile it with loss={name: loss, ...} "
                "and save it again, or name a single output with --output-name."
            )
        task: Task = tasks.get("multilabel" if kind == "classification" and width == 1 else kind, y)
        if settings.label_smoothing and kind == "classification" and width > 1:
            task = tasks.Classification(label_smoothing=settings.label_smoothing)
        heads.append(tasks.Head(name, task, width, settings.loss_weight))
    return _scaled(tasks.Joint(tuple(heads)), y)


def _scaled(joint: Joint, y: np.ndarray) -> Joint:
    """Returns the task with tolerances by the spread of each output's own labels."""
    from kit import tasks

    heads = []
    for head, labels in joint.labels(joint.check(y)):
        task = tasks.Regression.of(labels, head.task.error) if isinstance(head.task, tasks.Regression) else head.task
        heads.append(tasks.Head(head.name, task, head.width, head.weight))
    if not any(head.weight for head in heads):
        raise InputError(
            "All weights of the losses are 0. Expected one above it. Compile the model with other loss_weights."
        )
    return tasks.Joint(tuple(heads))
