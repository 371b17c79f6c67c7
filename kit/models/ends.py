"""What a user's model ends in, one output or several side by side, brought to what a task's loss takes, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kit.models import heads
from kit.models.layers import LogOddsOfParts, Unchanged
from kit.tasks import Joint
from kit.types import Task

# From outputs float64 (n, k) to what the user's model gives.
Predictions = Callable[[np.ndarray], np.ndarray]


def to_outputs(net: keras.Model, task: Task, sample: np.ndarray) -> tuple[keras.Model, Predictions]:
    """Returns a model that puts out what the task's loss takes, and what makes of that what the user's gives.

    Args:
        net: functional or sequential, with one output (batch, k), which for a joint task is a `Concatenate`; its layers
            are shared.
        task: what the labels are.
        sample: float64 (n, k), what the model gives for some examples.

    Raises:
        InputError: it ends in what the task's loss cannot take.
    """
    if isinstance(task, Joint):
        return _of_several(net, task, sample)
    logits, probable = heads.to_outputs(net, task, sample)
    single = sample.shape[1] == 1
    if probable:
        return logits, lambda outputs: heads.predicted(outputs, task, single=single)
    return logits, lambda outputs: outputs[:, -1:] if single else outputs


def _of_several(net: keras.Model, task: Joint, sample: np.ndarray) -> tuple[keras.Model, Predictions]:
    """Takes off the activation of each output that has one, or appends log-odds; the order of weights is kept."""
    tensors = keras.tree.flatten(heads.last_of(net).input)
    ends, others, inner, start = [], {}, [], 0
    for head, tensor, part in zip(task.heads, tensors, task.outputs(sample), strict=True):
        link, alone = head.task.link, keras.Model(net.inputs[0], tensor, name=net.name)
        linear = None if link == "identity" else _linear(net, alone, [each for each in tensors if each is not tensor])
        if linear is not None and heads.end_of(alone) == link:
            others[heads.last_of(alone)] = linear
            ends.append(link)
        elif link != "identity" and heads.are_probabilities(part, link):
            inner.append((start, start + head.width, link))
            ends.append(link)
        else:
            if link != "identity":
                heads.require_linear(alone, link, part)
            ends.append("identity")
        start += head.width
    logits = heads.with_layers(net, others) if others else net
    if inner:
        logits = keras.Model(logits.inputs[0], LogOddsOfParts(inner, name="log_odds")(logits.outputs[0]), name=net.name)
    return logits, lambda outputs: _predicted(task, outputs, ends)


def _linear(net: keras.Model, alone: keras.Model, others: Sequence[Any]) -> Any:
    """Returns the last layer of one output without its activation; None where it has none, or others depend on it."""
    last = heads.last_of(alone)
    if any(last in keras.Model(net.inputs[0], other).operations for other in others):
        return None
    if isinstance(last, keras.layers.Softmax | keras.layers.Activation):
        return Unchanged(name=last.name)
    if not isinstance(last, keras.layers.Layer) or isinstance(last, keras.Model):
        return None
    config = last.get_config()
    return type(last).from_config(config | {"activation": "linear"}) if "activation" in config else None


def _predicted(task: Joint, outputs: np.ndarray, ends: Sequence[str]) -> np.ndarray:
    parts = [
        part if end == "identity" else heads.predicted(part, head.task, single=False)
        for head, part, end in zip(task.heads, task.outputs(outputs), ends, strict=True)
    ]
    return np.concatenate(parts, axis=1)
