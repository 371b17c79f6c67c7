"""Several outputs at once: a task for each, losses summed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kit.tasks._losses import statistic_of
from kit.types import InputError, Task


@dataclass(frozen=True)
class Head:
    """One output of a model with several.

    Args:
        name: of the output.
        task: what its labels are.
        width: how many numbers it puts out.
        weight: what its loss is multiplied by in the sum, 0 or more (Keras's `loss_weights`).
    """

    name: str
    task: Task
    width: int
    weight: float = 1.0

    @property
    def columns(self) -> int:
        """How many columns its labels take: one for classes, else one for each number that it puts out."""
        return 1 if self.task.name == "classification" else self.width


@dataclass(frozen=True)
class Joint:
    """All outputs of a model; it is trained on the weighted sum of their losses, which attacks look at too.

    The outputs stand side by side, and so do the labels: a column of classes, or as many columns as an output has
    numbers. An example is right where it is right in all outputs, as one of several labels or numbers is. Unlike the
    loss, what attacks look at leaves out weights of classes and smoothed labels, as it does for each task by itself.

    Args:
        heads: in the order of the outputs.

    Example:
        >>> from kit.tasks import CLASSIFICATION, Regression
        >>> task = Joint((Head("kind", CLASSIFICATION, 2), Head("price", Regression(0.5), 1, weight=0.5)))
        >>> outputs, labels = np.array([[0.0, 0.0, 3.0], [0.0, 9.0, 1.2]]), np.array([[0, 1.0], [1, 1.0]])
        >>> task.loss(outputs, labels).numpy().round(3).tolist()  # log(2) + 0.5 * 4, and 0.5 * 0.04
        [2.693, 0.02]
        >>> task.correct(outputs, labels).tolist()
        [False, True]
    """

    heads: tuple[Head, ...]

    name: ClassVar[str] = "joint"
    keeps_logits: ClassVar[bool] = False
    link: ClassVar[Literal["softmax", "sigmoid", "identity"]] = "identity"
    constant: ClassVar[str] = "gives the best constant answer of each output"
    stratum: ClassVar[str] = "part by the first output"

    def check(self, y: np.ndarray) -> np.ndarray:
        """Returns labels as float32 (n, columns), each output's as its task keeps them.

        Raises:
            InputError: they are no numbers, too many or too few columns, or none of an output's task.
        """
        columns = sum(head.columns for head in self.heads)
        if y.ndim != 2 or y.shape[1] != columns or y.dtype.kind not in "fiub":
            described = ", ".join(f"'{head.name}' {head.columns}" for head in self.heads)
            raise InputError(
                f"The labels of all outputs have shape {y.shape} and dtype {y.dtype}. Expected numbers of shape (n, "
                f"{columns}), with the columns of each output in the order of the outputs: {described}. Give 'y_NAME' "
                "for each output in the .npz file, a column of a table for each (label = [...]), or such a 'y'; make "
                "numbers of the names of classes with numpy.unique(y, return_inverse=True), and of one-hot rows "
                "with y.argmax(axis=1)."
            )
        parts = [np.asarray(head.task.check(part)).reshape(len(y), -1) for head, part in self.labels(y)]
        return np.ascontiguousarray(np.concatenate(parts, axis=1), np.float32)

    def classes(self, y: np.ndarray) -> tuple[str, ...]:
        """Returns nothing: of several outputs, numbers are the names."""
        return ()

    def num_outputs(self, y: np.ndarray) -> int:
        """Returns how many numbers all outputs have together."""
        return sum(head.width for head in self.heads)

    def labels(self, y: Any) -> list[tuple[Head, Any]]:
        """Returns each output with its labels, (n,) of classes and single numbers, else (n, k).

        Args:
            y: (n, columns), an array or a tensor.
        """
        ends = np.cumsum([head.columns for head in self.heads]).tolist()
        parts = []
        for head, end in zip(self.heads, ends, strict=True):
            flat = head.columns == 1 and head.task.name != "multilabel"
            parts.append((head, y[:, end - 1] if flat else y[:, end - head.columns : end]))
        return parts

    def outputs(self, outputs: Any) -> list[Any]:
        """Returns what each output says, (n, width), of what they say side by side, an array or a tensor."""
        ends = np.cumsum([head.width for head in self.heads]).tolist()
        return [outputs[:, end - head.width : end] for head, end in zip(self.heads, ends, strict=True)]

    def loss(self, outputs: Any, y: Any) -> Any:
        """Returns the weighted sum of the outputs' losses, float32 (b,)."""
        from keras import ops

        parts = zip(self.outputs(ops.convert_to_tensor(outputs)), self.labels(ops.convert_to_tensor(y)), strict=True)
        losses = [head.weight * head.task.loss(part, labels) for part, (head, labels) in parts if head.weight]
        return sum(losses[1:], start=losses[0])

    def statistic(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns the number whose logistic loss is the weighted sum of the outputs' losses, float32 (n,)."""
        losses = np.zeros(len(y))
        for part, (head, labels) in zip(self.outputs(np.asarray(outputs)), self._checked(y), strict=True):
            losses += head.weight * np.logaddexp(0.0, -head.task.statistic(part, labels).astype(np.float64))
        return statistic_of(losses)

    def correct(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns whether an example is right in all outputs."""
        parts = zip(self.outputs(np.asarray(outputs)), self._checked(y), strict=True)
        right: np.ndarray = np.all([head.task.correct(part, labels) for part, (head, labels) in parts], axis=0)
        return right

    def by_output(self, outputs: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Returns of each output, in their order, the `losses`, float32, and what is `correct`, both (n, outputs)."""
        parts = [
            (head.task.statistic(part, labels).astype(np.float64), head.task.correct(part, labels))
            for part, (head, labels) in zip(self.outputs(np.asarray(outputs)), self._checked(y), strict=True)
        ]
        statistics, correct = zip(*parts, strict=True)
        losses = np.logaddexp(0.0, -np.stack(statistics, axis=1))
        return {"losses": losses.astype(np.float32), "correct": np.stack(correct, axis=1)}

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Returns the strata of the first output."""
        return self.strata_by_output(y)[0]

    def strata_by_output(self, y: np.ndarray) -> list[np.ndarray]:
        """Returns the strata of each output, int32 (n,) each."""
        return [head.task.strata(labels) for head, labels in self._checked(y)]

    def constant_accuracy(self, y: np.ndarray) -> float:
        """Returns the least accuracy of an output's best constant answer: in all outputs at once it is no higher."""
        return min(head.task.constant_accuracy(labels) for head, labels in self._checked(y))

    def _checked(self, y: np.ndarray) -> list[tuple[Head, np.ndarray]]:
        """Returns each output with its labels in the dtype of its task."""
        return [(head, head.task.check(labels)) for head, labels in self.labels(np.asarray(y))]
