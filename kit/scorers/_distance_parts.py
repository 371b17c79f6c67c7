"""What a distance to retraining is made of, from arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kit.rules import HARM
from kit.scorers._resampling import interval_of
from kit.scorers.accuracy import accuracies
from kit.scorers.lira import CLIP, FLOOR
from kit.types import Outputs

# Of which accuracy is not to be lost. The test set is in no part of the distance: a search goes by it as well.
KEPT = ("retain", "validation")
# Unlearned models, from which on what a method did to an example is told from their luck on it.
ENOUGH = 4


@dataclass(frozen=True)
class Distance:
    """A distance to retraining by its parts, which add up.

    Args:
        shift: squared distance of the confidences' means, in variances from training to training; what the finite
            numbers of models add to it is taken off, so that it is 0 on average for retrained models, and may be below.
        spread: squared excess of the standard deviation over that of retrained models, in theirs.
        lost: squared accuracy lost beyond the noise of retraining, in `kit.rules.HARM`, of `KEPT` together.
    """

    shift: float
    spread: float
    lost: float

    @property
    def total(self) -> float:
        """The criterion."""
        return self.shift + self.spread + self.lost


@dataclass(frozen=True)
class Side:
    """What is looked at of one side's models.

    Args:
        confidences: on the forget set, clipped, float64 (models, examples).
        correct: by part of `KEPT`, the accuracy of each model, float64 (models,).
        sizes: by part, the number of examples that these are of.
    """

    confidences: np.ndarray
    correct: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, outputs: Outputs) -> Side:
        """Reads what models said, of the parts retain, forget and validation."""
        confidences = np.clip(outputs.confidences["forget"].astype(np.float64), -CLIP, CLIP)
        correct = {part: accuracies(outputs, part) for part in KEPT}
        return cls(confidences, correct, {part: len(outputs.labels[part]) for part in KEPT})

    def select(self, models: np.ndarray) -> Side:
        """Returns some of the models, by int64 indices."""
        correct = {part: accuracy[models] for part, accuracy in self.correct.items()}
        return Side(self.confidences[models], correct, self.sizes)

    def moved(self, other: Side, model: int, factor: float) -> Side:
        """Returns the models, each moved by a multiple of what one model of another side is off that side's mean."""
        confidences = self.confidences + factor * (other.confidences[model] - other.confidences.mean(axis=0))
        correct = {
            part: accuracy + factor * (other.correct[part][model] - other.correct[part].mean())
            for part, accuracy in self.correct.items()
        }
        return Side(confidences, correct, self.sizes)


def distance_of(unlearned: Side, retrained: Side) -> Distance:
    """Returns the distance of one model or more from two or more retrained ones."""
    compare = _by_example if len(unlearned.confidences) >= ENOUGH else _by_model
    shift, spread = compare(unlearned.confidences, retrained.confidences)
    return Distance(shift, spread, sum(_lost(unlearned, retrained, part) for part in KEPT))


def unit(retrained: np.ndarray) -> float:
    """Returns the variance from training to training, a mean over examples, of confidences (models, examples)."""
    return max(float(retrained.var(axis=0, ddof=1).mean()), FLOOR**2)


def _by_example(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[float, float]:
    """Shift and spread of several models, each example compared by itself."""
    ours, theirs = (float(side.var(axis=0, ddof=1).mean()) for side in (unlearned, retrained))
    apart = float(((unlearned.mean(axis=0) - retrained.mean(axis=0)) ** 2).mean())
    by_luck = ours / len(unlearned) + theirs / len(retrained)
    excess, whole = max(0.0, float(np.sqrt(ours) - np.sqrt(theirs))), unit(retrained)
    return (apart - by_luck) / whole, excess**2 / whole


def _by_model(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[float, float]:
    """Shift and spread of few models: of the mean over all examples, and from example to example."""
    whole = unit(retrained)
    off = unlearned - retrained.mean(axis=0)
    common = float(retrained.mean(axis=1).var(ddof=1))  # of the variance, what examples have in common
    shift = float(off.mean()) ** 2 - common * (1 / len(unlearned) + 1 / len(retrained))
    around, usual = float(off.var(axis=1).mean()), max(0.0, whole - common) * (1 + 1 / len(retrained))
    excess = max(0.0, float(np.sqrt(around) - np.sqrt(usual)))
    return shift / whole, excess**2 / whole


def _lost(unlearned: Side, retrained: Side, part: str) -> float:
    """Squared loss of accuracy. Only the retrained models say what noise is: else a method's own would excuse it."""
    ours, theirs = unlearned.correct[part], retrained.correct[part]
    by_chance = 0.5 / unlearned.sizes[part]  # of models that agree by chance
    stderr = max(float(theirs.std(ddof=1)), by_chance) * float(np.sqrt(1 / len(ours) + 1 / len(theirs)))
    _, least = interval_of(float(ours.mean() - theirs.mean()), stderr, len(theirs) - 1)
    return min(0.0, least / HARM) ** 2
