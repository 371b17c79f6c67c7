"""The steps of some epochs as one compiled function, traced once a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kit.toolbox._tensorflow import form
from kit.toolbox._tensorflow.fused import MOST_EPOCHS, FusedSteps
from kit.toolbox._tensorflow.step import Circumstances, Step
from kit.toolbox.clipping import Clip
from kit.toolbox.losses import Loss
from kit.toolbox.optimizers import Optimizer, State

if TYPE_CHECKING:
    from kit.toolbox.tensors import Augment


def compile_steps(
    net: keras.Model,
    state: State,
    optimizer: type[Optimizer],
    streams: Sequence[Sequence[tf.Tensor]],
    loss: Loss,
    *,
    augment: Augment | None,
    with_l1: bool,
    clip: Clip | None = None,
) -> Callable[..., None]:
    """Returns a function that takes the steps of some epochs, or of a part of one.

    Its arguments: the arrays of each stream, each stream's order (epochs, examples), batch sizes (streams,), seed and
    first epoch, first step, settings (epochs, 2) of learning rate and L1, the optimiser's own settings. The number of
    examples stays open: another split of the same challenge is not traced again.
    """
    step = Step(net, _without_keras(state), None, optimizer, loss, augment, with_l1, clip)
    if form.is_fused(net):
        return FusedSteps(step)

    # autograph=False: it rewrites source code, which has to be there, and on Python 3.13 does not survive warnings that
    # are errors.
    @tf.function(input_signature=_signature(streams, optimizer), jit_compile=False, autograph=False)
    def steps(streams, orders, batch_sizes, start, first_step, settings, constants):  # type: ignore[no-untyped-def]  # noqa: PLR0917
        sizes, lengths = tf.unstack(batch_sizes), [tf.shape(order)[1] for order in orders]
        steps_an_epoch = (lengths[0] + sizes[0] - 1) // sizes[0]

        def one_step(number: tf.Tensor) -> tf.Tensor:
            epoch, place = number // steps_an_epoch, number % steps_an_epoch
            chosen = [
                order[epoch, place * size : tf.minimum((place + 1) * size, length)]
                for order, size, length in zip(orders, sizes, lengths, strict=True)
            ]
            seed = step.seed(start, epoch, first_step + place)
            step.take(streams, chosen, Circumstances(seed, settings[epoch], constants))
            return number + 1

        num_steps = tf.shape(settings)[0] * steps_an_epoch
        tf.while_loop(lambda number: number < num_steps, one_step, [tf.constant(0)], parallel_iterations=1)

    return steps  # type: ignore[no-any-return]  # TensorFlow's decorator has no types


def _signature(streams: Sequence[Sequence[tf.Tensor]], optimizer: type[Optimizer]) -> list[Any]:
    return [
        [tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in stream) for stream in streams],
        [tf.TensorSpec((None, None), tf.int32) for _ in streams],
        *(tf.TensorSpec(shape, tf.int32) for shape in ((len(streams),), (2,), ())),
        *(tf.TensorSpec(shape, tf.float32) for shape in ((None, 2), (len(fields(optimizer)),))),
    ]


def _without_keras(state: State) -> State:
    """Returns the state of TensorFlow's own variables, which its fused updates take."""
    lists = [[variable.value for variable in variables] for variables in (state.weights, *state.slots, state.scale)]
    return State(lists[0], lists[1:-1], lists[-1], state.count.value)


def described(net: keras.Model) -> str:
    """Says in which form the training of a network is compiled."""
    if form.is_fused(net):
        return f"one XLA computation ({form.patches(net):,} numbers in patches, of {form.MOST_PATCHES:,} at most)"
    return "TensorFlow's operations"


def settings_of(optimizer: Optimizer) -> tf.Tensor:
    """Returns the numbers that an optimiser is made of, as the compiled function takes them."""
    return tf.constant(astuple(optimizer), tf.float32)


def examples_a_call(suggested: int, epoch: int, training: int) -> int:
    """Returns how many examples a call of a compiled function takes: as many as its speed suggests."""
    return min(suggested, MOST_EPOCHS * epoch)


def is_compiled(part: Any) -> bool:
    """Returns whether something is a compiled function."""
    return isinstance(part, FusedSteps) or hasattr(part, "experimental_get_tracing_count")


def traces(function: Any) -> int:
    """Returns how often a compiled function was traced."""
    return int(function.traces if isinstance(function, FusedSteps) else function.experimental_get_tracing_count())
