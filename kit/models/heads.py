"""What a model ends in: from a user's softmax, sigmoid or single number to the outputs that a task's loss takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kit.models.layers import LogOdds
from kit.types import InputError, Task

# Rounding in a softmax of half precision.
_NEAR_ONE = 1e-2


def to_outputs(net: keras.Model, task: Task, sample: np.ndarray) -> tuple[keras.Model, bool]:
    """Returns a model that puts out what the task's loss takes, and whether what it gave were probabilities.

    A single number z, or probability sigmoid(z), of a classification becomes the logits (0, z), whose softmax gives the
    same probabilities.

    Args:
        net: functional or sequential, with one output (batch, k); its layers are shared.
        task: what the labels are.
        sample: float64 (n, k), what the model gives for some examples.

    Raises:
        InputError: it ends in what the task's loss cannot take.
    """
    if task.link == "identity":
        return net, False
    single = task.link == "softmax" and sample.shape[1] == 1
    link = "sigmoid" if single else task.link
    logits, probable = without_end(net, link), True
    if logits is None and are_probabilities(sample, link):
        logits = keras.Model(net.inputs[0], LogOdds(link, name="log_odds")(net.outputs[0]), name=net.name)
    elif logits is None:
        require_linear(net, link, sample)
        logits, probable = net, False
    return (_two_logits(logits) if single else logits), probable


def predicted(outputs: np.ndarray, task: Task, *, single: bool) -> np.ndarray:
    """Returns the probabilities that logits stand for, float64 (n, k): of one that became two, that of class 1.

    Example:
        >>> from kit.tasks import CLASSIFICATION
        >>> predicted(np.array([[0.0, 0.0]]), CLASSIFICATION, single=True).tolist()
        [[0.5]]
    """
    from scipy.special import expit, softmax

    if task.link == "sigmoid":
        return np.asarray(expit(outputs))
    probabilities: np.ndarray = softmax(outputs, axis=-1)
    return probabilities[:, -1:] if single else probabilities


def end_of(net: keras.Model) -> str:
    """Returns the name of the activation at a model's end, `linear` where there is none."""
    last = last_of(net)
    if isinstance(last, keras.Model):
        return end_of(last)
    if isinstance(last, keras.layers.Softmax) or type(last).__module__ == "keras.src.ops.nn":
        return type(last).__name__.lower()
    activation = getattr(last, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def last_of(net: keras.Model) -> Any:
    """Returns the layer or operation that gives a model's output."""
    return net.layers[-1] if isinstance(net, keras.Sequential) or not hasattr(net, "operations") else net.operations[-1]


def without_end(net: keras.Model, link: str) -> keras.Model | None:
    """Returns a copy of a model without this activation at its end, None where it does not end in it.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
        >>> end_of(without_end(net, "softmax")), without_end(net, "sigmoid")
        ('linear', None)
    """
    last = last_of(net)
    if end_of(net) != link:
        return None
    if isinstance(last, keras.Model):
        inner = without_end(last, link) if hasattr(last, "operations") or isinstance(last, keras.Sequential) else None
        return None if inner is None else with_layers(net, {last: inner})
    if isinstance(last, keras.layers.Softmax | keras.layers.Activation) or not isinstance(last, keras.layers.Layer):
        return keras.models.clone_model(keras.Model(net.inputs[0], last.input, name=net.name))
    config = last.get_config()
    if "activation" not in config:  # a layer of a user's, which may do anything with its activation
        return None
    return with_layers(net, {last: type(last).from_config(config | {"activation": "linear"})})


def with_layers(net: keras.Model, others: Mapping[Any, Any]) -> keras.Model:
    """Returns a copy of a model with other layers in place of some."""

    def cloned(layer: Any) -> Any:
        if layer in others:
            return others[layer]
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(net, clone_function=cloned)


def are_probabilities(sample: np.ndarray, link: str) -> bool:
    """Returns whether what a model gives for some examples, (n, k), are the probabilities of a softmax or sigmoid."""
    between = (sample >= 0).all() and (sample <= 1 + _NEAR_ONE).all()
    return bool(between and (link == "sigmoid" or np.allclose(sample.sum(axis=-1), 1, atol=_NEAR_ONE)))


def require_linear(net: keras.Model, link: str, sample: np.ndarray) -> None:
    """Refuses a model that neither ends in logits nor gives probabilities.

    Raises:
        InputError: it ends in another activation, or in sigmoids where labels are one class an example.
    """
    end = end_of(net)
    if end == "linear" or not isinstance(last_of(net), keras.layers.Layer):
        return
    if end == "sigmoid":
        raise InputError(
            f"The model '{net.name}' ends in {sample.shape[1]} sigmoids, and the labels are one class an example. "
            "Expected a softmax or logits there. If it was trained on rows of 0 and 1 with the binary cross-entropy, "
            "choose the task 'multilabel' and give 'y' as these rows: the model stays as it is."
        )
    raise InputError(
        f"The model '{net.name}' ends in the activation '{end}' of its layer '{last_of(net).name}', whose outputs are "
        f"neither probabilities nor logits. Expected a {link}, or nothing, there. If it predicts numbers, choose the "
        "task 'regression'."
    )


def _two_logits(net: keras.Model) -> keras.Model:
    column = keras.layers.Reshape((1, 1), name="as_column")(net.outputs[0])
    pair = keras.layers.ZeroPadding1D((1, 0), name="logit_of_class_0")(column)
    return keras.Model(net.inputs[0], keras.layers.Flatten(name="two_logits")(pair), name=net.name)
