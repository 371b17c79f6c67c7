"""How gradients are clipped before a step: Keras's three ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from keras import ops

from kit.toolbox.tensors import Tensor
from kit.types import Recipe


@dataclass(frozen=True)
class Clip:
    """How gradients are made smaller before a step, as Keras's optimisers do it: before weight decay is added.

    Args:
        kind: `clipnorm` (each array's norm), `clipvalue` (each entry), or `global_clipnorm` (the norm of all together).
        limit: which the norm, or the size of an entry, does not exceed; > 0.

    Example:
        >>> clip = Clip("clipnorm", 1.0)
        >>> [round(float(entry), 4) for entry in clip([ops.array([3.0, 4.0])])[0]]
        [0.6, 0.8]
    """

    kind: Literal["clipnorm", "clipvalue", "global_clipnorm"]
    limit: float

    def __call__(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Returns the gradients, clipped; None stays."""
        there = [gradient for gradient in gradients if gradient is not None]
        if self.kind == "clipvalue":
            clipped = [ops.clip(gradient, -self.limit, self.limit) for gradient in there]
        elif self.kind == "clipnorm":
            clipped = [gradient * self._factor([gradient]) for gradient in there]
        else:
            factor = self._factor(there)
            clipped = [gradient * ops.cast(factor, gradient.dtype) for gradient in there]
        rest = iter(clipped)
        return [None if gradient is None else next(rest) for gradient in gradients]

    def _factor(self, gradients: Sequence[Tensor]) -> Tensor:
        """Returns what brings the norm of arrays, taken together, to the limit; 1 where it is below."""
        squares = [ops.sum(ops.square(gradient)) for gradient in gradients]
        norm = ops.sqrt(sum(squares[1:], start=squares[0]))
        return self.limit / ops.maximum(norm, self.limit)


def clip_of(recipe: Recipe) -> Clip | None:
    """Returns how a recipe clips gradients; None where it does not.

    Args:
        recipe: whose `clipnorm`, `clipvalue` and `global_clipnorm` count.

    Example:
        >>> clip_of(Recipe(clipvalue=0.5)), clip_of(Recipe())
        (Clip(kind='clipvalue', limit=0.5), None)
    """
    if recipe.clipnorm is not None:
        return Clip("clipnorm", recipe.clipnorm)
    if recipe.clipvalue is not None:
        return Clip("clipvalue", recipe.clipvalue)
    return None if recipe.global_clipnorm is None else Clip("global_clipnorm", recipe.global_clipnorm)
