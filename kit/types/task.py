"""What a label is: the one idea that tells classification from regression, and whatever comes after them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

import numpy as np


class Task(Protocol):
    """All that the kit has to know of labels; `kit.tasks` has one file for each.

    Implementations are frozen dataclasses that can be pickled and compared: loops are compiled once for equal ones.
    They import NumPy only, and `keras.ops` within `loss`.

    Attributes:
        name: the field's word for it.
        keeps_logits: whether a model's outputs are logits of classes, for the scores that need all classes'
            probabilities. Where they are not, these scores are empty and say why.
        link: what makes predictions of a model's outputs, and so what a user's model may end in, which is taken off.
        constant: what a model does that gives the same answer for every example, as half a sentence.
        stratum: what a stratum is called.
    """

    name: ClassVar[str]
    keeps_logits: ClassVar[bool]
    link: ClassVar[Literal["softmax", "sigmoid", "identity"]]
    constant: ClassVar[str]
    stratum: ClassVar[str]

    def check(self, y: np.ndarray) -> np.ndarray:
        """Returns labels (n, ...) as the kit keeps them.

        Raises:
            InputError: they are no labels of this task.
        """
        ...

    def classes(self, y: np.ndarray) -> tuple[str, ...]:
        """Returns the names of the numbers that `check` makes of labels where these are others, else nothing."""
        ...

    def num_outputs(self, y: np.ndarray) -> int:
        """Returns how many numbers a model puts out for an example, for labels (n, ...) of all examples."""
        ...

    def loss(self, outputs: Any, y: Any) -> Any:
        """Returns the loss of each example, float32 (b,), at least 0, for tensors of outputs (b, k) and labels."""
        ...

    def statistic(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns what attacks look at, float32 (n,): larger for examples that a model fits better, unbounded.

        `log(1 + exp(-statistic))` is the example's loss: in classification this is the logit-scaled confidence.
        """
        ...

    def correct(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns whether each example's outputs are right, booleans (n,): what accuracies count."""
        ...

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Returns the stratum of each example, int32 (n,): what splits and matched non-members are balanced by."""
        ...

    def constant_accuracy(self, y: np.ndarray) -> float:
        """Returns the best accuracy of a model that gives the same answer for every example, in [0, 1]."""
        ...
