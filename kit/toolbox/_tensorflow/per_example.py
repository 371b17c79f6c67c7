"""Sums of squared gradients of single examples, at about the cost of a batch's gradient.

In inference mode no example depends on another, so one backward pass to the layers' outputs gives what each example
sends back; the gradient by a layer's weights is a product of that with what the layer was given. Of a dense layer even
the squares come from one product (Goodfellow, arXiv:1510.01799); of a convolution, from one product an example over its
patches (Rochette, Manoel and Tramel, arXiv:1912.06015).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from kit.models.layers import PaddedConv2D
from kit.toolbox import blocks

_PLAIN = {keras.layers.Dense, keras.layers.Conv2D, PaddedConv2D}
# Numbers that the gradients of a batch's examples by one kernel may take at once.
_AT_ONCE = 2**25


@dataclass
class LayerRecord:
    """What went through a layer: its inputs, and its outputs before the activation."""

    layer: keras.layers.Layer
    inputs: list[tf.Tensor] = field(default_factory=list)
    outputs: list[tf.Tensor] = field(default_factory=list)


def examples_at_once(net: keras.Model, batch_size: int) -> int:
    """Returns how many examples' gradients are taken at once without much memory."""
    largest: int = max(math.prod(variable.shape) for variable in net.trainable_variables)
    return max(1, min(batch_size, _AT_ONCE // largest))


def knows(net: keras.Model) -> bool:
    """Returns whether all layers with trainable weights are of the kinds that `sum_of_squares` knows."""
    return all(_is_known(layer) for layer in blocks.leaves(net) if layer.trainable_variables)


def _is_known(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.BatchNormalization):
        return bool(layer.axis in {-1, len(layer.input.shape) - 1})
    if type(layer) not in _PLAIN or getattr(layer, "lora_enabled", False):
        return False
    if isinstance(layer, keras.layers.Dense):
        return True
    return bool(layer.groups == 1 and layer.data_format == "channels_last" and layer.padding in {"valid", "same"})


@contextlib.contextmanager
def recorded(net: keras.Model) -> Iterator[list[LayerRecord]]:
    """Keeps, while a model is called, what goes through its layers with trainable weights."""
    records = [LayerRecord(layer) for layer in blocks.leaves(net) if layer.trainable_variables]
    with contextlib.ExitStack() as stack:
        for record in records:
            stack.enter_context(_hooked(record))
        yield records


@contextlib.contextmanager
def _hooked(record: LayerRecord) -> Iterator[None]:
    layer, call = record.layer, record.layer.call
    activation: Any = getattr(layer, "activation", None)
    activation = None if activation is keras.activations.linear else activation

    def recorded_call(inputs: tf.Tensor, *arguments: Any, **named: Any) -> tf.Tensor:
        record.inputs.append(inputs)
        outputs = call(inputs, *arguments, **named)
        if activation is None:
            record.outputs.append(outputs)
        return outputs

    def recorded_activation(outputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.identity(outputs)
        record.outputs.append(outputs)
        return activation(outputs)

    # object.__setattr__: Keras would take a function for a part of the layer.
    object.__setattr__(layer, "call", recorded_call)
    if activation is not None:
        object.__setattr__(layer, "activation", recorded_activation)
    try:
        yield
    finally:
        object.__delattr__(layer, "call")
        if activation is not None:
            object.__setattr__(layer, "activation", activation)


def sum_of_squares(
    record: LayerRecord, sent_back: tf.Tensor, weights: tf.Tensor
) -> list[tuple[tf.Variable, tf.Tensor]]:
    """Returns for each trainable variable of a layer the weighted sum over examples of their squared gradients.

    Args:
        record: what went through the layer, in one call.
        sent_back: the loss's gradient by the layer's outputs, of the same shape: an example's in its row.
        weights: (b,), of the examples.
    """
    layer = record.layer
    inputs, sent_back = (tf.cast(array, weights.dtype) for array in (record.inputs[0], sent_back))  # from bfloat16
    if isinstance(layer, keras.layers.BatchNormalization):
        by_variable = [
            (variable, _squares_of(each, weights)) for variable, each in _normalisation(layer, inputs, sent_back)
        ]
    else:
        patches = inputs if isinstance(layer, keras.layers.Dense) else _patches(layer, inputs)
        patches, sent_back = (_by_place(array) for array in (patches, sent_back))
        by_variable = [(layer.kernel, _squares_of_products(patches, sent_back, weights))]
        if layer.use_bias:
            by_variable += [(layer.bias, _squares_of(tf.reduce_sum(sent_back, axis=1), weights))]
    return [(variable.value, tf.reshape(squares, variable.shape)) for variable, squares in by_variable]


def _by_place(array: tf.Tensor) -> tf.Tensor:
    """Returns (b, places, channels): how many places there are is known before the first call wherever it can be."""
    places = array.shape[1:-1]
    return tf.reshape(array, (-1, places.num_elements() or tf.reduce_prod(tf.shape(array)[1:-1]), array.shape[-1]))


def _squares_of(each: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns `sum_b weights_b each_b^2` of (b, k)."""
    return tf.tensordot(weights, tf.square(each), axes=1)


def _squares_of_products(patches: tf.Tensor, sent_back: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns `sum_b weights_b (patches_b^T sent_back_b)^2`, (inputs, outputs)."""
    if patches.shape[1] == 1:  # one place: the square of a product of two vectors is the product of their squares
        squares = tf.square(patches[:, 0]) * weights[:, tf.newaxis]
        return tf.matmul(squares, tf.square(sent_back[:, 0]), transpose_a=True)
    return _squares_of(tf.matmul(patches, sent_back, transpose_a=True), weights)


def _patches(layer: keras.layers.Layer, images: tf.Tensor) -> tf.Tensor:
    """Returns what each output pixel is computed from: (b, height, width, taps x channels)."""
    padding = layer.padding.upper()
    if isinstance(layer, PaddedConv2D) and layer.zeros:
        images = tf.pad(images, [[0, 0], [layer.zeros] * 2, [layer.zeros] * 2, [0, 0]])
    sizes, strides, rates = ((1, *pair, 1) for pair in (layer.kernel_size, layer.strides, layer.dilation_rate))
    return tf.image.extract_patches(images, sizes, strides, rates, padding)


def _normalisation(layer: keras.layers.Layer, inputs: tf.Tensor, sent_back: tf.Tensor) -> list[tuple[Any, tf.Tensor]]:
    places = list(range(1, len(inputs.shape) - 1))
    normal = (inputs - layer.moving_mean) * tf.math.rsqrt(layer.moving_variance + layer.epsilon)
    of_scale = [(layer.gamma, tf.reduce_sum(sent_back * normal, axis=places))] if layer.scale else []
    return [*of_scale, (layer.beta, tf.reduce_sum(sent_back, axis=places))] if layer.center else of_scale


def squared_gradients(
    net: keras.Model,
    images: tf.Tensor,
    losses_and_weights: Callable[[tf.Tensor], Sequence[tuple[tf.Tensor, tf.Tensor]]],
) -> dict[int, tf.Tensor]:
    """Returns, by the identity of each variable, the sum over losses and examples of weighted squared gradients.

    Args:
        net: of layers that `knows` knows. Where one of them is called more than once, nothing is returned.
        images: (b, ...), as the model takes them.
        losses_and_weights: of logits (b, classes) to one or more pairs of losses (b,) and weights (b,).
    """
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch([variable.value for variable in net.trainable_variables])
        with recorded(net) as records:
            logits = net(images, training=False)
        pairs = losses_and_weights(logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32))
        totals = [tf.reduce_sum(losses) for losses, _ in pairs]
    if any(len(record.outputs) != 1 for record in records):
        return {}
    sums: dict[int, tf.Tensor] = {}
    for total, (_, weights) in zip(totals, pairs, strict=True):
        by_output = tape.gradient(total, [record.outputs[0] for record in records])
        for record, sent_back in zip(records, by_output, strict=True):
            for variable, squares in sum_of_squares(record, sent_back, weights):
                sums[id(variable)] = sums.get(id(variable), 0.0) + squares
    return sums
