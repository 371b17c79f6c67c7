"""The graph side of training: the steps of some epochs as one compiled function, traced once a model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kit.toolbox.augmentation import Augment
from kit.toolbox.examples import as_float
from kit.toolbox.losses import Batch

# A loss of `kit.toolbox.losses` takes the batch, or both batches where a step takes two, and returns a scalar.
Loss = Callable[..., tf.Tensor]
_ADAM_BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent as PyTorch has it: `g += weight_decay * w; m = momentum * m + g; w -= rate * m`.

    Keras's own differs: its weight decay is decoupled and bypasses the momentum, about ten times weaker at 0.9.
    """

    momentum: float = 0.9
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980) as PyTorch has it: `g += weight_decay * w` before the moments."""

    weight_decay: float = 0.0


@dataclass(frozen=True)
class Variables:
    """What a step changes, each list in the order of `weights`.

    Args:
        weights: the trainable variables.
        moments: of the gradients, one or two lists.
        scale: what a weight's movement is multiplied by; empty for 1.
        count: of the steps, for Adam.
    """

    weights: list[tf.Variable]
    moments: list[list[tf.Variable]]
    scale: list[tf.Variable]
    count: tf.Variable

    @staticmethod
    def of(weights: list[tf.Variable], optimizer: Sgd | Adam, *, scaled: bool) -> Variables:
        """Makes the variables that go with the weights."""

        def likewise() -> list[tf.Variable]:
            return [tf.Variable(tf.zeros_like(weight), trainable=False) for weight in weights]

        moments = [likewise() for _ in range(2 if isinstance(optimizer, Adam) else 1)]
        return Variables(weights, moments, likewise() if scaled else [], tf.Variable(0.0, trainable=False))

    @property
    def memory(self) -> list[tf.Variable]:
        """What steps remember of those before them."""
        flat = [moment for moments in self.moments for moment in moments]
        return [*flat, self.count] if len(self.moments) > 1 else flat


def compile_steps(
    net: keras.Model,
    variables: Variables,
    signature: Sequence[Any],
    loss: Loss,
    augment: Augment | None,
    *,
    with_l1: bool,
) -> Callable[..., None]:
    """Returns a function that takes the steps of some epochs, or of a part of one.

    Its arguments: the arrays of each stream, each stream's order (epochs, examples), batch sizes (streams,), seed and
    first epoch, first step, settings (epochs, 2) of learning rate and L1, momentum and weight decay.
    """

    def batch_of(stream: tuple[tf.Tensor, ...], chosen: tf.Tensor, seed: tf.Tensor | None) -> Batch:
        x, *rest = (tf.gather(array, chosen) for array in stream)
        images = as_float(x) if augment is None else augment(as_float(x), seed)
        return Batch(tf.cast(net(images, training=True), tf.float32), *rest)  # from bfloat16, for instance

    # jit_compile=False: on a CPU, XLA makes convolutions two to ten times slower. autograph=False: it rewrites source
    # code, which has to be there, and on Python 3.13 does not survive warnings that are errors.
    @tf.function(input_signature=signature, jit_compile=False, autograph=False)
    def steps(streams, orders, batch_sizes, start, first_step, settings, constants):  # type: ignore[no-untyped-def]  # noqa: PLR0917
        sizes, lengths = tf.unstack(batch_sizes), [tf.shape(order)[1] for order in orders]
        steps_an_epoch = (lengths[0] + sizes[0] - 1) // sizes[0]

        def one_step(number: tf.Tensor) -> tf.Tensor:
            epoch, step, seed = number // steps_an_epoch, number % steps_an_epoch, None
            if augment is not None:
                seed = tf.random.experimental.stateless_fold_in(start + tf.stack([0, epoch]), first_step + step)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables.weights)
                batches = []
                for stream, order, size, length in zip(streams, orders, sizes, lengths, strict=True):
                    chosen = order[epoch, step * size : tf.minimum((step + 1) * size, length)]
                    batches.append(batch_of(stream, chosen, seed))
                total = loss(*batches)
                total = tf.add_n([total, *net.losses]) if net.losses else total
            gradients = tape.gradient(total, variables.weights)
            rate, l1 = tf.unstack(settings[epoch])
            _update(variables, gradients, rate, l1 if with_l1 else None, constants)
            return number + 1

        num_steps = tf.shape(settings)[0] * steps_an_epoch
        tf.while_loop(lambda number: number < num_steps, one_step, [tf.constant(0)], parallel_iterations=1)

    return steps  # type: ignore[no-any-return]  # TensorFlow's decorator has no types


def _update(
    variables: Variables,
    gradients: Sequence[tf.Tensor | None],
    rate: tf.Tensor,
    l1: tf.Tensor | None,
    constants: tf.Tensor,
) -> None:
    """Adds the operations that end a step to the function that is being traced."""
    adam = len(variables.moments) > 1
    count = variables.count.assign_add(1.0) if adam else variables.count
    numbers = [*tf.unstack(constants), rate, *(tf.pow(beta, count) for beta in _ADAM_BETAS)]
    for number, (weight, gradient) in enumerate(zip(variables.weights, gradients, strict=True)):
        if gradient is None:  # a variable that the loss does not depend on
            continue
        momentum, weight_decay, own_rate, *powers = (tf.cast(one, weight.dtype) for one in numbers)  # of float64 models
        moves = tf.convert_to_tensor(gradient) + weight_decay * weight
        moves = moves if l1 is None else moves + tf.cast(l1, weight.dtype) * tf.sign(weight)
        moves = moves * variables.scale[number] if variables.scale else moves
        moments = [one[number].handle for one in variables.moments]
        if adam:
            _apply_adam(weight, moments, powers, own_rate, moves)
        else:
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle, accum=moments[0], lr=own_rate, grad=moves, momentum=momentum
            )


def _apply_adam(
    weight: tf.Variable, moments: Sequence[Any], powers: Sequence[tf.Tensor], rate: tf.Tensor, moves: tf.Tensor
) -> None:
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=moments[0],
        v=moments[1],
        beta1_power=powers[0],
        beta2_power=powers[1],
        lr=rate,
        beta1=_ADAM_BETAS[0],
        beta2=_ADAM_BETAS[1],
        epsilon=1e-8 * tf.sqrt(1 - powers[1]),  # PyTorch adds it after the correction of the bias
        grad=moves,
    )


def compiled_once(net: keras.Model, key: Hashable, build: Callable[[], Any]) -> Any:
    """Returns what `build` made the first time that it was asked for with this net and key.

    Tracing costs 0.2 to 0.5 s, so one model is reset and used again rather than built anew. The memory hangs on the
    model itself and goes with it; `object.__setattr__` keeps Keras from tracking it as a part of the model.
    """
    made: dict[Hashable, Any] | None = net.__dict__.get("_compiled_by_kit")
    if made is None:
        made = {}
        object.__setattr__(net, "_compiled_by_kit", made)
    if key not in made:
        made[key] = build()
    return made[key]
