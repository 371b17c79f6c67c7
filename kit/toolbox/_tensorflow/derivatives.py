"""Compiled sums of gradients over a batch's examples, and products with curvature matrices.

Everything is in inference mode. What is returned takes the arrays of a batch (x, y, targets where there are any), their
number of examples left open, and gives a vector in weight space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from kit.tasks import CLASSIFICATION
from kit.toolbox._tensorflow import per_example
from kit.toolbox.losses import Batch, Loss
from kit.toolbox.tensors import Tensor, Vector, as_float

Arrays = Sequence[Tensor]


def compile_gradient(net: keras.Model, loss: Loss, arrays: Arrays) -> Callable[..., Vector]:
    """Returns the function from a batch to the gradient of its loss times its number of examples."""
    variables = _variables(net)

    def gradient(*arrays: tf.Tensor) -> Vector:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            mean = loss(_batch(net, *arrays))
            value = mean * tf.cast(tf.shape(arrays[0])[0], mean.dtype)
        return _dense(tape.gradient(value, variables), variables)

    return _compiled(gradient, _signature(arrays))


def compile_squares(net: keras.Model, arrays: Arrays, *, expected: bool) -> Callable[..., Vector]:
    """Returns the function from a batch to the sum of squared gradients of its examples' cross-entropies.

    Args:
        net: returns logits.
        arrays: of the kind that the function will be handed.
        expected: over all labels, each weighted by the probability that the model gives it, not with the batch's own.
    """
    build = _squares_by_layer if per_example.knows(net) else _squares_one_by_one
    return build(net, _signature(arrays), expected=expected)


examples_at_once = per_example.examples_at_once


def _squares_by_layer(net: keras.Model, signature: Sequence[Any], *, expected: bool) -> Callable[..., Vector]:
    variables = _variables(net)

    def sum_of_squares(x: tf.Tensor, y: tf.Tensor, *targets: tf.Tensor) -> Vector:
        def losses_and_weights(logits: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
            if not expected:
                losses = CLASSIFICATION.loss(logits, y)
                return [(losses, tf.ones_like(losses))]
            log_probabilities = tf.unstack(tf.nn.log_softmax(logits), axis=-1)
            return [(-of_class, tf.stop_gradient(tf.exp(of_class))) for of_class in log_probabilities]

        by_variable = per_example.squared_gradients(net, as_float(x), losses_and_weights)
        if not by_variable:
            one_by_one: Vector = _squares_one_by_one(net, signature, expected=expected)(x, y)
            return one_by_one
        return [by_variable[id(variable)] for variable in variables]

    return _compiled(sum_of_squares, signature)


def _squares_one_by_one(net: keras.Model, signature: Sequence[Any], *, expected: bool) -> Callable[..., Vector]:
    """For layers that `per_example` does not know; an example costs as much as a small batch."""
    variables = _variables(net)

    def squares(x: tf.Tensor, label: tf.Tensor) -> Vector:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = _logits(net, x[tf.newaxis])
            loss = CLASSIFICATION.loss(logits, label[tf.newaxis])
        weight = tf.exp(-loss[0]) if expected else tf.ones((), loss.dtype)
        return [weight * tf.square(part) for part in _dense(tape.gradient(loss, variables), variables)]

    def sum_of_squares(x: tf.Tensor, y: tf.Tensor, *targets: tf.Tensor) -> Vector:
        total = [tf.zeros_like(variable) for variable in variables]
        for number in range(net.output_shape[-1] if expected else 1):
            labels = tf.fill(tf.shape(y), number) if expected else y
            of_examples = tf.vectorized_map(lambda example: squares(*example), (x, labels), warn=False)
            total = [sum_ + tf.reduce_sum(part, axis=0) for sum_, part in zip(total, of_examples, strict=True)]
        return total

    return _compiled(sum_of_squares, signature)


def compile_hessian_product(net: keras.Model, loss: Loss, arrays: Arrays) -> Callable[..., Vector]:
    """Returns the function from a vector and a batch to the Hessian's product, times the number of examples."""
    variables = _variables(net)

    def product(vector: Vector, *arrays: tf.Tensor) -> Vector:
        with tf.autodiff.ForwardAccumulator(variables, vector) as along:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                mean = loss(_batch(net, *arrays))
                value = mean * tf.cast(tf.shape(arrays[0])[0], mean.dtype)
            gradients = _dense(tape.gradient(value, variables), variables)
        return _dense([along.jvp(part) for part in gradients], variables)

    return _compiled(product, [_specs(variables), *_signature(arrays)])


def compile_gauss_newton_product(net: keras.Model, arrays: Arrays) -> Callable[..., Vector]:
    """Returns the function from a vector and a batch to the product with the sum of its examples' matrices."""
    variables = _variables(net)

    def product(vector: Vector, x: tf.Tensor, *targets: tf.Tensor) -> Vector:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            with tf.autodiff.ForwardAccumulator(variables, vector) as along:
                logits = _logits(net, x)
            change = tf.stop_gradient(along.jvp(logits))
        probabilities = tf.nn.softmax(logits)
        back = probabilities * (change - tf.reduce_sum(probabilities * change, axis=-1, keepdims=True))
        return _dense(tape.gradient(logits, variables, output_gradients=back), variables)

    return _compiled(product, [_specs(variables), *_signature(arrays)])


def _compiled(function: Callable[..., Vector], signature: Sequence[Any]) -> Callable[..., Vector]:
    compiled: Callable[..., Vector] = tf.function(function, signature, jit_compile=False, autograph=False)
    return compiled


def _variables(net: keras.Model) -> list[tf.Variable]:
    return [variable.value for variable in net.trainable_variables]


def _logits(net: keras.Model, x: tf.Tensor) -> tf.Tensor:
    logits = net(as_float(x), training=False)
    return logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32)


def _batch(net: keras.Model, x: tf.Tensor, *rest: tf.Tensor) -> Batch:
    return Batch(_logits(net, x), *rest)


def _dense(gradients: Sequence[tf.Tensor | None], variables: Sequence[tf.Variable]) -> Vector:
    """Returns gradients as tensors: zeros where a variable plays no part, and no sparse ones, as embeddings have."""
    return [
        tf.zeros_like(variable) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def _signature(arrays: Arrays) -> list[tf.TensorSpec]:
    return [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]


def _specs(variables: Sequence[tf.Variable]) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
