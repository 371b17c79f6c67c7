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
    """Returns the layers of a model in their order; a nested model is replaced by its own layers.

    Args:
        net: left as it is.

    Example:
        >>> from kit.models import mlp
        >>> [leaf.name for leaf in leaves(mlp((4,), 3))][-2:]
        ['hidden', 'logits']
    """
    layers: list[keras.Layer] = []
    for layer in net.layers:
        layers += leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


def has_kernel(layer: keras.Layer) -> bool:
    """Returns whether a layer mixes its inputs by a weight of two axes or more, as a convolution does.

    A normalisation does not, though it may have a weight for each pixel and channel; nor does a PReLU.

    Args:
        layer: a built one.

    Example:
        >>> from kit.models import mlp
        >>> has_kernel(mlp((4,), 3).get_layer("logits"))
        True
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


def up_to(net: keras.Model, leaf: keras.Layer) -> keras.Model:
    """Returns the part of a model whose output is what one of its layers is given, the last time that it is called.

    Args:
        net: functional or sequential, with one input; its layers are shared.
        leaf: one of `leaves(net)`.

    Example:
        >>> from kit.models import mlp
        >>> net = mlp((4, 4), 3)
        >>> up_to(net, net.get_layer("logits")).output_shape
        (None, 128)
    """
    inputs = keras.Input(net.inputs[0].shape[1:], dtype=net.inputs[0].dtype, name=f"input_of_{net.name}")
    given: list[keras.KerasTensor] = []

    def call(part: keras.Operation, *args: object, **kwargs: object) -> object:
        if part is leaf:
            given.append(args[0])
        elif isinstance(part, keras.Model) and any(layer is leaf for layer in leaves(part)):
            given.append(up_to(part, leaf)(args[0]))
        return part(*args, **kwargs)

    graph = keras.Model(net.inputs[0], net.outputs[0])
    keras.models.clone_model(graph, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call)
    return keras.Model(inputs, given[-1], name=f"part_of_{net.name}")


@contextlib.contextmanager
def frozen_but(net: keras.Model, kept: Sequence[keras.Layer]) -> Iterator[None]:
    """Freezes all other layers within a `with` block: neither their weights nor their batch statistics change.

    Args:
        net: whose layers are frozen; `trainable` flags are restored at the end.
        kept: layers of it that stay as they are.

    Example:
        >>> from kit.models import mlp
        >>> net = mlp((4,), 3)
        >>> with frozen_but(net, last_blocks(net, 1)):
        ...     len(net.trainable_variables)
        2
        >>> len(net.trainable_variables)
        4
    """
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
    """Draws the weights of some layers anew, in place, by their own initialisers; batch statistics too.

    Frozen layers keep theirs (see `redrawn`). Seeds come from Keras's global state.

    Args:
        net: that the layers are of.
        layers: for instance those of `last_blocks`.
    """
    for layer, fresh in zip(leaves(net), leaves(keras.models.clone_model(net)), strict=True):
        # Names may be given twice, in two nested models.
        if layer.trainable and any(layer is chosen for chosen in layers):
            layer.set_weights(fresh.get_weights())


def redrawn(net: keras.Model) -> list[np.ndarray]:
    """Returns weights for a training from scratch: newly drawn, but of frozen layers those that they have.

    A layer is frozen because its weights come from elsewhere, a published embedding for instance: drawn anew and never
    trained, it would be noise.

    Args:
        net: left as it is.

    Returns:
        An array for each of `net.weights`.

    Example:
        >>> from kit.models import mlp
        >>> net = mlp((4,), 4)
        >>> net.get_layer("hidden").trainable = False
        >>> [bool((new == old).all()) for new, old in zip(redrawn(net), net.get_weights(), strict=True)]
        [True, True, False, True]
    """
    drawn = keras.models.clone_model(net).get_weights()
    return [
        kept if frozen else new for frozen, kept, new in zip(frozen_weights(net), net.get_weights(), drawn, strict=True)
    ]


def frozen_weights(net: keras.Model) -> list[bool]:
    """Returns for each of `net.weights` whether its layer is frozen; batch statistics of a trained layer are not.

    Args:
        net: left as it is.

    Returns:
        Booleans, in the order of `net.weights`.
    """
    frozen = {id(weight) for layer in leaves(net) if not layer.trainable for weight in layer.weights}
    return [id(weight) in frozen for weight in net.weights]


def fresh_weights(net: keras.Model) -> list[np.ndarray]:
    """Returns newly drawn weights, an array for each trainable variable.

    Args:
        net: left as it is; its initialisers are used, with seeds from Keras's global state.
    """
    return [keras.ops.convert_to_numpy(variable) for variable in keras.models.clone_model(net).trainable_variables]
