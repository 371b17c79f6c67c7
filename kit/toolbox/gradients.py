"""The only place that takes raw gradients: of sets and of single examples, and products with curvature matrices.

Everything is computed in inference mode: with running batch statistics and without dropout, so that an example's
gradient does not depend on the examples beside it, and the same weights give the same numbers. A vector in weight
space is a list of tensors, one a trainable variable, in the order of `net.trainable_variables`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import keras
import numpy as np

from kit.toolbox import _backend, compiled, costs
from kit.toolbox.examples import Examples
from kit.toolbox.losses import Loss, cross_entropy
from kit.toolbox.tensors import Tensor, Vector

# A batch of small images costs little more than a few of them: as many go together as fill this many numbers.
_NUMBERS_AT_ONCE, _MOST_AT_ONCE = 2**18, 512

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
        >>> examples = Examples(keras.ops.array([[1.0, 2.0]]), keras.ops.array([0]), 1)
        >>> (gradient,) = mean_gradient(net, examples)
        >>> gradient.numpy().tolist()  # (probability - label) times the input
        [[-0.5, 0.5], [-1.0, 1.0]]
    """
    key, build = ("mean gradient", loss), _backend.derivatives.compile_gradient
    gradient = compiled.once(net, (*key, *_key(net, examples)), lambda: build(net, loss, examples.arrays))
    costs.add(backward=len(examples))
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
        >>> examples = Examples(keras.ops.array([[2.0], [4.0]]), keras.ops.array([0, 1]), 2)
        >>> (diagonal,) = fisher_diagonal(net, examples)
        >>> diagonal.numpy().tolist()  # the mean of (2 / 2)^2 and (4 / 2)^2
        [[2.5, 2.5]]
    """
    key, build = ("fisher diagonal", expected), _backend.derivatives.compile_squares
    squares = compiled.once(net, (*key, *_key(net, examples)), lambda: build(net, examples.arrays, expected=expected))
    costs.add(backward=len(examples) * (net.output_shape[-1] if expected else 1))
    at_once = _backend.derivatives.examples_at_once(net, _at_once(examples))
    return _mean(squares, replace(examples, batch_size=at_once))


def hessian_product(net: keras.Model, examples: Examples, loss: Loss = cross_entropy) -> Product:
    """Returns the function v -> H v, where H is the Hessian of the mean loss; it may have negative eigenvalues.

    Args:
        net: returns logits.
        examples: gone over at each call of the function.
        loss: a mean over a batch, see `kit.toolbox.losses`.
    """
    key, build = ("hessian product", loss), _backend.derivatives.compile_hessian_product
    product = compiled.once(net, (*key, *_key(net, examples)), lambda: build(net, loss, examples.arrays))
    return _product_over(examples, product)


def gauss_newton_product(net: keras.Model, examples: Examples) -> Product:
    """Returns the function v -> G v, where G is the Gauss-Newton matrix of the mean cross-entropy.

    `G = mean_i J_i^T (diag(p_i) - p_i p_i^T) J_i`, where J_i is the derivative of an example's logits by the weights
    and p_i its probabilities: the Hessian without the curvature of the network itself, so that no eigenvalue is
    negative; and the Fisher information.

    Args:
        net: returns logits.
        examples: gone over at each call of the function; their labels play no part.

    Source: Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, Neural Computation
    2002.
    """
    build = _backend.derivatives.compile_gauss_newton_product
    key = ("gauss newton product", *_key(net, examples))
    product = compiled.once(net, key, lambda: build(net, examples.arrays))
    return _product_over(examples, product)


def conjugate_gradient(product: Product, target: Vector, *, damping: float, iterations: int) -> Vector:
    """Returns an approximation of `(A + damping I)^-1 target` by conjugate gradient.

    Args:
        product: v -> A v, of a symmetric matrix without negative eigenvalues.
        target: the right-hand side.
        damping: > 0 keeps the system well-conditioned.
        iterations: each costs one product; fewer are taken once the residual has shrunk by a million.

    Example:
        >>> double = lambda vector: [2 * part for part in vector]
        >>> (solution,) = conjugate_gradient(double, [keras.ops.array([3.0, 6.0])], damping=1.0, iterations=3)
        >>> solution.numpy().tolist()
        [1.0, 2.0]
    """
    solution, residual = [keras.ops.zeros_like(part) for part in target], list(target)
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


def dot(vector: Vector, other: Vector) -> Tensor:
    """Returns the scalar product of two vectors.

    Args:
        vector, other: tensors of the same shapes, one a trainable variable.

    Example:
        >>> float(dot([keras.ops.array([1.0, 2.0])], [keras.ops.array([3.0, 4.0])]))
        11.0
    """
    return _backend.vectors.dot(vector, other)


def plus(vector: Vector, other: Vector, factor: float | Tensor) -> Vector:
    """Returns `vector + factor * other`.

    Args:
        vector, other: tensors of the same shapes, one a trainable variable.
        factor: a scalar.

    Example:
        >>> plus([keras.ops.array([1.0])], [keras.ops.array([3.0])], 2.0)[0].numpy().tolist()
        [7.0]
    """
    return [a + factor * b for a, b in zip(vector, other, strict=True)]


def largest(parts: Sequence[Tensor], share: float) -> list[Tensor]:
    """Returns masks of the largest entries of several tensors, counted over all of them.

    Args:
        parts: one tensor a trainable variable.
        share: of all entries, in [0, 1].

    Returns:
        For each part a float32 mask, 1 where an entry is among the largest.

    Example:
        >>> parts = [keras.ops.array([3.0, 1.0]), keras.ops.array([2.0, 0.0])]
        >>> [mask.numpy().tolist() for mask in largest(parts, 0.5)]
        [[1.0, 0.0], [1.0, 0.0]]
    """
    ops, sizes = keras.ops, [math.prod(part.shape) for part in parts]
    flat = ops.concatenate([ops.reshape(part, (-1,)) for part in parts])
    chosen = ops.argsort(-flat)[: round(share * sum(sizes))]  # of equal entries the first ones
    mask = ops.scatter(chosen[:, None], ops.ones(chosen.shape, "float32"), (sum(sizes),))
    pieces = (mask[end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True))
    return [ops.reshape(piece, part.shape) for piece, part in zip(pieces, parts, strict=True)]


def _key(net: keras.Model, examples: Examples) -> tuple[object, ...]:
    arrays = ((tuple(array.shape[1:]), keras.backend.standardize_dtype(array.dtype)) for array in examples.arrays)
    return (*(id(variable) for variable in net.trainable_variables), *arrays)


def _at_once(examples: Examples) -> int:
    numbers: int = math.prod(examples.x.shape[1:])
    return max(examples.batch_size, min(_MOST_AT_ONCE, _NUMBERS_AT_ONCE // max(1, numbers)))


def _product_over(examples: Examples, product: Callable[..., Vector]) -> Product:
    examples = replace(examples, batch_size=_at_once(examples))

    def mean_product(vector: Vector) -> Vector:
        costs.add(second_order=len(examples))
        return _mean(lambda *arrays: product(vector, *arrays), examples)

    return mean_product


def _mean(function: Callable[..., Vector], examples: Examples) -> Vector:
    """Returns what a function that sums over a batch gives, summed over all batches, an example's share."""
    batches = iter(_batches(examples))
    total = function(*next(batches))
    for batch in batches:
        total = [part + other for part, other in zip(total, function(*batch), strict=True)]
    return [part / len(examples) for part in total]


def _batches(examples: Examples) -> Iterator[list[Tensor]]:
    for start in range(0, len(examples), examples.batch_size):
        yield [array[start : start + examples.batch_size] for array in examples.arrays]
