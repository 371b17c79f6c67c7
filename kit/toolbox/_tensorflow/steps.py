"""The graph side of training: the steps of some epochs as one compiled function, traced once a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kit.toolbox._tensorflow.optimizers import update_in_place
from kit.toolbox.losses import Batch, Loss
from kit.toolbox.optimizers import Optimizer, Pull
from kit.toolbox.tensors import as_float

if TYPE_CHECKING:
    from kit.toolbox.tensors import Augment


@dataclass(frozen=True)
class State:
    """What a step changes, each list in the order of `weights`.

    Args:
        weights: the trainable variables.
        slots: what the optimiser remembers of the weights, none or more lists.
        scale: what a weight's movement is multiplied by; empty for 1.
        count: of the steps.
    """

    weights: list[tf.Variable]
    slots: list[list[tf.Variable]]
    scale: list[tf.Variable]
    count: tf.Variable

    @staticmethod
    def of(net: keras.Model, optimizer: type[Optimizer], *, scaled: bool) -> State:
        """Makes the variables that go with the trainable ones of a model."""
        weights = [variable.value for variable in net.trainable_variables]

        def likewise() -> list[tf.Variable]:
            return [tf.Variable(tf.zeros_like(weight), trainable=False) for weight in weights]

        slots = [likewise() for _ in range(optimizer.slots)]
        return State(weights, slots, likewise() if scaled else [], tf.Variable(0.0, trainable=False))

    @property
    def memory(self) -> list[tf.Variable]:
        """What steps remember of those before them."""
        return [*(variable for slot in self.slots for variable in slot), self.count]

    @property
    def variables(self) -> list[tf.Variable]:
        """All of them but the weights."""
        return [*self.memory, *self.scale]

    def begin(self, scale: Sequence[Any]) -> None:
        """Forgets all earlier steps."""
        for variable in self.memory:
            variable.assign(tf.zeros_like(variable))
        for variable, array in zip(self.scale, scale, strict=True):
            variable.assign(tf.cast(array, variable.dtype))


def compile_steps(
    net: keras.Model,
    state: State,
    optimizer: type[Optimizer],
    streams: Sequence[Sequence[tf.Tensor]],
    loss: Loss,
    *,
    augment: Augment | None,
    with_l1: bool,
) -> Callable[..., None]:
    """Returns a function that takes the steps of some epochs, or of a part of one.

    Its arguments: the arrays of each stream, each stream's order (epochs, examples), batch sizes (streams,), seed and
    first epoch, first step, settings (epochs, 2) of learning rate and L1, the optimiser's own settings. The number of
    examples stays open: another split of the same challenge is not traced again.
    """

    def batch_of(stream: tuple[tf.Tensor, ...], chosen: tf.Tensor, seed: tf.Tensor | None) -> Batch:
        x, *rest = (tf.gather(array, chosen) for array in stream)
        images = as_float(x) if augment is None else augment(as_float(x), seed)
        return Batch(tf.cast(net(images, training=True), tf.float32), *rest)  # from bfloat16, for instance

    # jit_compile=False: on a CPU, XLA makes convolutions two to ten times slower. autograph=False: it rewrites source
    # code, which has to be there, and on Python 3.13 does not survive warnings that are errors.
    @tf.function(input_signature=_signature(streams, optimizer), jit_compile=False, autograph=False)
    def steps(streams, orders, batch_sizes, start, first_step, settings, constants):  # type: ignore[no-untyped-def]  # noqa: PLR0917
        sizes, lengths = tf.unstack(batch_sizes), [tf.shape(order)[1] for order in orders]
        steps_an_epoch = (lengths[0] + sizes[0] - 1) // sizes[0]

        def one_step(number: tf.Tensor) -> tf.Tensor:
            epoch, step, seed = number // steps_an_epoch, number % steps_an_epoch, None
            if augment is not None:
                seed = tf.random.experimental.stateless_fold_in(start + tf.stack([0, epoch]), first_step + step)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(state.weights)
                batches = []
                for stream, order, size, length in zip(streams, orders, sizes, lengths, strict=True):
                    chosen = order[epoch, step * size : tf.minimum((step + 1) * size, length)]
                    batches.append(batch_of(stream, chosen, seed))
                total = loss(*batches)
                total = tf.add_n([total, *net.losses]) if net.losses else total
            gradients = tape.gradient(total, state.weights)
            rate, l1 = tf.unstack(settings[epoch])
            _update(state, gradients, optimizer, tf.unstack(constants), rate=rate, l1=l1 if with_l1 else None)
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


def _update(
    state: State,
    gradients: Sequence[tf.Tensor | None],
    optimizer: type[Optimizer],
    constants: Sequence[tf.Tensor],
    *,
    rate: tf.Tensor,
    l1: tf.Tensor | None,
) -> None:
    """Adds the operations that end a step to the function that is being traced."""
    count = state.count.assign_add(1.0)
    for number, (weight, gradient) in enumerate(zip(state.weights, gradients, strict=True)):
        if gradient is None:  # a variable that the loss does not depend on
            continue
        numbers = [*constants, rate, count]
        *settings, rate_here, count_here = (tf.cast(value, weight.dtype) for value in numbers)  # of float64 models
        penalty = None if l1 is None else tf.cast(l1, weight.dtype)
        scale = state.scale[number] if state.scale else None
        pull = Pull(weight, tf.convert_to_tensor(gradient), penalty, scale)
        slots = [slot[number] for slot in state.slots]
        update_in_place(optimizer(*settings))(pull, slots, count_here, rate_here)


def settings_of(optimizer: Optimizer) -> tf.Tensor:
    """Returns the numbers that an optimiser is made of, as the compiled function takes them."""
    return tf.constant(astuple(optimizer), tf.float32)


def examples_a_call(suggested: int, epoch: int, training: int) -> int:
    """Returns how many examples a call of a compiled function takes: as many as its speed suggests."""
    return suggested


def is_compiled(part: Any) -> bool:
    """Returns whether something is a compiled function."""
    return hasattr(part, "experimental_get_tracing_count")


def traces(function: Any) -> int:
    """Returns how often a compiled function was traced."""
    return int(function.experimental_get_tracing_count())
