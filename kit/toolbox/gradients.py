"""The only place that takes raw gradients: of sets and of single examples, and products with curvature matrices.

Everything is computed in inference mode: with running batch statistics and without dropout, so that an example's
gradient does not depend on the examples beside it, and the same weights give the same numbers. A vector in weight
space is a list of tensors, one a trainable variable, in the order of `net.trainable_variables`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from kit.toolbox._tensorflow import per_example
from kit.toolbox._tensorflow.steps import Loss, compiled_once
from kit.toolbox.examples import Examples, as_float
from kit.toolbox.losses import Batch, cross_entropy

# A batch of small images costs little more than a few of them: as many go together as fill this many numbers.
_NUMBERS_AT_ONCE, _MOST_AT_ONCE = 2**18, 512

Vector = list[tf.Tensor]
Product = Callable[[Vector], Vector]


def mean_gradient(net: keras.Model, examples: Examples, loss: Loss = cross_entropy) -> Vector:
    """Returns the gradient of the mean loss over all examples.

    Args:
        net: returns logits.
        examples: gone over in batches of their size or more.
        loss: a mean over a batch, see `kit.toolbox.losses`.

    Example:
        >>> end = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros")
        >>> net = keras.Sequential([keras.Input((2,)), end])
        >>> (gradient,) = mean_gradient(net, Examples(tf.constant([[1.0, 2.0]]), tf.constant([0]), 1))
        >>> gradient.numpy().tolist()  # (probability - label) times the input
        [[-0.5, 0.5], [-1.0, 1.0]]
    """
    variables = _variables(net)

    def build() -> Callable[..., Vector]:
        def gradient(*arrays: tf.Tensor) -> Vector:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                mean = loss(_batch(net, *arrays))
                value = mean * tf.cast(tf.shape(arrays[0])[0], mean.dtype)
            return _dense(tape.gradient(value, variables), variables)

        return _compiled(gradient, _signature(examples))

    gradient = compiled_once(net, ("mean gradient", loss, *_key(net, examples)), build)
    return _mean(gradient, replace(examples, batch_size=_at_once(examples)))


def fisher_diagonal(net: keras.Model, examples: Examples, *, expected: bool = False) -> Vector:
    """Returns the diagonal of the Fisher information: the mean over examples of the squared gradient of one example.

    Args:
        net: returns logits.
        examples: the labels play no part if `expected`.
        expected: over the labels that the model itself gives: `sum_y p(y | x) * gradient(-log p(y | x))^2`, the Fisher
            information proper, at the cost of a pass for each class. Otherwise with the examples' own labels, the
            "empirical" one.

    Example:
        >>> end = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros")
        >>> net = keras.Sequential([keras.Input((1,)), end])
        >>> (diagonal,) = fisher_diagonal(net, Examples(tf.constant([[2.0], [4.0]]), tf.constant([0, 1]), 2))
        >>> diagonal.numpy().tolist()  # the mean of (2 / 2)^2 and (4 / 2)^2
        [[2.5, 2.5]]
    """
    build = _squares_by_layer if per_example.knows(net) else _squares_one_by_one
    examples = replace(examples, batch_size=per_example.examples_at_once(net, _at_once(examples)))
    key = ("fisher diagonal", expected, *_key(net, examples))
    sum_of_squares = compiled_once(net, key, lambda: build(net, _signature(examples), expected=expected))
    return _mean(sum_of_squares, examples)


def _squares_by_layer(net: keras.Model, signature: Sequence[Any], *, expected: bool) -> Callable[..., Vector]:
    variables = _variables(net)

    def sum_of_squares(x: tf.Tensor, y: tf.Tensor, *targets: tf.Tensor) -> Vector:
        def losses_and_weights(logits: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
            if not expected:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
                return [(losses, tf.ones_like(losses))]
            log_probabilities = tf.unstack(tf.nn.log_softmax(logits), axis=-1)
            return [(-one, tf.stop_gradient(tf.exp(one))) for one in log_probabilities]

        found = per_example.squared_gradients(net, as_float(x), losses_and_weights)
        if not found:
            one_by_one: Vector = _squares_one_by_one(net, signature, expected=expected)(x, y)
            return one_by_one
        return [found[id(variable)] for variable in variables]

    return _compiled(sum_of_squares, signature)


def _squares_one_by_one(net: keras.Model, signature: Sequence[Any], *, expected: bool) -> Callable[..., Vector]:
    """For layers that `per_example` does not know; an example costs as much as a small batch."""
    variables = _variables(net)

    def squares(x: tf.Tensor, label: tf.Tensor) -> Vector:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = _logits(net, x[tf.newaxis])
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(label[tf.newaxis], logits)
        weight = tf.exp(-loss[0]) if expected else tf.ones((), loss.dtype)
        return [weight * tf.square(one) for one in _dense(tape.gradient(loss, variables), variables)]

    def sum_of_squares(x: tf.Tensor, y: tf.Tensor, *targets: tf.Tensor) -> Vector:
        total = [tf.zeros_like(variable) for variable in variables]
        for number in range(net.output_shape[-1] if expected else 1):
            labels = tf.fill(tf.shape(y), number) if expected else y
            of_examples = tf.vectorized_map(lambda one: squares(*one), (x, labels), warn=False)
            total = [sum_ + tf.reduce_sum(one, axis=0) for sum_, one in zip(total, of_examples, strict=True)]
        return total

    return _compiled(sum_of_squares, signature)


def hessian_product(net: keras.Model, examples: Examples, loss: Loss = cross_entropy) -> Product:
    """Returns the function v -> H v, H being the Hessian of the mean loss, which need not be positive."""
    variables = _variables(net)

    def build() -> Callable[..., Vector]:
        def product(vector: Vector, *arrays: tf.Tensor) -> Vector:
            with tf.autodiff.ForwardAccumulator(variables, vector) as along:
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(variables)
                    mean = loss(_batch(net, *arrays))
                    value = mean * tf.cast(tf.shape(arrays[0])[0], mean.dtype)
                gradients = _dense(tape.gradient(value, variables), variables)
            return _dense([along.jvp(one) for one in gradients], variables)

        return _compiled(product, [_specs(variables), *_signature(examples)])

    product = compiled_once(net, ("hessian product", loss, *_key(net, examples)), build)
    examples = replace(examples, batch_size=_at_once(examples))
    return lambda vector: _mean(lambda *arrays: product(vector, *arrays), examples)


def gauss_newton_product(net: keras.Model, examples: Examples) -> Product:
    """Returns the function v -> G v, G being the Gauss-Newton matrix of the mean cross-entropy, never negative.

    `G = mean_i J_i^T (diag(p_i) - p_i p_i^T) J_i`, where J_i is the derivative of an example's logits by the weights
    and p_i its probabilities: the Hessian without the curvature of the network itself; and the Fisher information.
    """
    variables = _variables(net)

    def build() -> Callable[..., Vector]:
        def product(vector: Vector, x: tf.Tensor, *targets: tf.Tensor) -> Vector:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                with tf.autodiff.ForwardAccumulator(variables, vector) as along:
                    logits = _logits(net, x)
                change = tf.stop_gradient(along.jvp(logits))
            probabilities = tf.nn.softmax(logits)
            back = probabilities * (change - tf.reduce_sum(probabilities * change, axis=-1, keepdims=True))
            return _dense(tape.gradient(logits, variables, output_gradients=back), variables)

        return _compiled(product, [_specs(variables), *_signature(examples)])

    product = compiled_once(net, ("gauss newton product", *_key(net, examples)), build)
    examples = replace(examples, batch_size=_at_once(examples))
    return lambda vector: _mean(lambda *arrays: product(vector, *arrays), examples)


def conjugate_gradient(product: Product, target: Vector, *, damping: float, iterations: int) -> Vector:
    """Returns an approximation of `(A + damping I)^-1 target` after so many iterations of conjugate gradient.

    Args:
        product: v -> A v, of a symmetric matrix without negative eigenvalues.
        target: the right-hand side.
        damping: > 0 keeps the system well-conditioned.
        iterations: each costs one product; fewer are taken once the residual has shrunk by a million.

    Example:
        >>> double = lambda vector: [2 * part for part in vector]
        >>> (solution,) = conjugate_gradient(double, [tf.constant([3.0, 6.0])], damping=1.0, iterations=3)
        >>> solution.numpy().tolist()
        [1.0, 2.0]
    """
    solution, residual = [tf.zeros_like(part) for part in target], list(target)
    direction, size = residual, dot(residual, residual)
    start = size
    for _ in range(iterations):
        if float(size) <= 1e-12 * float(start):
            break
        image = plus(product(direction), direction, damping)
        step = size / dot(direction, image)
        solution, residual = plus(solution, direction, step), plus(residual, image, -step)
        size, last = dot(residual, residual), size
        direction = plus(residual, direction, size / last)
    return solution


def dot(one: Vector, other: Vector) -> tf.Tensor:
    """Returns the scalar product of two vectors."""
    return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(one, other, strict=True)])


def plus(one: Vector, other: Vector, factor: float | tf.Tensor) -> Vector:
    """Returns `one + factor * other`."""
    return [a + factor * b for a, b in zip(one, other, strict=True)]


def largest(parts: Sequence[tf.Tensor], share: float) -> list[tf.Tensor]:
    """Returns for each part a float32 mask, 1 where an entry is among this share of the largest of all parts.

    Example:
        >>> [mask.numpy().tolist() for mask in largest([tf.constant([3.0, 1.0]), tf.constant([2.0, 0.0])], 0.5)]
        [[1.0, 0.0], [1.0, 0.0]]
    """
    flat = tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)
    count = round(share * math.prod(flat.shape))
    chosen = tf.argsort(flat, direction="DESCENDING", stable=True)[:count]
    mask = tf.scatter_nd(chosen[:, tf.newaxis], tf.ones(count), tf.shape(flat, out_type=tf.int32))
    pieces = tf.split(mask, [math.prod(part.shape) for part in parts])
    return [tf.reshape(piece, tf.shape(part)) for piece, part in zip(pieces, parts, strict=True)]


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
        tf.zeros_like(variable) if one is None else tf.convert_to_tensor(one)
        for one, variable in zip(gradients, variables, strict=True)
    ]


def _arrays(examples: Examples) -> list[tf.Tensor]:
    return [array for array in (examples.x, examples.y, examples.targets) if array is not None]


def _signature(examples: Examples) -> list[tf.TensorSpec]:
    return [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in _arrays(examples)]


def _specs(variables: Sequence[tf.Variable]) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]


def _key(net: keras.Model, examples: Examples) -> tuple[object, ...]:
    return (tuple(id(variable) for variable in _variables(net)), tuple(_signature(examples)))


def _at_once(examples: Examples) -> int:
    numbers: int = math.prod(examples.x.shape[1:])
    return max(examples.batch_size, min(_MOST_AT_ONCE, _NUMBERS_AT_ONCE // max(1, numbers)))


def _mean(function: Callable[..., Vector], examples: Examples) -> Vector:
    """Returns what a function that sums over a batch gives, summed over all batches, an example's share."""
    batches = iter(_batches(examples))
    total = function(*next(batches))
    for batch in batches:
        total = [one + other for one, other in zip(total, function(*batch), strict=True)]
    return [one / tf.cast(len(examples), one.dtype) for one in total]


def _batches(examples: Examples) -> Iterator[list[tf.Tensor]]:
    arrays = _arrays(examples)
    for start in range(0, len(examples), examples.batch_size):
        yield [array[start : start + examples.batch_size] for array in arrays]
