"""The scale of a loss whose gradients are computed in float16, which has no numbers between 0 and 6e-8.

The gradient of a loss times a scale is as many times larger. It is divided by the scale in float32. Where it is beyond
float16's largest number, the step is not taken and the scale is halved; after many steps that were, it is doubled.

Source: Micikevicius et al., Mixed precision training, ICLR 2018; the numbers are those of Keras's `LossScaleOptimizer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp

from kit.toolbox.tensors import Tensor, Vector

Auxiliary = TypeVar("Auxiliary")
Tree = TypeVar("Tree")
# Steps without an overflow, after which the scale is doubled.
GROWTH_STEPS = 2000


def gradients(
    loss: Callable[[Vector], tuple[Tensor, Auxiliary]], weights: Vector, scale: Sequence[Tensor]
) -> tuple[Vector, Auxiliary]:
    """Returns the gradients of a loss, float32, and what else it gives.

    Args:
        loss: of the weights.
        weights: float32.
        scale: as in `kit.toolbox.optimizers.State.loss_scale`; empty where the loss is not scaled.
    """

    def scaled(weights: Vector) -> tuple[Tensor, Auxiliary]:
        value, auxiliary = loss(weights)
        return (value * scale[0] if scale else value), auxiliary

    of_scaled, auxiliary = jax.grad(scaled, has_aux=True)(weights)
    return [gradient / scale[0] for gradient in of_scaled] if scale else of_scaled, auxiliary


def are_finite(gradients: Vector) -> Tensor:
    """Returns whether all numbers are, a scalar."""
    return jnp.all(jnp.stack([jnp.isfinite(gradient).all() for gradient in gradients]))


def chosen(condition: Tensor, after: Tree, before: Tree) -> Tree:
    """Returns the first of two trees of arrays where the condition holds, else the second."""
    tree: Tree = jax.tree.map(lambda new, old: jnp.where(condition, new, old), after, before)
    return tree


def adjusted(scale: Sequence[Tensor], finite: Tensor) -> list[Tensor]:
    """Returns the scale after a step whose gradients were finite, or not, and the steps since it was last changed."""
    value, steps = scale[0], scale[1] + 1.0
    grows = finite & (steps >= GROWTH_STEPS)
    value = jnp.where(finite, jnp.where(grows, 2.0 * value, value), jnp.maximum(value / 2.0, 1.0))
    return [value, jnp.where(finite & ~grows, steps, 0.0)]
