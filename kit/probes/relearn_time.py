"""How soon a model knows the forget set again: what was truly forgotten takes as long to learn as something new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import compiled
from kit.toolbox.inference import predict_logits
from kit.types import InputError

if TYPE_CHECKING:
    import tensorflow as tf


def relearn_time(
    net: keras.Model,
    forget: tf.data.Dataset,
    *,
    target_accuracy: float,
    learning_rate: float = 1e-3,
    max_steps: int = 1000,
    seed: int = 0,
) -> int | None:
    """Returns after how many steps of training on the forget set a copy of `net` reaches an accuracy on it.

    Adam on mean cross-entropy, a batch a step, in a new order each epoch; after each step the whole forget set is
    predicted. All weights are trained, frozen or not.

    Args:
        net: a Sequential or functional model that returns logits. It is left alone: weights, random states, what it was
            compiled with, `trainable` flags.
        forget: batches (x, y) of equal size, the last one possibly short, as a method is handed them.
        target_accuracy: in (0, 1]; by the definition 0.95 times the original model's accuracy on the forget set.
        learning_rate: of Adam, > 0.
        max_steps: at which to give up, >= 0.
        seed: of the order of the examples. Dropout continues from `net`'s own state.

    Returns:
        Steps, 0 where the accuracy is reached at the start; None where it is not after `max_steps`.

    Raises:
        InputError: no batch, or a number outside its range.

    Source: Chundawat et al., Zero-shot machine unlearning, IEEE TIFS 2023, whose code trains on batches of all the
    training data. Golatkar et al., CVPR 2020, count epochs until a loss is reached. ERASURE trains the model itself, so
    that what it measures next is a relearned model.

    Example:
        >>> from kit.models import mlp
        >>> from kit.toolbox.examples import batches
        >>> from kit.types import Arrays
        >>> keras.utils.set_random_seed(0)
        >>> data = batches(Arrays(np.eye(4, dtype="float32"), np.arange(4)), np.arange(4), 4)
        >>> relearn_time(mlp((4,), 4), data, target_accuracy=1.0) in range(1, 1000)
        True
    """
    if not 0 < target_accuracy <= 1 or not 0 < learning_rate < np.inf or max_steps < 0:
        raise InputError(
            f"target_accuracy is {target_accuracy}, learning_rate {learning_rate} and max_steps {max_steps}. Expected "
            "an accuracy above 0 and up to 1, a learning rate above 0 and 0 steps or more. Divide a percentage by 100."
        )
    batches = list(forget.as_numpy_iterator())
    if not batches:
        raise InputError("The forget set has no batch. Expected at least one batch (x, y). Check the split.")
    x, y = (np.concatenate(column) for column in zip(*batches, strict=True))
    batch_size, generator = len(batches[0][1]), np.random.default_rng(seed)
    student = _student(net, learning_rate)
    order = np.zeros(0, np.int64)
    for step in range(max_steps + 1):
        if (predict_logits(student, x).argmax(axis=-1) == y).mean() >= target_accuracy:
            return step
        if len(order) == 0:
            order = generator.permutation(len(x))
        chosen, order = order[:batch_size], order[batch_size:]
        student.train_on_batch(x[chosen], y[chosen])
    return None


def anamnesis_index(steps_unlearned: float | None, steps_retrained: float | None) -> float:
    """Returns the relearn time of an unlearned model by that of a retrained one.

    Args:
        steps_unlearned, steps_retrained: as `relearn_time` returns them, or means over models.

    Returns:
        A float, 0 or more. 1 is ideal; below 1 the model had not forgotten; above 1 it is harder to teach than one that
        never knew the forget set, which gives away that something was done to it.

    Raises:
        InputError: a relearn time is None, below 0, or 0 for the retrained model.

    Source: Chundawat et al., Zero-shot machine unlearning, IEEE TIFS 2023.

    Example:
        >>> anamnesis_index(30, 40)
        0.75
    """
    if steps_unlearned is None or steps_retrained is None:
        raise InputError(
            f"The relearn times are {steps_unlearned} and {steps_retrained}: a model did not reach the accuracy. "
            "Expected two numbers of steps. Raise max_steps, or the learning rate for both."
        )
    if not 0 <= steps_unlearned < np.inf or not 0 < steps_retrained < np.inf:
        raise InputError(
            f"The relearn times are {steps_unlearned} and {steps_retrained}. Expected 0 or more, and more than 0 for "
            "the retrained model. Where that knows the forget set from the start there is nothing to compare with: "
            "raise target_accuracy."
        )
    return float(steps_unlearned / steps_retrained)


def _student(net: keras.Model, learning_rate: float) -> keras.Model:
    """Returns a copy of `net` with an Adam that has taken no step: the same object each time, traced once.

    Its variables are its own and of equal values: weights, statistics and random states.
    """

    def build() -> keras.Model:
        clone, loss = keras.models.clone_model(net), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        pairs = list(zip(clone.variables, net.variables, strict=True))
        for trainable in (False, True):  # Keras passes on changes alone: a single layer may be frozen
            clone.trainable = trainable
        # The clone is compiled as `net` is, and compiling it again would leave the metrics of that in place.
        student, optimizer = keras.Model(clone.inputs, clone.outputs), keras.optimizers.Adam(learning_rate)
        student.compile(optimizer, loss, jit_compile=False)
        optimizer.build(student.trainable_variables)
        at_rest = [(variable, np.array(variable)) for variable in optimizer.variables]
        compiled.once(student, "values at the start", lambda: [*pairs, *at_rest])
        return student

    student: keras.Model = compiled.once(net, ("relearn time", learning_rate), build)
    for variable, value in compiled.once(student, "values at the start", list):
        variable.assign(value)
    return student
