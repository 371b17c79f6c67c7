"""What a distance to retraining is made of, from arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kit.rules import HARM
from kit.scorers._resampling import interval_of
from kit.scorers.accuracy import accuracies
from kit.scorers.lira import CLIP, FLOOR
from kit.types import Outputs

# The examples that were trained on and are to be forgotten, and those that nobody has trained on. Never the test set: a
# search goes by the distance as well.
FORGET, UNSEEN = "forget", "validation"
# Of which accuracy is not to be lost.
KEPT = ("retain", "validation")


@dataclass(frozen=True)
class Distance:
    """A distance to retraining by its parts, which add up.

    Args:
        trace: by how much more than on unseen examples, and than a retrained model, a model is off the retrained
            models' mean on the forget set: a mean square, in variances from training to training.
        lost: squared accuracy lost beyond the noise of retraining, in `kit.rules.HARM`, of `KEPT` together.
    """

    trace: float
    lost: float

    @property
    def total(self) -> float:
        """The criterion."""
        return self.trace + self.lost


@dataclass(frozen=True)
class Side:
    """What is looked at of one side's models.

    Args:
        confidences: clipped, on `FORGET` and on `UNSEEN`, float64 (models, examples).
        accuracies: of each model on each part of `KEPT`, float64 (models,).
        sizes: by part of `KEPT`, the number of examples that these are of.
    """

    confidences: Mapping[str, np.ndarray]
    accuracies: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, outputs: Outputs) -> Side:
        """Reads what models said of the parts retain, forget and validation."""
        clipped = {
            part: np.clip(outputs.confidences[part].astype(np.float64), -CLIP, CLIP) for part in (FORGET, UNSEEN)
        }
        measured = {part: accuracies(outputs, part) for part in KEPT}
        return cls(clipped, measured, {part: len(outputs.labels[part]) for part in KEPT})

    @property
    def num_models(self) -> int:
        """How many models there are."""
        return len(self.confidences[FORGET])

    def select(self, models: np.ndarray) -> Side:
        """Returns some of the models, by int64 indices."""
        return self._map(lambda values: values[models])

    def deviation(self, model: int) -> Side:
        """Returns by how much a model is off the mean of all, larger by what it has moved the mean itself."""
        factor = np.sqrt(self.num_models / (self.num_models - 1))
        return self._map(lambda values: factor * (values[[model]] - values.mean(axis=0)))

    def moved(self, off: Side, sign: int) -> Side:
        """Returns the models, each moved by what a single one is off, or as far the other way."""
        confidences = {part: values + sign * off.confidences[part] for part, values in self.confidences.items()}
        measured = {part: values + sign * off.accuracies[part] for part, values in self.accuracies.items()}
        return Side(confidences, measured, self.sizes)

    def _map(self, function: Callable[[np.ndarray], np.ndarray]) -> Side:
        confidences, measured = (
            {part: function(values) for part, values in mapping.items()}
            for mapping in (self.confidences, self.accuracies)
        )
        return Side(confidences, measured, self.sizes)


def distance_of(unlearned: Side, retrained: Side) -> Distance:
    """Returns the distance of one model or more from two or more retrained ones."""
    forget, unseen = (_off(unlearned.confidences[part], retrained.confidences[part]) for part in (FORGET, UNSEEN))
    by_chance = _beyond(retrained.confidences[UNSEEN]) / float(np.sqrt(unlearned.num_models))
    trace = forget - min(1.0, unseen) - by_chance
    return Distance(trace, sum(_lost(unlearned, retrained, part) for part in KEPT))


def _off(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """Mean square by which models are off the retrained models' mean, in variances: 1 for a retrained model."""
    square = float(((unlearned - retrained.mean(axis=0)) ** 2).mean())
    return square / _variance(retrained) - 1 / len(retrained)  # by which the mean itself is off


def _beyond(retrained: np.ndarray) -> float:
    """By how much more than 1 a retrained model is off the others, 0 where it is not, on average."""
    number = len(retrained)
    squares = ((retrained - retrained.mean(axis=0)) ** 2).mean(axis=1) * number / (number - 1)
    return float(np.maximum(0.0, squares / _variance(retrained) - 1).mean())


def _variance(retrained: np.ndarray) -> float:
    """From training to training, a mean over examples."""
    return max(float(retrained.var(axis=0, ddof=1).mean()), FLOOR**2)


def _lost(unlearned: Side, retrained: Side, part: str) -> float:
    """Squared loss of accuracy. Only the retrained models say what noise is: else a method's own would excuse it."""
    ours, theirs = unlearned.accuracies[part], retrained.accuracies[part]
    by_chance = 0.5 / unlearned.sizes[part]  # of models that agree by chance
    stderr = max(float(theirs.std(ddof=1)), by_chance) * float(np.sqrt(1 / len(ours) + 1 / len(theirs)))
    _, least = interval_of(float(ours.mean() - theirs.mean()), stderr, len(theirs) - 1)
    return min(0.0, least / HARM) ** 2
