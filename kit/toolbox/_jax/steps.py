"""The steps of training as pure functions: an epoch is one compiled `scan`, and its short last batch a step more."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from kit.toolbox._jax import lockstep, loss_scale
from kit.toolbox._jax.products import convolutions_as_products
from kit.toolbox._jax.pure import Pure, assign, values
from kit.toolbox._jax.random import folded
from kit.toolbox.clipping import Clip
from kit.toolbox.losses import Batch, Loss
from kit.toolbox.optimizers import Optimizer, Pull, State
from kit.toolbox.tensors import Tensor, Vector, as_float

if TYPE_CHECKING:
    from kit.toolbox.tensors import Augment


class Carry(NamedTuple):
    """What steps change: the weights, the network's other variables, what the optimiser remembers, the steps so far.

    In float16 also the scale of the loss, see `State.loss_scale`.
    """

    weights: Vector
    others: list[Tensor]
    slots: list[Vector]
    count: Tensor
    loss_scale: list[Tensor]


class Fixed(NamedTuple):
    """What steps leave as it is: the arrays of each stream, `State.scale`, the optimiser's settings."""

    streams: list[tuple[Tensor, ...]]
    scale: Vector
    constants: Tensor


class Epoch(NamedTuple):
    """One epoch: the order of each stream, learning rate and L1, and the seed with the epoch's number."""

    orders: list[Tensor]
    settings: Tensor
    seed: Tensor


def compile_steps(
    net: keras.Model,
    state: State,
    optimizer: type[Optimizer],
    streams: Sequence[Sequence[Tensor]],
    loss: Loss,
    *,
    augment: Augment | None,
    with_l1: bool,
    clip: Clip | None = None,
) -> Callable[..., None]:
    """Returns a function that takes the steps of some epochs; see TensorFlow's folder for its arguments."""
    return Steps(net, state, _Step(net, optimizer, loss, augment, with_l1, clip))


class Steps:
    """The steps of a network as it is when they are taken."""

    def __init__(self, net: keras.Model, state: State, step: _Step) -> None:
        """Compiles an epoch for each row of batch sizes that it is handed."""
        self._net, self._state, self._step = net, state, step
        self._epochs: dict[tuple[int, ...], Pure] = {}

    @property
    def traces(self) -> int:
        """How often an epoch was traced."""
        return sum(epoch.traces for epoch in self._epochs.values())

    def __call__(  # noqa: PLR0917 (as TensorFlow calls compiled functions)
        self,
        streams: Sequence[Sequence[Tensor]],
        orders: Sequence[np.ndarray],
        batch_sizes: Sequence[int],
        start: np.ndarray,
        _first_step: int,
        settings: np.ndarray,
        constants: Tensor,
    ) -> None:
        """Takes the steps of `len(settings)` epochs, whole ones."""
        sizes = tuple(int(size) for size in batch_sizes)
        if sizes not in self._epochs:
            self._epochs[sizes] = Pure(functools.partial(_take_epoch, self._step, sizes))
        net, state = self._net, self._state
        others = net.non_trainable_variables
        slots = [values(slot) for slot in state.slots]
        carry = Carry(values(state.weights), values(others), slots, state.count.value, values(state.loss_scale))
        fixed = Fixed([tuple(stream) for stream in streams], values(state.scale), constants)
        seed, first = (int(number) for number in start)
        epochs = [
            Epoch([order[number] for order in orders], row, np.array([seed, first + number], np.int32))
            for number, row in enumerate(settings)
        ]
        carry = self._epochs[sizes].repeat(carry, fixed, epochs)
        changed = state.weights, others, *state.slots, state.loss_scale
        for variables, new in zip(changed, (*carry[:2], *carry.slots, carry.loss_scale), strict=True):
            assign(variables, new)
        state.count.assign(carry.count)


@dataclass(frozen=True)
class _Step:
    """One step: a batch of each stream, the loss's gradient, the optimiser's update."""

    net: keras.Model
    optimizer: type[Optimizer]
    loss: Loss
    augment: Augment | None
    with_l1: bool
    clip: Clip | None = None

    def take(self, carry: Carry, fixed: Fixed, settings: Tensor, chosen: Sequence[Tensor], seed: Tensor) -> Carry:
        """Returns the carry after a step on the examples at these positions of each stream.

        In float16 a step whose gradients overflow is not taken.
        """

        def total(weights: Vector) -> tuple[Tensor, list[Tensor]]:
            others, batches, penalties = carry.others, [], []
            for stream, indices in zip(fixed.streams, chosen, strict=True):
                x, *rest = (jnp.take(array, indices, axis=0) for array in stream)
                images = as_float(x) if self.augment is None else self.augment(as_float(x), seed)
                with convolutions_as_products(self.net):
                    logits, others, penalties = self.net.stateless_call(
                        weights, others, images, training=True, return_losses=True
                    )
                batches.append(Batch(ops.cast(logits, "float32"), *rest))  # from bfloat16 or float16
            return sum(penalties, start=self.loss(*batches)), others

        raw, others = loss_scale.gradients(total, carry.weights, carry.loss_scale)
        gradients = raw if self.clip is None else self.clip(raw)
        weights, slots = self._updated(carry, fixed, settings, gradients)
        after = Carry(weights, others, slots, carry.count + 1.0, carry.loss_scale)
        if not carry.loss_scale:
            return after
        finite = loss_scale.are_finite(raw)
        scale = loss_scale.adjusted(carry.loss_scale, finite)
        return loss_scale.chosen(finite, after, carry)._replace(loss_scale=scale)

    def _updated(self, carry: Carry, fixed: Fixed, settings: Tensor, gradients: Vector) -> tuple[Vector, list[Vector]]:
        after = []
        for number, (weight, gradient) in enumerate(zip(carry.weights, gradients, strict=True)):
            rate, l1, count, *constants = (
                ops.cast(value, weight.dtype) for value in (*settings, carry.count + 1.0, *fixed.constants)
            )
            scale = fixed.scale[number] if fixed.scale else None
            pull = Pull(weight, gradient, l1 if self.with_l1 else None, scale)
            slots = [slot[number] for slot in carry.slots]
            after.append(self.optimizer(*constants).update(pull, slots, count, rate))
        slots = [[remembered[number] for _, remembered in after] for number in range(self.optimizer.slots)]
        return [weight for weight, _ in after], slots


def _take_epoch(step: _Step, sizes: Sequence[int], carry: Carry, fixed: Fixed, epoch: Epoch) -> Carry:
    """Takes all steps of an epoch.

    A short last batch is a step of its own, traced a second time, rather than one with a mask: the statistics of a
    batch normalisation are then those of the examples, and nothing has to know of masks.
    """
    full = epoch.orders[0].shape[0] // sizes[0]

    def take(carry: Carry, item: tuple[Tensor, Sequence[Tensor]]) -> tuple[Carry, None]:
        number, chosen = item
        return step.take(carry, fixed, epoch.settings, chosen, folded(epoch.seed, number)), None

    pairs = list(zip(epoch.orders, sizes, strict=True))
    batches = [ops.reshape(order[: full * size], (full, size)) for order, size in pairs]
    carry, _ = jax.lax.scan(take, carry, (jnp.arange(full), batches))
    rest = [order[full * size : (full + 1) * size] for order, size in pairs]
    return take(carry, (full, rest))[0] if rest[0].shape[0] else carry


def described(net: keras.Model) -> str:
    """Says in which form the training of a network is compiled: of any network in the same."""
    return "one XLA computation an epoch, by JAX"


def settings_of(optimizer: Optimizer) -> Tensor:
    """Returns the numbers that an optimiser is made of, as the compiled function takes them."""
    return np.array(astuple(optimizer), np.float32)


def examples_a_call(suggested: int, epoch: int, training: int) -> int:
    """Returns how many examples a call takes: whole epochs, and of many networks in lockstep all of them."""
    return max(suggested, epoch) if lockstep.current() is None else training


def is_compiled(part: Any) -> bool:
    """Returns whether something is a compiled function."""
    return hasattr(part, "traces") or hasattr(part, "pure")


def traces(function: Any) -> int:
    """Returns how often a compiled function was traced."""
    return int(function.pure.traces if hasattr(function, "pure") else function.traces)
