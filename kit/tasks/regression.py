"""Regression: one or several numbers an example, and an attack on the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kit.tasks._losses import statistic_of
from kit.types import InputError


@dataclass(frozen=True)
class Regression:
    """Numbers to predict; models put them out as they are, and are trained on the squared or the absolute error.

    Ratings, prices and demand are of this kind. The error is what attacks look at: a model answers nearer to what it
    has learnt by heart.

    Args:
        tolerance: an answer that is nearer than this to the label is right; of several, all of them.
        error: `squared` or `absolute`: what training minimises, and attacks look at; of several numbers the mean.

    Example:
        >>> task, outputs, labels = Regression(tolerance=0.5), np.array([[1.0], [4.0]]), np.array([1.25, 2.0])
        >>> task.correct(outputs, labels).tolist(), task.loss(outputs, labels).numpy().tolist()
        ([True, False], [0.0625, 4.0])
    """

    tolerance: float = 0.5
    error: Literal["squared", "absolute"] = "squared"

    name: ClassVar[str] = "regression"
    keeps_logits: ClassVar[bool] = False
    link: ClassVar[Literal["softmax", "sigmoid", "identity"]] = "identity"
    constant: ClassVar[str] = "always answers with the median"
    stratum: ClassVar[str] = "quarter"

    @classmethod
    def of(cls, y: np.ndarray, error: Literal["squared", "absolute"] = "squared") -> Regression:
        """Returns the task for these labels: an answer is right within half of their standard deviation.

        Example:
            >>> Regression.of(np.array([0.0, 2.0])).tolerance
            0.5
        """
        spread = float(np.asarray(y, np.float64).std()) if y.dtype.kind in "fiu" else 0.0
        return cls(float(f"{spread / 2:.2g}") or 0.5, error)

    def check(self, y: np.ndarray) -> np.ndarray:
        """Returns labels as float32, (n,) for one number an example and (n, k) for several.

        Raises:
            InputError: they are no numbers.
        """
        if y.dtype.kind not in "fiu" or y.ndim > 2:
            raise InputError(
                f"'y' has shape {y.shape} and dtype {y.dtype}. Expected numbers to predict, of shape (n,) or (n, k). "
                "Convert them with y.astype('float32'), or choose another task."
            )
        flat = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        return np.ascontiguousarray(flat, np.float32)

    def classes(self, y: np.ndarray) -> tuple[str, ...]:
        """Returns nothing: numbers have no names."""
        return ()

    def num_outputs(self, y: np.ndarray) -> int:
        """Returns how many numbers an example has."""
        return 1 if y.ndim == 1 else int(y.shape[1])

    def loss(self, outputs: Any, y: Any) -> Any:
        """Returns the error of each example, squared or absolute, float32 (b,): of several numbers the mean."""
        from keras import ops

        outputs = ops.convert_to_tensor(outputs)
        error = outputs - ops.reshape(ops.cast(y, outputs.dtype), ops.shape(outputs))
        return ops.mean(ops.square(error) if self.error == "squared" else ops.abs(error), axis=-1)

    def statistic(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns the number whose logistic loss is the error: larger where it is smaller, float32 (n,)."""
        error = self._errors(outputs, y)
        return statistic_of((np.square(error) if self.error == "squared" else np.abs(error)).mean(axis=-1))

    def correct(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns whether all numbers of an example are nearer than the tolerance."""
        right: np.ndarray = (np.abs(self._errors(outputs, y)) < self.tolerance).all(axis=-1)
        return right

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Returns the quarter that a label, or the mean of several, lies in: 0 to 3."""
        mean = y if y.ndim == 1 else y.mean(axis=1)
        return np.searchsorted(np.quantile(mean, [0.25, 0.5, 0.75]), mean).astype(np.int32)

    def constant_accuracy(self, y: np.ndarray) -> float:
        """Returns the accuracy of the medians."""
        near = np.abs(y - np.median(y, axis=0)) < self.tolerance
        return float((near if y.ndim == 1 else near.all(axis=1)).mean())

    def _errors(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns float64 (n, k)."""
        answers = np.asarray(outputs, np.float64)
        errors: np.ndarray = answers - np.asarray(y, np.float64).reshape(answers.shape)
        return errors
