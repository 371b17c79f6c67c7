"""A network as a row of blocks: which layers to freeze, and fresh weights for some of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np

_ELEMENTWISE = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.PReLU,
)


def leaves(net: keras.Model) -> list[keras.Layer]:
    """Returns the layers of a model in their order, those of nested models in place of these."""
    layers: list[keras.Layer] = []
    for layer in net.layers:
        layers += leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


def has_kernel(layer: keras.Layer) -> bool:
    """Returns whether a layer mixes what it is given by a weight of two axes or more, as a convolution does.

    A normalisation does not, though it may have a weight for each pixel and channel; nor does a PReLU.
    """
    return not isinstance(layer, _ELEMENTWISE) and any(len(variable.shape) > 1 for variable in layer.weights)


def last_blocks(net: keras.Model, count: int) -> list[keras.Layer]:
    """Returns the layers of the last blocks: a block is a layer with a kernel and all that follows up to the next one.

    Args:
        net: at least `count` of its layers have a kernel, or all of them are returned.
        count: of blocks, 0 or more.

    Example:
        >>> from kit.models import convnet
        >>> [layer.name for layer in last_blocks(convnet((8, 8, 1), 10), 1)]
        ['logits']
    """
    layers = leaves(net)
    starts = [number for number, layer in enumerate(layers) if has_kernel(layer)]
    if count >= len(starts):
        return layers
    return layers[starts[-count] :] if count else []


@contextlib.contextmanager
def frozen_but(net: keras.Model, kept: Sequence[keras.Layer]) -> Iterator[None]:
    """Freezes all other layers for a while: neither weights nor batch statistics of theirs change."""
    others = [layer for layer in leaves(net) if all(layer is not kept_layer for kept_layer in kept)]
    before = [layer.trainable for layer in others]
    try:
        for layer in others:
            layer.trainable = False
        yield
    finally:
        for layer, trainable in zip(others, before, strict=True):
            layer.trainable = trainable


def reinitialise(net: keras.Model, layers: Sequence[keras.Layer]) -> None:
    """Draws the weights of some layers anew, in place, by their own initialisers; batch statistics too."""
    for layer, fresh in zip(leaves(net), leaves(keras.models.clone_model(net)), strict=True):
        if any(layer is chosen for chosen in layers):  # names may be given twice, in two nested models
            layer.set_weights(fresh.get_weights())


def fresh_weights(net: keras.Model) -> list[np.ndarray]:
    """Returns newly drawn weights, an array for each trainable variable."""
    return [keras.ops.convert_to_numpy(variable) for variable in keras.models.clone_model(net).trainable_variables]
