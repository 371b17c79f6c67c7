"""What a step of training minimises: functions of a batch's logits, labels and targets.

A loss is a function or a frozen dataclass: `kit.toolbox.training` compiles a loop once for each that is equal, and
keeps it from run to run. The targets are whatever the method has put beside the examples, for instance a teacher's
logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from keras import ops

from kit.tasks import CLASSIFICATION
from kit.toolbox.tensors import Tensor
from kit.types import Task


class Batch(NamedTuple):
    """A batch of b examples, as a loss is handed it.

    Args:
        logits: float32 (b, classes), of the model in training.
        labels: int32 (b,).
        targets: float32 (b, ...), what was put beside the examples; None where nothing was.
    """

    logits: Tensor
    labels: Tensor
    targets: Tensor = None


# Takes a batch, or both batches where a step takes two, and returns a scalar.
Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class TaskLoss:
    """The mean of a task's loss over a batch: what originals, retrained models and fine-tuning minimise.

    Args:
        task: what the labels are.

    Example:
        >>> from kit.tasks import CLASSIFICATION
        >>> round(float(TaskLoss(CLASSIFICATION)(Batch(ops.zeros((2, 4)), ops.array([0, 3])))), 4)  # log(4)
        1.3863
    """

    task: Task

    def __call__(self, batch: Batch) -> Tensor:
        """Returns the loss of a batch, a scalar."""
        return ops.mean(self.task.loss(batch.logits, batch.labels))


@dataclass(frozen=True)
class WeightedLoss:
    """The mean of a task's loss times the examples' weights, which are the targets: Keras's with `sample_weight`.

    Args:
        task: what the labels are.

    Example:
        >>> from kit.tasks import CLASSIFICATION
        >>> batch = Batch(ops.zeros((2, 4)), ops.array([0, 3]), ops.array([3.0, 0.0]))
        >>> round(float(WeightedLoss(CLASSIFICATION)(batch)), 4)  # 3 log(4) / 2
        2.0794
    """

    task: Task

    def __call__(self, batch: Batch) -> Tensor:
        """Returns the loss of a batch, a scalar."""
        return ops.mean(self.task.loss(batch.logits, batch.labels) * batch.targets)


# The mean cross-entropy with the labels.
cross_entropy = TaskLoss(CLASSIFICATION)


def negated_cross_entropy(batch: Batch) -> Tensor:
    """Returns minus the mean cross-entropy: to minimise it is to ascend the loss.

    Args:
        batch: whose targets play no part.

    Example:
        >>> round(float(negated_cross_entropy(Batch(ops.zeros((2, 4)), ops.array([0, 3])))), 4)
        -1.3863
    """
    return -cross_entropy(batch)


def soft_cross_entropy(batch: Batch) -> Tensor:
    """Returns the mean cross-entropy with probabilities for labels.

    It differs from the divergence KL(targets || softmax(logits)) by a constant: the gradients are the same.

    Args:
        batch: whose targets are probabilities, (b, classes).

    Example:
        >>> batch = Batch(ops.zeros((1, 2)), ops.array([0]), ops.array([[0.5, 0.5]]))
        >>> round(float(soft_cross_entropy(batch)), 4)  # log(2)
        0.6931
    """
    return ops.mean(ops.categorical_crossentropy(batch.targets, batch.logits, from_logits=True))


def kl_divergence(target_logits: Tensor, logits: Tensor) -> Tensor:
    """Returns the Kullback-Leibler divergence KL(softmax(target_logits) || softmax(logits)) of each example.

    Args:
        target_logits, logits: (b, classes).

    Returns:
        float32 (b,), in nats, at least 0.

    Example:
        >>> even, uneven = ops.log(ops.array([[0.5, 0.5]])), ops.log(ops.array([[0.9, 0.1]]))
        >>> [round(float(value), 4) for value in (kl_divergence(even, uneven)[0], kl_divergence(uneven, even)[0])]
        [0.5108, 0.3681]
    """
    log_targets, log_probabilities = ops.log_softmax(target_logits), ops.log_softmax(logits)
    return ops.sum(ops.exp(log_targets) * (log_targets - log_probabilities), axis=-1)


@dataclass(frozen=True)
class Distillation:
    """Mean KL from a teacher, whose logits are the targets, and cross-entropy with the labels.

    `alpha * T^2 * KL(softmax(teacher / T) || softmax(logits / T)) + gamma * cross_entropy`; the factor T^2 keeps the
    size of the gradients (Hinton, Vinyals and Dean, arXiv:1503.02531).

    Args:
        alpha: weight of the divergence; negative to move away from the teacher.
        gamma: weight of the cross-entropy.
        temperature: T, > 0.

    Example:
        >>> batch = Batch(ops.array([[2.0, 0.0]]), ops.array([0]), ops.array([[2.0, 0.0]]))
        >>> float(Distillation(alpha=1.0, gamma=0.0, temperature=4.0)(batch))  # the teacher's own logits
        0.0
    """

    alpha: float
    gamma: float
    temperature: float

    def __call__(self, batch: Batch) -> Tensor:
        """Returns the loss of a batch, a scalar."""
        divergence = ops.mean(kl_divergence(batch.targets / self.temperature, batch.logits / self.temperature))
        loss = self.alpha * self.temperature**2 * divergence
        return loss + self.gamma * cross_entropy(batch) if self.gamma else loss


@dataclass(frozen=True)
class Difference:
    """Cross-entropy on retain less that on forget: `share * retain - (1 - share) * forget`, of two batches a step.

    Args:
        share: of the retain batch, in [0, 1].

    Example:
        >>> retain, forget = (Batch(ops.zeros((2, classes)), ops.array([0, 1])) for classes in (2, 4))
        >>> round(float(Difference(0.75)(retain, forget)), 4)  # 0.75 log(2) - 0.25 log(4)
        0.1733
    """

    share: float

    def __call__(self, retain: Batch, forget: Batch) -> Tensor:
        """Returns the loss of two batches, a scalar."""
        return self.share * cross_entropy(retain) - (1 - self.share) * cross_entropy(forget)
