"""Optimisers: each is its settings, what it remembers of each weight, and its update.

A further one is a frozen dataclass of numbers here and nothing elsewhere: the training loop asks it how many arrays it
remembers and applies its `update`. Settings may be tensors, so that one compiled loop serves all their values.

The conventions are PyTorch's. Keras's own `SGD` with `weight_decay`, for instance, decays weights past the momentum,
about ten times weaker at a momentum of 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import keras
from keras import ops

from kit.toolbox.tensors import Tensor
from kit.types import Recipe

BETAS = (0.9, 0.999)
EPSILON = 1e-8
# Of a loss whose gradients are computed in float16, at the first step.
LOSS_SCALE = 2.0**15


class Pull(NamedTuple):
    """What pulls at one weight in a step.

    Args:
        weight: as it is before the step.
        gradient: of the loss, of the weight's shape, as all that follow unless they are scalars.
        l1: scalar, of a penalty `l1 * |weight|`; None for none.
        scale: what all that moves the weight is multiplied by; None for 1. Where it is 0, the weight keeps its bits.
        square: of the gradient, entry by entry, where it is not `gradient ** 2`: Keras on TensorFlow squares what each
            example of a batch adds to an embedding's gradient, and then sums, which an owner's model was trained with.
    """

    weight: Tensor
    gradient: Tensor
    l1: Tensor | None = None
    scale: Tensor | None = None
    square: Tensor | None = None

    def total(self, weight_decay: float | Tensor | None = None) -> Tensor:
        """Returns the gradient with the penalties' own: `scale * (gradient + weight_decay * w + l1 * sign(w))`.

        Args:
            weight_decay: a coupled one, >= 0; None for none.
        """
        total = self.gradient
        total = total if weight_decay is None else total + weight_decay * self.weight
        total = total if self.l1 is None else total + self.l1 * ops.sign(self.weight)
        return self.scaled(total)

    def squared(self, total: Tensor) -> Tensor:
        """Returns the square of `total()`, with the gradient's own part in it as `square` has it.

        Args:
            total: what `total()` returned.
        """
        squared = ops.square(total)
        if self.square is None:
            return squared
        return squared + self.scaled(self.scaled(self.square - ops.square(self.gradient)))

    def scaled(self, movement: Tensor) -> Tensor:
        """Returns a movement of the weight, times `scale`.

        Args:
            movement: of the weight's shape.
        """
        return movement if self.scale is None else movement * self.scale


class Optimizer(Protocol):
    """A frozen dataclass whose fields are numbers.

    Args:
        slots: how many arrays are remembered of each weight, all zero at the beginning.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    slots: ClassVar[int]

    def update(
        self, pull: Pull, slots: Sequence[Tensor], count: Tensor, rate: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Returns a weight after a step, and what is remembered of it: a pure function.

        Args:
            pull: the weight before the step, and what pulls at it.
            slots: what was remembered.
            count: of the steps, this one included: 1.0 at the first.
            rate: the learning rate.
        """


@dataclass(frozen=True)
class State:
    """What a step changes besides a network's other variables, each list in the order of `weights`.

    Args:
        weights: the trainable variables.
        slots: what the optimiser remembers of the weights, none or more lists.
        scale: what a weight's movement is multiplied by; empty for 1.
        count: of the steps.
        loss_scale: of a network that computes in float16, what its loss is multiplied by, and the steps since that was
            last changed; else empty.

    Example:
        >>> from kit.models import mlp
        >>> state = State.of(mlp((4,), 2), Adam, scaled=False)
        >>> len(state.weights), len(state.memory)  # two moments of each weight, and the count
        (4, 9)
    """

    weights: Sequence[Any]
    slots: Sequence[Sequence[Any]]
    scale: Sequence[Any]
    count: Any
    loss_scale: Sequence[Any] = ()

    @staticmethod
    def of(net: keras.Model, optimizer: type[Optimizer], *, scaled: bool) -> State:
        """Makes the state of an optimiser that has not taken a step.

        Args:
            net: whose trainable variables are changed.
            optimizer: which says how many arrays it remembers of each weight.
            scaled: whether each weight's movement is multiplied by a number of its own.
        """
        weights = list(net.trainable_variables)

        def likewise() -> list[keras.Variable]:
            return [
                keras.Variable(ops.zeros(weight.shape, weight.dtype), dtype=weight.dtype, trainable=False)
                for weight in weights
            ]

        slots = [likewise() for _ in range(optimizer.slots)]
        halves = [keras.Variable(0.0, trainable=False) for _ in range(2 if net.compute_dtype == "float16" else 0)]
        return State(weights, slots, likewise() if scaled else [], keras.Variable(0.0, trainable=False), halves)

    @property
    def memory(self) -> list[Any]:
        """What steps remember of those before them."""
        return [*(variable for slot in self.slots for variable in slot), self.count, *self.loss_scale]

    @property
    def variables(self) -> list[Any]:
        """All of them but the weights."""
        return [*self.memory, *self.scale]

    def begin(self, scale: Sequence[Any]) -> None:
        """Forgets all earlier steps, for another training.

        Args:
            scale: for each trainable variable the factors of its movements, of its shape; empty for 1.
        """
        for variable in self.memory:
            variable.assign(ops.zeros(variable.shape, variable.dtype))
        for variable in self.loss_scale[:1]:
            variable.assign(LOSS_SCALE)
        for variable, array in zip(self.scale, scale, strict=True):
            variable.assign(array)


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent, its momentum undamped (Polyak, 1964): PyTorch's `SGD`.

    The formula: `g += weight_decay * w; m = momentum * m + g; w -= rate * m`.

    Example:
        >>> first = Sgd(momentum=0.5, weight_decay=0.1).update(Pull(2.0, 1.0), [0.0], 1.0, 0.1)
        >>> round(first[0], 4), first[1]
        (1.88, [1.2])
    """

    momentum: float = 0.9
    weight_decay: float = 0.0

    slots: ClassVar[int] = 1

    def update(
        self, pull: Pull, slots: Sequence[Tensor], count: Tensor, rate: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """See `Optimizer`."""
        moment = self.momentum * slots[0] + pull.total(self.weight_decay)
        return pull.weight - rate * moment, [moment]


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980) with coupled weight decay: PyTorch's `Adam`.

    The formula: `g += weight_decay * w; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    w -= rate * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + 1e-8)`, with b1 = 0.9 and b2 = 0.999. Keras's adds a larger
    epsilon, 1e-7, before the bias of v is corrected.
    """

    weight_decay: float = 0.0

    slots: ClassVar[int] = 2

    def update(
        self, pull: Pull, slots: Sequence[Tensor], count: Tensor, rate: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """See `Optimizer`."""
        total = pull.total(self.weight_decay)
        step, moments = _adam_step(total, pull.squared(total), slots, count)
        return pull.weight - rate * step, moments


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101): PyTorch's and Keras's `AdamW`.

    The formula: `w -= rate * weight_decay * w`, which does not pass through the moments; then `Adam` without decay.
    """

    weight_decay: float = 0.01

    slots: ClassVar[int] = 2

    def update(
        self, pull: Pull, slots: Sequence[Tensor], count: Tensor, rate: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """See `Optimizer`."""
        total = pull.total()
        step, moments = _adam_step(total, pull.squared(total), slots, count)
        decayed = pull.weight - rate * pull.scaled(self.weight_decay * pull.weight)
        return decayed - rate * step, moments


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012): PyTorch's `RMSprop`.

    The formula: `g += weight_decay * w; v = rho v + (1 - rho) g^2; m = momentum * m + g / (sqrt(v) + 1e-8);
    w -= rate * m`. Keras's has a rho of 0.9, adds epsilon under the root, and the rate before the momentum.
    """

    rho: float = 0.99
    momentum: float = 0.0
    weight_decay: float = 0.0

    slots: ClassVar[int] = 2

    def update(
        self, pull: Pull, slots: Sequence[Tensor], count: Tensor, rate: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """See `Optimizer`."""
        gradient = pull.total(self.weight_decay)
        squares = self.rho * slots[0] + (1 - self.rho) * pull.squared(gradient)
        moment = self.momentum * slots[1] + gradient / (ops.sqrt(squares) + EPSILON)
        return pull.weight - rate * moment, [squares, moment]


def of(recipe: Recipe) -> Optimizer:
    """Returns the optimiser of a recipe; RMSprop has the rho of Keras's, 0.9.

    Args:
        recipe: whose `optimizer`, `momentum` and `weight_decay` count.

    Example:
        >>> of(Recipe(optimizer="adamw", weight_decay=0.01))
        AdamW(weight_decay=0.01)
    """
    if recipe.optimizer == "adam":
        return Adam(recipe.weight_decay)
    if recipe.optimizer == "adamw":
        return AdamW(recipe.weight_decay)
    if recipe.optimizer == "rmsprop":
        return RMSprop(0.9, recipe.momentum, recipe.weight_decay)
    return Sgd(recipe.momentum, recipe.weight_decay)


def _adam_step(
    gradient: Tensor, square: Tensor, slots: Sequence[Tensor], count: Tensor
) -> tuple[Tensor, Sequence[Tensor]]:
    """Returns what the learning rate is multiplied by, and both moments."""
    mean, squares = (
        beta * slot + (1 - beta) * new for beta, slot, new in zip(BETAS, slots, (gradient, square), strict=True)
    )
    left, left_of_squares = (1 - ops.power(beta, count) for beta in BETAS)
    return mean / left / (ops.sqrt(squares / left_of_squares) + EPSILON), [mean, squares]
