"""Classification: one integer label an example, logits of all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kit.types import InputError, confidences


@dataclass(frozen=True)
class Classification:
    """One class an example; models put out the logits of all classes, and are trained on the cross-entropy.

    Args:
        class_weights: by which the loss of an example of each class is multiplied, in the order of the classes; by
            default 1. Attacks and accuracies do not ask for it.
        label_smoothing: share of a label that the loss spreads over all classes, in [0, 1).

    Example:
        >>> logits, labels = np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1])
        >>> CLASSIFICATION.statistic(logits, labels).tolist(), CLASSIFICATION.correct(logits, labels).tolist()
        ([2.0, -2.0], [True, False])
    """

    name: ClassVar[str] = "classification"
    keeps_logits: ClassVar[bool] = True
    link: ClassVar[Literal["softmax", "sigmoid", "identity"]] = "softmax"
    constant: ClassVar[str] = "always names the most frequent class"
    stratum: ClassVar[str] = "class"

    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0

    def check(self, y: np.ndarray) -> np.ndarray:
        """Returns labels as integers (n,): a column becomes flat, one-hot rows and whole floats become numbers.

        Labels of -1 and 1, as support vector machines have them, become 0 and 1.

        Raises:
            InputError: they are not one class an example.

        Example:
            >>> CLASSIFICATION.check(np.eye(3)[[2, 0]]).tolist(), CLASSIFICATION.check(np.array([[-1], [1]])).tolist()
            ([2, 0], [0, 1])
        """
        flat = y
        if y.ndim == 2 and y.shape[1] == 1:
            flat = y[:, 0]
        elif y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            return np.ascontiguousarray(y.argmax(axis=1), np.int32)
        if flat.ndim != 1:
            raise InputError(
                f"'y' has shape {y.shape}. Expected one class an example: labels of shape (n,) or (n, 1), or one-hot "
                "rows of a single 1. For several classes at once choose the task 'multilabel', for several numbers "
                "'regression'."
            )
        if flat.dtype.kind == "f" and (flat == np.rint(flat)).all():
            flat = flat.astype(np.int32)
        if set(np.unique(flat).tolist()) == {-1, 1}:
            flat = (flat > 0).astype(np.int32)
        if flat.dtype.kind not in "iu" or int(flat.min()) < 0:
            raise InputError(
                f"'y' has dtype {y.dtype} and begins with {y[:3].tolist()}. Expected classes: texts, or whole numbers "
                "0, 1, ..., num_classes - 1 (or -1 and 1), none else negative. Drop what has no label; map other "
                "labels with numpy.unique(y, return_inverse=True); for measurements choose the task 'regression'."
            )
        return flat

    def classes(self, y: np.ndarray) -> tuple[str, ...]:
        """Returns what the labels were called before `check` changed them: `('-1', '1')`, or nothing."""
        return ("-1", "1") if set(np.unique(y).tolist()) == {-1, 1} else ()

    def num_outputs(self, y: np.ndarray) -> int:
        """Returns the number of classes: one more than the largest label."""
        return 1 + int(y.max())

    def loss(self, outputs: Any, y: Any) -> Any:
        """Returns the cross-entropy of each example in nats, weighted; not a number where the label is no class.

        Keras's own has, where results are to be repeatable, a gradient of a hundred operations on TensorFlow: a quarter
        of the time in which the training of a small network is compiled. This one's is two, with the same bits.
        """
        from keras import ops

        log_probabilities = ops.log_softmax(outputs, axis=-1)
        places = ops.one_hot(ops.cast(y, "int32"), outputs.shape[-1], dtype=outputs.dtype)  # Keras hands losses floats
        losses = -ops.sum(places * log_probabilities, axis=-1) / ops.sum(places, axis=-1)  # 0 / 0 beyond the classes
        if self.label_smoothing:
            spread = -ops.mean(log_probabilities, axis=-1)
            losses = (1 - self.label_smoothing) * losses + self.label_smoothing * spread
        if self.class_weights:
            losses = losses * ops.sum(places * ops.convert_to_tensor(self.class_weights, outputs.dtype), axis=-1)
        return losses

    def statistic(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns the logit-scaled confidence of the label, `log p - log(1 - p)`.

        Source: Carlini et al., Membership Inference Attacks From First Principles, S&P 2022.
        """
        return confidences(outputs, y)

    def correct(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns whether the largest logit is the label."""
        right: np.ndarray = np.asarray(outputs).argmax(axis=-1) == y
        return right

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Returns the classes themselves."""
        return y

    def constant_accuracy(self, y: np.ndarray) -> float:
        """Returns the share of the most frequent class."""
        counts = np.bincount(y)
        return float(counts.max() / counts.sum())


CLASSIFICATION = Classification()
