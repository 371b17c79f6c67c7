"""Training as one XLA computation: a loop over epochs and steps without a call between two operations.

XLA compiles for fixed shapes. What differs from call to call is therefore padded to a few sizes, and said in numbers:
data sets of nearly the same size, any number of epochs and the parts of an epoch share one compilation. The short last
batch of an epoch is no fixed size; XLA computes it as a full one whose length is a number, and masks what lies behind.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from kit.machine import startup, xla_code
from kit.toolbox import blocks, costs
from kit.toolbox._tensorflow.step import Circumstances, Step
from kit.toolbox.clipping import Clip
from kit.toolbox.losses import Loss
from kit.toolbox.optimizers import Optimizer, State
from kit.toolbox.products import convolutions_as_products

if TYPE_CHECKING:
    from kit.toolbox.tensors import Augment

# Examples and epochs that the orders of one call hold at most.
_EXAMPLES, MOST_EPOCHS = 20_000, 256
# Data sets are padded up to so many bytes: beyond, a copy costs more than a compilation saves.
_PADDED_BYTES = 2**24
# Computations that a process keeps, the latest: a network of each lives as long.
_KEPT = 64


@dataclass(frozen=True)
class Computation:
    """What is compiled: equal ones are compiled once a process, whichever network of the architecture asks first.

    Args:
        architecture: the network and which of its layers are trained, as text.
        kind: batch sizes, then dtype and shape of each array of each stream.
        scaled: whether there is a scale of each weight.
        optimizer, loss, augment, with_l1, clip: of the step.
        step: of the network that asks.
    """

    architecture: str
    kind: tuple[Any, ...]
    scaled: bool
    optimizer: type[Optimizer]
    loss: Loss
    augment: Augment | None
    with_l1: bool
    clip: Clip | None
    step: Step = field(compare=False)

    @classmethod
    def of(cls, step: Step, kind: tuple[Any, ...]) -> Computation:
        """Returns what the steps of a network on arrays of this kind are compiled for."""
        trained = [layer.trainable for layer in blocks.leaves(step.net)]
        architecture = f"{step.net.to_json()} {trained}"
        settings = step.optimizer, step.loss, step.augment, step.with_l1, step.clip
        return cls(architecture, kind, bool(step.state.scale), *settings, step)

    @property
    def name(self) -> str:
        """A digest of all that tells it from others, the same in every process."""
        parts = self.kind, self.scaled, self.optimizer, self.loss, self.augment, self.with_l1, self.clip
        text = " ".join([self.architecture, *(getattr(part, "__qualname__", repr(part)) for part in parts)])
        return hashlib.sha256(text.encode()).hexdigest()


class FusedSteps:
    """The steps of a network, see `steps.compile_steps` for what it is called with."""

    def __init__(self, step: Step) -> None:
        """Compiles nothing yet: that needs the batch sizes."""
        self._step = step
        self._functions: dict[Hashable, Callable[..., None]] = {}

    @property
    def traces(self) -> int:
        """How many computations these steps are."""
        return len(self._functions)

    def __call__(  # noqa: PLR0917 (as TensorFlow calls compiled functions)
        self,
        streams: Sequence[Sequence[tf.Tensor]],
        orders: Sequence[np.ndarray],
        batch_sizes: Sequence[int],
        start: np.ndarray,
        first_step: np.int32,
        settings: np.ndarray,
        constants: tf.Tensor,
    ) -> None:
        """Takes the steps of `len(settings)` epochs, at most `MOST_EPOCHS`, or of a part of one."""
        sizes = tuple(int(size) for size in batch_sizes)
        rows = np.zeros((MOST_EPOCHS, 2), np.float32)
        rows[: len(settings)] = settings
        lengths = np.array([len(settings), *(order.shape[1] for order in orders)], np.int32)
        flat = [_padded_order(order, size) for order, size in zip(orders, sizes, strict=True)]
        padded = [tuple(_padded(array) for array in stream) for stream in streams]
        kind = (sizes, *(tuple((array.dtype.name, tuple(array.shape)) for array in stream) for stream in padded))
        if kind not in self._functions:
            self._functions[kind] = _compiled(Computation.of(self._step, kind))
        state, others = self._step.state, [variable.value for variable in self._step.net.non_trainable_variables]
        variables = state.weights, state.slots, state.scale, state.count, others
        self._functions[kind](variables, padded, flat, lengths, start, first_step, rows, constants)


@functools.lru_cache(maxsize=_KEPT)
def _compiled(computation: Computation) -> Callable[..., None]:
    """Returns the function of variables, padded arrays, flat orders, lengths, seed, first step, settings, constants."""
    step, sizes = computation.step, computation.kind[0]

    @tf.function(jit_compile=True, autograph=False)
    def steps(variables, streams, orders, lengths, start, first_step, settings, constants):  # type: ignore[no-untyped-def]  # noqa: PLR0917
        *state, others = variables
        stand_in = replace(step, state=State(*state), others=others)
        num_epochs, *lengths = tf.unstack(lengths)
        steps_an_epoch = (lengths[0] + sizes[0] - 1) // sizes[0]

        def one_step(number: tf.Tensor) -> tuple[tf.Tensor]:
            epoch, place = number // steps_an_epoch, number % steps_an_epoch
            # A gather, not a slice: XLA would compile anew for each length.
            chosen = [
                tf.gather(order, epoch * length + place * size + tf.range(size))
                for order, length, size in zip(orders, lengths, sizes, strict=True)
            ]
            # A batch of one is never short, and XLA would take an axis that may have 0 or 1 entries for one to repeat.
            real = None if sizes[0] == 1 else tf.minimum(sizes[0], lengths[0] - place * sizes[0])
            seed = step.seed(start, epoch, first_step + place)
            with convolutions_as_products(step.net):
                stand_in.take(streams, chosen, Circumstances(seed, tf.gather(settings, epoch), constants, real))
            return (number + 1,)

        tf.while_loop(lambda number: number < num_epochs * steps_an_epoch, one_step, (0,), parallel_iterations=1)

    return _named(steps, computation.name)


def _named(function: Callable[..., None], name: str) -> Callable[..., None]:
    """Returns a function that is compiled before its first call, with names that follow from `name` in what is traced.

    TensorFlow looks for code that was kept by the names of functions too, which end in a number that goes up through
    the life of a process: another worker, or the same command with a method more, would compile all anew.
    """
    is_compiled = False

    def named(variables: Any, streams: Any, orders: Any, lengths: np.ndarray, *arguments: Any) -> None:
        nonlocal is_compiled
        if not is_compiled:
            start, uid = time.perf_counter(), ops.uid
            numbers, no_steps = itertools.count(int(name[:10], 16) * 1_000_000), np.zeros_like(lengths)
            ops.uid = lambda: next(numbers)
            try:
                with startup.log_set_aside(2):  # XLA says what it does, and that code which was kept is no text
                    function(variables, streams, orders, no_steps, *arguments)
            finally:
                ops.uid = uid
            is_compiled = True
            xla_code.record()
            costs.add(compiling=time.perf_counter() - start)
        function(variables, streams, orders, lengths, *arguments)

    return named


def _padded_order(order: np.ndarray, size: int) -> np.ndarray:
    """Returns the rows of an order one behind another, with zeros up to what the largest call takes."""
    flat = np.zeros((-(-_EXAMPLES // size) + MOST_EPOCHS) * size, np.int32)
    flat[: order.size] = order.ravel()
    return flat


def _padded(array: tf.Tensor) -> tf.Tensor:
    """Returns an array with zeros behind it up to a power of two, or to three quarters of one."""
    power = 2 ** max(4, int(len(array) - 1).bit_length())
    wanted = power if len(array) > power * 3 // 4 else power * 3 // 4
    if wanted * np.prod(array.shape[1:], dtype=int) * array.dtype.size > _PADDED_BYTES:
        return array
    return tf.pad(array, [(0, wanted - len(array)), *[(0, 0)] * (len(array.shape) - 1)])
