"""What a label is, one file a task: its check, its loss, what attacks look at, what is right, how a split is balanced.

A task imports NumPy, and `keras.ops` within its loss; it never sees a model. `kit.types.Task` says what it has to have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.tasks.classification import CLASSIFICATION, Classification
from kit.tasks.joint import Head, Joint
from kit.tasks.multilabel import MULTILABEL, MultiLabel
from kit.tasks.regression import Regression
from kit.types import InputError, Task
from kit.types.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "CLASSIFICATION",
    "MULTILABEL",
    "NAMES",
    "Classification",
    "Head",
    "Joint",
    "MultiLabel",
    "Regression",
    "get",
]

NAMES = ("classification", "multilabel", "regression", "absolute regression")


def get(name: str, y: np.ndarray) -> Task:
    """Returns the task of this name for these labels; `absolute regression` is one on the absolute error.

    Raises:
        InputError: there is none; near matches are shown.

    Example:
        >>> import numpy as np
        >>> get("regression", np.array([0.0, 8.0]))
        Regression(tolerance=2.0, error='squared')
    """
    if name == "classification":
        return CLASSIFICATION
    if name == "multilabel":
        return MULTILABEL
    if name in NAMES:
        return Regression.of(y, "absolute" if name == NAMES[-1] else "squared")
    hint = did_you_mean(name, NAMES, "Choose one of these.")
    raise InputError(f"There is no task '{name}'. Expected one of {', '.join(NAMES)}. {hint}")
