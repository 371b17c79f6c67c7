"""Copies of a user's model: what `adapt()` found is part of their description, and no longer of their weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def copied(net: keras.Model) -> keras.Model:
    """Returns a copy of a functional or sequential model whose adapted normalisations have their state by description.

    Weights are drawn anew wherever a model is trained anew; what `adapt()` found is not to be lost there.

    Example:
        >>> layer = keras.layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> copy = copied(keras.Sequential([keras.Input((1,)), layer]))
        >>> len(copy.weights), copy(np.array([[3.0]])).numpy().tolist()
        (0, [[1.0]])
    """
    return keras.models.clone_model(net, clone_function=_copy)


def _copy(layer: Any) -> Any:
    if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
        return copied(layer)
    config = layer.get_config()
    if _is_adapted(layer):
        state = {"mean": layer.mean, "variance": layer.variance}
        shape = layer.adapt_mean.shape
        config |= {name: np.asarray(array).reshape(shape).tolist() for name, array in state.items()}
    return type(layer).from_config(config)


def kept_variables(net: keras.Model) -> list[Any]:
    """Returns the variables of a model that are weights of its copy too, in their order."""
    state = {id(variable) for layer in leaves(net) if _is_adapted(layer) for variable in layer.weights}
    return [variable for variable in net.weights if id(variable) not in state]


def _is_adapted(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Normalization) and bool(layer.weights)


def adapted_alike(net: keras.Model, other: keras.Model) -> bool:
    """Returns whether what `adapt()` found is the same in two models of one architecture."""
    for layer, twin in zip(leaves(net), leaves(other), strict=True):
        if hasattr(layer, "get_vocabulary") and layer.get_vocabulary() != twin.get_vocabulary():
            return False
        pairs = zip(layer.get_weights(), twin.get_weights(), strict=True) if _is_adapted(layer) else ()
        if not all(np.array_equal(*pair) for pair in pairs):
            return False
    return True


def leaves(net: keras.Model) -> list[Any]:
    """Returns the layers of a model in their order, those of nested models in place of these."""
    layers: list[Any] = []
    for layer in net.layers:
        layers += leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return layers
