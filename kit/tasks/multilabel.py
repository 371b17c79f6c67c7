"""Multi-label classification: any number of labels an example, each of them there or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kit.tasks._losses import statistic_of
from kit.types import InputError


@dataclass(frozen=True)
class MultiLabel:
    """Labels that are there or not, independently; models put out a logit for each, trained on the mean cross-entropy.

    Example:
        >>> outputs, labels = np.array([[2.0, -1.0], [2.0, -1.0]]), np.array([[1, 0], [1, 1]])
        >>> MULTILABEL.correct(outputs, labels).tolist(), MULTILABEL.num_outputs(labels)
        ([True, False], 2)
    """

    name: ClassVar[str] = "multilabel"
    keeps_logits: ClassVar[bool] = False
    link: ClassVar[Literal["softmax", "sigmoid", "identity"]] = "sigmoid"
    constant: ClassVar[str] = "always gives the most frequent set of labels"
    stratum: ClassVar[str] = "number of labels"

    def check(self, y: np.ndarray) -> np.ndarray:
        """Returns labels as int32 (n, k), 1 for each that is there.

        Raises:
            InputError: they are no rows of 0 and 1.
        """
        if y.ndim != 2 or y.dtype.kind not in "fiub" or not np.isin(y, (0, 1)).all():
            raise InputError(
                f"'y' has shape {y.shape} and dtype {y.dtype}. Expected a row of 0 and 1 for each example, of shape "
                "(n, labels). Make it from lists of labels with sklearn.preprocessing.MultiLabelBinarizer."
            )
        return np.ascontiguousarray(y, np.int32)

    def classes(self, y: np.ndarray) -> tuple[str, ...]:
        """Returns nothing: labels keep their places."""
        return ()

    def num_outputs(self, y: np.ndarray) -> int:
        """Returns the number of labels."""
        return int(y.shape[1])

    def loss(self, outputs: Any, y: Any) -> Any:
        """Returns the mean over the labels of the binary cross-entropy, float32 (b,), in nats."""
        from keras import ops

        outputs = ops.convert_to_tensor(outputs)
        signed = outputs * (1 - 2 * ops.cast(y, outputs.dtype))
        return ops.mean(ops.softplus(signed), axis=-1)

    def statistic(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns the number whose logistic loss is that of the example, float32 (n,)."""
        return statistic_of(np.logaddexp(0, np.asarray(outputs, np.float64) * (1 - 2 * np.asarray(y))).mean(axis=-1))

    def correct(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns whether all labels of an example are right."""
        right: np.ndarray = ((np.asarray(outputs) > 0) == (np.asarray(y) > 0)).all(axis=-1)
        return right

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Returns how many labels an example has."""
        number: np.ndarray = y.sum(axis=1).astype(np.int32)
        return number

    def constant_accuracy(self, y: np.ndarray) -> float:
        """Returns the share of the most frequent row."""
        return float(np.unique(y, axis=0, return_counts=True)[1].max() / len(y))


MULTILABEL = MultiLabel()
