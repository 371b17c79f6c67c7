"""Distillation: a student follows its teacher on retain and moves away from it on forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import inference, losses, schedules
from kit.toolbox.examples import Examples, in_memory
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {
    "epochs": ("int", 1, 15),
    "learning_rate": ("log", 1e-3, 0.3),
    "max_epochs": ("int", 0, 5),
    "alpha": ("log", 1e-3, 2.0),
    "temperature": ("log", 1.0, 8.0),
    "rewind": ("one of", True, False),
}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 5,
    max_epochs: int = 3,
    learning_rate: float = 5e-3,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    alpha: float = 0.5,
    gamma: float = 1.0,
    temperature: float = 4.0,
    rewind: bool = True,
) -> keras.Model:
    """Moves a student away from its teacher, the original model, on forget, and towards it on retain.

    The formula: in the first `max_epochs` epochs maximise `T^2 KL(teacher / T || student / T)` on forget; in every
    epoch minimise `alpha` times the same plus `gamma` times the cross-entropy on retain. With `rewind` (SCRUB+R) the
    student of that epoch is returned whose forget error is nearest to the last student's error on validation examples
    of the same classes: forgotten as if it had never been seen, and no more. Without such examples it is the last
    student. The teacher's logits are computed once; the learning rate falls along a cosine.

    Kind: teachers
    Cost: (retain + forget) / 3 + min(max_epochs, epochs) * forget + epochs * retain
        + rewind * (epochs * forget + validation) / 3
    Data: retain, forget, validation (labels and images, for `rewind`)
    Source: Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023; meghdadk/SCRUB,
    thirdparty/repdistiller.
    Differences: one batch size for both sets; a cosine, where the authors' code divides the rate by ten after the
    third, the fifth and the ninth epoch.
    """
    retain_examples, forget_examples = (_taught(net, in_memory(part)) for part in (retain, forget))
    away, towards = losses.Distillation(-1.0, 0.0, temperature), losses.Distillation(alpha, gamma, temperature)
    descent, students = Descent(net, Sgd(momentum, weight_decay)), []
    for epoch, rate in enumerate(schedules.cosine(learning_rate, epochs)):
        if epoch < max_epochs:
            descent.train(forget_examples, [rate], away)
        descent.train(retain_examples, [rate], towards)
        if rewind:
            students.append((_error(net, forget_examples), net.get_weights()))
    if students:
        unseen = in_memory(validation)
        same_classes = np.flatnonzero(np.isin(unseen.y, forget_examples.y))
        if len(same_classes):
            target = _error(net, unseen.at(same_classes))
            net.set_weights(min(students, key=lambda student: abs(student[0] - target))[1])
    return net


def _taught(net: keras.Model, examples: Examples) -> Examples:
    return examples.with_targets(inference.predict_logits(net, examples.x))


def _error(net: keras.Model, examples: Examples) -> float:
    return float((inference.predict_logits(net, examples.x).argmax(axis=-1) != np.asarray(examples.y)).mean())
