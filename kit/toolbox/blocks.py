"""A network as a row of blocks: which layers to freeze, and fresh weights for some of them.

Weights that are drawn anew are those of before the training: where the original's training started from a file
(`kit.types.StartWeights`), the network knows it, and these layers start from it again.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from kit.models import named

_START = "_start_of_kit"
_ELEMENTWISE = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.PReLU,
)
# Layers of a kernel and perhaps a bias, and some without weights, none of which draws anything else.
_DRAWN = frozenset({keras.layers.Dense, keras.layers.Conv2D})
_PLAIN = frozenset({keras.layers.Flatten, keras.layers.ReLU, keras.layers.Activation, keras.layers.MaxPooling2D})


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
    with _frozen(others):
        yield


@contextlib.contextmanager
def of_phase(
    net: keras.Model, trainable: Sequence[str] | None = None, frozen: Sequence[str] | None = None
) -> Iterator[None]:
    """Has a phase of a training change what it is to change, for a while (`kit.Recipe`).

    Args:
        net: a network.
        trainable: names of the only layers that are trained; None for all that are not frozen in the network.
        frozen: names of layers that are not; None for none.

    Raises:
        InputError: the network has no such layer.

    Example:
        >>> from kit.models import mlp
        >>> net = mlp((4,), 4)
        >>> with of_phase(net, frozen=["hidden"]):
        ...     print(len(net.trainable_variables))
        2
    """
    if trainable is not None:
        with frozen_but(net, named.layers(net, trainable)):
            yield
    else:
        with _frozen(named.layers(net, frozen or ())):
            yield


@contextlib.contextmanager
def _frozen(layers: Sequence[keras.Layer]) -> Iterator[None]:
    before = [layer.trainable for layer in layers]
    try:
        for layer in layers:
            layer.trainable = False
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable


def start_from(net: keras.Model, start: Sequence[np.ndarray | None]) -> None:
    """Gives a network weights that its training starts from, and has it start from them whenever it is drawn anew.

    Args:
        net: a network; a copy of it knows nothing of them.
        start: for each of `net.weights` an array of its shape; None for one that is drawn.
    """
    if all(array is None for array in start):
        return
    object.__setattr__(net, _START, tuple(start))  # else Keras would track the arrays
    net.set_weights([old if new is None else new for new, old in zip(start, net.get_weights(), strict=True)])


def _start_of(net: keras.Model) -> dict[int, np.ndarray]:
    """Returns the arrays of `start_from` by the identity of their variables."""
    start = net.__dict__.get(_START, ())
    pairs = zip(net.weights, start, strict=True) if start else ()
    return {id(weight): array for weight, array in pairs if array is not None}


def reinitialise(net: keras.Model, layers: Sequence[keras.Layer]) -> None:
    """Draws the weights of some layers anew, in place, by their own initialisers; batch statistics too.

    Frozen layers keep theirs (see `redrawn`). Seeds come from Keras's global state.

    Args:
        net: that the layers are of.
        layers: for instance those of `last_blocks`.
    """
    start = _start_of(net)
    for layer, fresh in zip(leaves(net), leaves(keras.models.clone_model(net)), strict=True):
        # Names may be given twice, in two nested models.
        if layer.trainable and any(layer is chosen for chosen in layers):
            drawn = zip(layer.weights, fresh.get_weights(), strict=True)
            layer.set_weights([start.get(id(weight), array) for weight, array in drawn])


def redrawn(net: keras.Model) -> list[np.ndarray]:
    """Returns weights for a training from scratch: those to start from, if there are any; else newly drawn ones.

    Frozen layers keep those that they have: a layer is frozen because its weights come from elsewhere, a published
    embedding for instance; drawn anew and never trained, it would be noise.

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
    drawn, start = _drawn(net), _start_of(net)
    arrays = zip(net.weights, frozen_weights(net), net.get_weights(), drawn, strict=True)
    return [start.get(id(weight), kept if frozen else new) for weight, frozen, kept, new in arrays]


def _drawn(net: keras.Model) -> list[np.ndarray]:
    """Returns the weights that a copy of the network is made with; a row of plain layers needs no copy for them.

    To make one takes ten times as long as to draw its weights: as long as a small network is trained.
    """
    weights = [weight for layer in net.layers for weight in layer.weights]
    if not _is_plain_row(net) or [id(weight) for weight in weights] != [id(weight) for weight in net.weights]:
        drawn: list[np.ndarray] = keras.models.clone_model(net).get_weights()
        return drawn
    arrays = []
    for layer in filter(lambda layer: type(layer) in _DRAWN, net.layers):
        given = (layer.kernel_initializer, layer.bias_initializer)
        # Each draws its seed here, as it does where the layer is copied.
        fresh = [keras.initializers.deserialize(keras.initializers.serialize(each)) for each in given]
        for weight, initializer in zip(layer.weights, fresh, strict=False):  # without a bias there is no second weight
            arrays.append(keras.ops.convert_to_numpy(initializer(weight.shape, dtype=weight.dtype)))
    return arrays


def _is_plain_row(net: keras.Model) -> bool:
    """Returns whether each layer takes the output of the one before, and all are of the kinds known here."""
    layers = net.layers[1:] if isinstance(net.layers[0], keras.layers.InputLayer) else net.layers
    if not type(net).__module__.startswith("keras.") or not all(type(layer) in _DRAWN | _PLAIN for layer in layers):
        return False
    return all(after.input is before.output for before, after in itertools.pairwise(layers))


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
    """Returns newly drawn weights, or those that a training starts from, an array for each trainable variable.

    Args:
        net: left as it is; its initialisers are used, with seeds from Keras's global state.
    """
    start, fresh = _start_of(net), keras.models.clone_model(net).trainable_variables
    pairs = zip(net.trainable_variables, fresh, strict=True)
    return [start.get(id(weight), keras.ops.convert_to_numpy(variable)) for weight, variable in pairs]
