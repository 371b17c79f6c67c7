"""One step of training as operations: what it changes, and what is traced of it, in whatever form it is compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import keras
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.compiler.tf2xla.python import xla

from kit.toolbox._tensorflow.optimizers import update_in_place
from kit.toolbox.clipping import Clip
from kit.toolbox.losses import Batch, Loss
from kit.toolbox.optimizers import Optimizer, Pull, State
from kit.toolbox.tensors import as_float

if TYPE_CHECKING:
    from kit.toolbox.tensors import Augment


class Circumstances(NamedTuple):
    """What a step depends on besides its examples.

    Args:
        seed: of the augmentation, int32 (2,).
        settings: learning rate and L1, float32 (2,).
        constants: the optimiser's own settings.
        real: how many of the first stream's chosen examples are real, where padding follows; None for all of them.
    """

    seed: tf.Tensor
    settings: tf.Tensor
    constants: tf.Tensor
    real: tf.Tensor | None = None


@dataclass(frozen=True)
class Step:
    """One step: a batch of each stream, the gradient of the loss, the optimiser's update.

    Args:
        net: whose layers are called.
        state: what the step changes besides `others`.
        others: what stands in for the variables of `net` that are not trained, as `state.weights` then do for those
            that are: the step of another network of the same architecture. None where they are the network's own.
        optimizer, loss, augment, with_l1, clip: see `kit.toolbox.training.Descent`.
    """

    net: keras.Model
    state: State
    others: Sequence[tf.Variable] | None
    optimizer: type[Optimizer]
    loss: Loss
    augment: Augment | None
    with_l1: bool
    clip: Clip | None = None

    def seed(self, start: tf.Tensor, epoch: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Returns the seed of a step's augmentation, of the training's seed and first epoch and the step's place."""
        if self.augment is None:
            return tf.zeros(2, tf.int32)
        return tf.random.experimental.stateless_fold_in(start + tf.stack([0, epoch]), place)

    def take(
        self, streams: Sequence[Sequence[tf.Tensor]], chosen: Sequence[tf.Tensor], circumstances: Circumstances
    ) -> None:
        """Adds the operations of a step on these examples of each stream to the function that is being traced."""
        seed, settings, constants, real = circumstances
        own = self.others is None
        weights = self.state.weights if own else [tf.convert_to_tensor(weight) for weight in self.state.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            with contextlib.nullcontext() if own else self._standing_in(weights):
                batches = [self._batch(stream, indices, seed) for stream, indices in zip(streams, chosen, strict=True)]
                penalties = list(self.net.losses)
            if real is not None:
                batches[0] = Batch(*(None if array is None else _shortened(array, real) for array in batches[0]))
            total = self.loss(*batches)
            total = tf.add_n([total, *penalties]) if penalties else total
        gradients = tape.gradient(total, weights)
        if self.clip is not None:
            gradients = self.clip([None if each is None else tf.convert_to_tensor(each) for each in gradients])
        rate, l1 = tf.unstack(settings)
        l1 = l1 if self.with_l1 else None
        _update(self.state, gradients, self.optimizer, tf.unstack(constants), rate=rate, l1=l1)

    @contextlib.contextmanager
    def _standing_in(self, weights: Sequence[tf.Tensor]) -> Iterator[None]:
        """Has the network's layers compute with other variables, and these take what the layers assign to theirs."""
        others = self.others or ()
        own = [*self.net.trainable_variables, *self.net.non_trainable_variables]
        values = [*weights, *(tf.convert_to_tensor(variable) for variable in others)]
        with keras.StatelessScope(state_mapping=list(zip(own, values, strict=True))) as scope:
            yield
        for mine, variable in zip(self.net.non_trainable_variables, others, strict=True):
            variable.assign(scope.get_current_value(mine))

    def _batch(self, stream: Sequence[tf.Tensor], chosen: tf.Tensor, seed: tf.Tensor) -> Batch:
        x, *rest = (tf.gather(array, chosen) for array in stream)
        images = as_float(x) if self.augment is None else self.augment(as_float(x), seed)
        return Batch(tf.cast(self.net(images, training=True), tf.float32), *rest)  # from bfloat16, for instance


def _shortened(array: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns the first `count` rows of an array; the gradient by the others is 0."""
    if tf.executing_eagerly():
        return array[:count]
    rows = xla.set_dynamic_dimension_size(array, 0, count)
    # What is traced must not take the number of rows for a fixed one, as it is until XLA compiles.
    return tf.compat.v1.placeholder_with_default(rows, (None, *array.shape[1:]))


@tf.RegisterGradient("XlaSetDynamicDimensionSize")
def _gradient_of_shortened(operation: tf.Operation, of_rows: tf.Tensor) -> tuple[tf.Tensor, None, None]:
    array, _, count = operation.inputs
    of_all = gen_xla_ops.xla_remove_dynamic_dimension_size(of_rows, 0)
    is_real = tf.reshape(tf.range(array.shape[0]) < count, (-1, *[1] * (len(array.shape) - 1)))
    return tf.where(is_real, of_all, tf.zeros((), of_all.dtype)), None, None


def _square_of_parts(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor | None:
    """Returns the summed squares of what single examples add to an embedding's gradient; None of another gradient."""
    if not isinstance(gradient, tf.IndexedSlices):
        return None
    return tf.convert_to_tensor(tf.IndexedSlices(tf.square(gradient.values), gradient.indices, gradient.dense_shape))


def _update(
    state: State,
    gradients: Sequence[tf.Tensor | tf.IndexedSlices | None],
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
        pull = Pull(weight, tf.convert_to_tensor(gradient), penalty, scale, _square_of_parts(gradient))
        slots = [slot[number] for slot in state.slots]
        update_in_place(optimizer(*settings))(pull, slots, count_here, rate_here)
