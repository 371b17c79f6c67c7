"""Compiled sums of gradients over a batch's examples, and products with curvature matrices.

Everything is in inference mode, and in float32 for a network that computes in float16, where no one scale of a loss
serves sums, squares and products with a curvature alike. What is returned takes the arrays of a batch (x, y, targets
where there are any) and gives a vector in weight space.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import keras
from keras import ops

from kit.toolbox import blocks
from kit.toolbox._jax.products import convolutions_as_products
from kit.toolbox._jax.pure import Pure, logits_of, values
from kit.toolbox.losses import Batch, Loss
from kit.toolbox.tensors import Tensor, Vector

Arrays = Sequence[Tensor]
# Numbers that the gradients of a batch's examples may take at once.
_AT_ONCE = 2**25


class Derivative:
    """A compiled function of a network as it is when it is called, and of arrays."""

    def __init__(self, net: keras.Model, function: Callable[..., Vector]) -> None:
        """Takes a function of the trainable variables, of a function from these and images to logits, and of arrays."""
        self._net = net

        def of_variables(trainable: list[Tensor], others: list[Tensor], *arrays: Any) -> Vector:
            def logits(trainable: list[Tensor], x: Tensor) -> Tensor:
                with convolutions_as_products(net), _not_in_float16(net):
                    return logits_of(net, trainable, others, x)

            return function(trainable, logits, *arrays)

        self.pure = Pure(of_variables)

    def __call__(self, *arrays: Any) -> Vector:
        """Returns a vector."""
        net = self._net
        return list(self.pure(values(net.trainable_variables), values(net.non_trainable_variables), *arrays))


@contextlib.contextmanager
def _not_in_float16(net: keras.Model) -> Iterator[None]:
    """Has layers that compute in float16 compute in float32, while a function of this network is traced."""
    policies = [(layer, layer.dtype_policy) for layer in blocks.leaves(net) if layer.compute_dtype == "float16"]
    for layer, _ in policies:
        layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in policies:
            layer.dtype_policy = policy


Logits = Callable[[Vector, Tensor], Tensor]


def compile_gradient(net: keras.Model, loss: Loss, arrays: Arrays) -> Callable[..., Vector]:
    """Returns the function from a batch to the gradient of its loss times its number of examples."""

    def gradient(trainable: Vector, logits: Logits, x: Tensor, *rest: Tensor) -> Vector:
        def total(trainable: Vector) -> Tensor:
            return loss(Batch(logits(trainable, x), *rest)) * len(x)

        return list(jax.grad(total)(trainable))

    return Derivative(net, gradient)


def compile_squares(net: keras.Model, arrays: Arrays, *, expected: bool) -> Callable[..., Vector]:
    """Returns the function from a batch to the sum of squared gradients of its examples' cross-entropies.

    Args:
        net: returns logits.
        arrays: of the kind that the function will be handed.
        expected: over all labels, each weighted by the probability that the model gives it, not with the batch's own.
    """

    def squares(trainable: Vector, logits: Logits, x: Tensor, y: Tensor, *targets: Tensor) -> Vector:
        def log_probabilities(trainable: Vector, example: Tensor) -> Tensor:
            return ops.log_softmax(logits(trainable, example[None]))[0]

        def squares_of(example: Tensor, label: Tensor) -> Vector:
            value, gradient = jax.value_and_grad(lambda trainable: log_probabilities(trainable, example)[label])(
                trainable
            )
            weight = ops.exp(value) if expected else 1.0
            return [weight * ops.square(part) for part in gradient]

        labels = [ops.full_like(y, number) for number in range(net.output_shape[-1])] if expected else [y]
        totals = [[ops.sum(part, axis=0) for part in jax.vmap(squares_of)(x, of_all)] for of_all in labels]
        return [sum(parts[1:], start=parts[0]) for parts in zip(*totals, strict=True)]

    return Derivative(net, squares)


def examples_at_once(net: keras.Model, batch_size: int) -> int:
    """Returns how many examples' gradients are taken at once without much memory."""
    numbers: int = sum(math.prod(variable.shape) for variable in net.trainable_variables)
    return max(1, min(batch_size, _AT_ONCE // numbers))


def compile_hessian_product(net: keras.Model, loss: Loss, arrays: Arrays) -> Callable[..., Vector]:
    """Returns the function from a vector and a batch to the Hessian's product, times the number of examples."""

    def product(trainable: Vector, logits: Logits, vector: Vector, x: Tensor, *rest: Tensor) -> Vector:
        def total(trainable: Vector) -> Tensor:
            return loss(Batch(logits(trainable, x), *rest)) * len(x)

        return list(jax.jvp(jax.grad(total), (trainable,), (vector,))[1])

    return Derivative(net, product)


def compile_gauss_newton_product(net: keras.Model, arrays: Arrays) -> Callable[..., Vector]:
    """Returns the function from a vector and a batch to the product with the sum of its examples' matrices."""

    def product(trainable: Vector, logits: Logits, vector: Vector, x: Tensor, *targets: Tensor) -> Vector:
        of_batch, change = jax.jvp(lambda trainable: logits(trainable, x), (trainable,), (vector,))
        probabilities = ops.softmax(of_batch)
        back = probabilities * (change - ops.sum(probabilities * change, axis=-1, keepdims=True))
        _, backwards = jax.vjp(lambda trainable: logits(trainable, x), trainable)
        return list(backwards(back)[0])

    return Derivative(net, product)
