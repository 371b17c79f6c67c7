"""Training as one XLA computation: a loop over epochs and steps without a call between two operations.

XLA compiles for fixed shapes. What differs from call to call is therefore padded to a few sizes, and said in numbers:
data sets of nearly the same size, any number of epochs and the parts of an epoch share one compilation. The short last
batch of an epoch is no fixed size; XLA computes it as a full one whose length is a number, and masks what lies behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from kit.machine import quiet
from kit.toolbox import blocks
from kit.toolbox._tensorflow import kept
from kit.toolbox._tensorflow.step import Circumstances, Step
from kit.toolbox.products import convolutions_as_products

# Examples and epochs that the orders of one call hold at most.
_EXAMPLES, MOST_EPOCHS = 20_000, 256
# Data sets are padded up to so many bytes: beyond, a copy costs more than a compilation saves.
_PADDED_BYTES = 2**24
# How often this process has traced the same: no two functions of a process may have the same name.
_NAMED: Counter[str] = Counter()


class FusedSteps:
    """The steps of a network, see `steps.compile_steps` for what it is called with."""

    def __init__(self, step: Step) -> None:
        """Compiles nothing yet: that needs the batch sizes."""
        self._step = step
        self._functions: dict[Hashable, Callable[..., None]] = {}

    @property
    def traces(self) -> int:
        """How often the steps were traced."""
        return sum(function.experimental_get_tracing_count() for function in self._functions.values())  # type: ignore[attr-defined]

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
        arguments = (padded, flat, lengths, start, first_step, rows, constants)
        if kind in self._functions:
            self._functions[kind](*arguments)
            return
        # XLA says what it does, and that code which was kept is no text.
        with quiet.log_set_aside(2), _repeatable_names(self._step, kind):
            steps = _compiled(self._step, sizes)
            steps(*arguments)
        self._functions[kind] = steps
        kept.record()


@contextlib.contextmanager
def _repeatable_names(step: Step, kind: Hashable) -> Iterator[None]:
    """Numbers what is traced within by what it is made of, rather than by what was traced before it.

    TensorFlow looks for compiled code by the names of functions too, which end in a number that goes up through the
    life of a process: another worker, or the same command with a method more, would compile all anew.
    """
    trainable = [layer.trainable for layer in blocks.leaves(step.net)]
    parts = (step.optimizer, step.loss, step.augment, step.with_l1, trainable, kind)
    text = " ".join([step.net.to_json(), *(getattr(part, "__qualname__", repr(part)) for part in parts)])
    digest = hashlib.sha256(text.encode()).hexdigest()
    _NAMED[digest] += 1
    first = (int(digest[:10], 16) + _NAMED[digest]) * 1_000_000
    numbers, uid = itertools.count(first), ops.uid
    ops.uid = lambda: next(numbers)
    try:
        yield
    finally:
        ops.uid = uid


def _compiled(step: Step, sizes: Sequence[int]) -> Callable[..., None]:
    """Returns the function of padded arrays, flat orders, their lengths, seed, first step, settings and constants."""

    @tf.function(jit_compile=True, autograph=False)
    def steps(streams, orders, lengths, start, first_step, settings, constants):  # type: ignore[no-untyped-def]  # noqa: PLR0917
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
                step.take(streams, chosen, Circumstances(seed, tf.gather(settings, epoch), constants, real))
            return (number + 1,)

        tf.while_loop(lambda number: number < num_epochs * steps_an_epoch, one_step, (0,), parallel_iterations=1)

    return steps  # type: ignore[no-any-return]  # TensorFlow's decorator has no types


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
