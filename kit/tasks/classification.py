"""Classification: one integer label an example, logits of all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kit.types import InputError, confidences


@dataclass(frozen=True)
class Classification:
    """One class an example; models put out the logits of all classes, and are trained on the cross-entropy.

    Example:
        >>> logits, labels = np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1])
        >>> CLASSIFICATION.statistic(logits, labels).tolist(), CLASSIFICATION.correct(logits, labels).tolist()
        ([2.0, -2.0], [True, False])
    """

    name: ClassVar[str] = "classification"
    keeps_logits: ClassVar[bool] = True
    constant: ClassVar[str] = "always names the most frequent class"
    stratum: ClassVar[str] = "class"

    def check(self, y: np.ndarray) -> np.ndarray:
        """Returns labels as int32 (n,).

        Raises:
            InputError: they are not one whole number of 0 or more an example.
        """
        if y.ndim != 1:
            raise InputError(
                f"'y' has shape {y.shape}. Expected one class label an example, of shape (n,). A column of labels "
                "becomes flat by y.ravel(), and one-hot rows become labels by y.argmax(axis=1)."
            )
        if y.dtype.kind not in "iu" or int(y.min()) < 0:
            raise InputError(
                f"'y' has dtype {y.dtype} and begins with {y[:3].tolist()}. Expected integer class labels 0, 1, ..., "
                "num_classes - 1, none negative. Map other labels with numpy.unique(y, return_inverse=True)."
            )
        return y

    def num_outputs(self, y: np.ndarray) -> int:
        """Returns the number of classes: one more than the largest label."""
        return 1 + int(y.max())

    def loss(self, outputs: Any, y: Any) -> Any:
        """Returns the cross-entropy of each example in nats; not a number where the label is no class.

        Keras's own has, where results are to be repeatable, a gradient of a hundred operations on TensorFlow: a quarter
        of the time in which the training of a small network is compiled. This one's is two, with the same bits.
        """
        from keras import ops

        log_probabilities = ops.log_softmax(outputs, axis=-1)
        places = ops.one_hot(ops.cast(y, "int32"), outputs.shape[-1], dtype=outputs.dtype)  # Keras hands losses floats
        return -ops.sum(places * log_probabilities, axis=-1) / ops.sum(places, axis=-1)  # 0 / 0 beyond the classes

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
