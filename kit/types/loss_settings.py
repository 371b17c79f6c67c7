"""What a training's loss has besides the task's own: weights of classes, and smoothed labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kit.types.errors import InputError

BALANCED = "balanced"


@dataclass(frozen=True)
class LossSettings:
    """How the loss of a classification differs from the plain cross-entropy.

    Args:
        class_weights: what an example of a class counts, by the class's name as in the data; classes that are not in it
            count 1. `balanced`: all classes together count the same, and an example 1 on average, as in scikit-learn.
        label_smoothing: share of a label that is spread over all classes, in [0, 1), as in Keras.

    Raises:
        InputError: a weight that is negative or no number, or a share outside its range.

    Example:
        >>> LossSettings({">50K": 3.0}).is_plain, LossSettings().is_plain
        (False, True)
    """

    class_weights: Mapping[str, float] | Literal["balanced"] = field(default_factory=dict)
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        weights = self.class_weights
        sound = weights == BALANCED or (
            isinstance(weights, Mapping) and all(map(_is_number, weights.values())) and min([0, *weights.values()]) >= 0
        )
        if not sound or not _is_number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
            raise InputError(
                f"The loss has class_weights = {weights!r:.60} and label_smoothing = {self.label_smoothing!r:.20}. "
                "Expected a weight >= 0 for each class's name or 'balanced', and a share >= 0 and below 1. Correct the "
                "value that is outside."
            )

    @property
    def is_plain(self) -> bool:
        """Whether it is the plain cross-entropy, with neither weights nor smoothing."""
        return not self.class_weights and not self.label_smoothing


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
