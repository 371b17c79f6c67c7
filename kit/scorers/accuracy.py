"""Accuracies on the four sets."""

from __future__ import annotations

import numpy as np

from kit.scorers._gap import Gap, gap_of_means
from kit.types import Comparison, Outputs, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "retain_accuracy",
        "up",
        "share of the retain set that the model gets right",
        heading="accuracy\nretain",
        table="runs",
        column=1,
    ),
    ScoreInfo(
        "forget_accuracy",
        "match_retrain",
        "share of the forget set that the model gets right: should match the target, not be as low as possible",
        heading="accuracy\nforget",
        table="runs",
        column=2,
    ),
    ScoreInfo(
        "validation_accuracy",
        "up",
        "share of the validation set, which methods are handed, that the model gets right",
        heading="accuracy\nvalid.",
        table="runs",
        column=3,
    ),
    ScoreInfo(
        "test_accuracy",
        "up",
        "share of the test set, which no method sees, that the model gets right",
        heading="accuracy\ntest",
        table="runs",
        column=4,
    ),
    ScoreInfo(
        "forgotten_class_accuracy",
        "match_retrain",
        "share of the test examples of classes forgotten altogether that the model gets right",
        heading="accuracy\nforgotten class",
        table="runs",
        column=5,
        optional=True,
    ),
)


def accuracy_with_stderr(correct: np.ndarray) -> tuple[float, float]:
    """Returns the mean accuracy and its standard error over examples and, with several models, over seeds.

    The part over examples counts two half observations besides the data, one right and one wrong (for one model this
    is the standard deviation under Jeffreys' prior), so that 100 % on a finite sample is not taken for certainty.

    Args:
        correct: booleans (models, examples).

    Returns:
        Two floats in [0, 1].

    Example:
        >>> accuracy, stderr = accuracy_with_stderr(np.array([[True] * 90 + [False] * 10]))
        >>> accuracy, round(stderr, 3)
        (0.9, 0.03)
    """
    per_example = np.asarray(correct).mean(axis=0, dtype=np.float64)
    count = len(per_example) + 1
    mean = (per_example.sum() + 0.5) / count
    variance = ((per_example**2).sum() + 0.5) / count - mean**2
    over_examples = variance / (count + 1)
    return float(per_example.mean()), float(np.sqrt(over_examples + variance_of_mean(correct.mean(axis=1))))


def accuracy_gap(unlearned: np.ndarray, retrained: np.ndarray) -> Gap:
    """Returns by how much unlearned models are righter than retrained ones on the same examples, with its noise.

    Paired by example: what makes the examples easy or hard is the same on both sides. The error is that over new
    trainings on these examples; half an observation on either side stands for what never happened. With a single
    retrained model it is that over examples.

    Args:
        unlearned, retrained: booleans (models, examples), of the same examples.

    Example:
        >>> examples = np.arange(100)
        >>> gap = accuracy_gap(np.array([examples < 90, examples < 88]), np.array([examples < 80, examples < 82]))
        >>> round(gap.value, 3), round(gap.stderr, 3)
        (0.08, 0.014)
    """
    sides = [np.asarray(side) for side in (unlearned, retrained)]
    difference = sides[0].mean(axis=0, dtype=np.float64) - sides[1].mean(axis=0, dtype=np.float64)
    least = float(np.hypot(0.5 / sides[0].size, 0.5 / sides[1].size))
    means = [side.mean(axis=1, dtype=np.float64) for side in sides]
    return gap_of_means(means[0], means[1], float(np.sqrt(variance_of_mean(difference))), least)


def score_with_gap(info: ScoreInfo, unlearned: np.ndarray, retrained: np.ndarray) -> Score:
    """Returns a share of examples as a `Score`, held against the retrained models'.

    The value's standard error is that of `accuracy_with_stderr`, over trainings and over examples as drawn.

    Args:
        info: of the score.
        unlearned, retrained: booleans (models, examples), as for `accuracy_gap`.
    """
    value, stderr = accuracy_with_stderr(unlearned)
    gap, target = accuracy_gap(unlearned, retrained), float(retrained.mean())
    return Score(info.name, value, stderr, info.direction, target, gap_stderr=gap.stderr, gap_interval=gap.interval)


def variance_of_mean(values: np.ndarray) -> float:
    """Returns the variance of a mean, estimated from the spread of its values.

    Args:
        values: (models,).

    Returns:
        A float; 0 for a single value.
    """
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else 0.0


def correct_of_interest(outputs: Outputs, part: str) -> np.ndarray:
    """Returns which predictions of a part are right, without those for a class that is forgotten altogether.

    Validation and test examples of such a class are left out, as is usual (Jia et al., Model sparsity can simplify
    machine unlearning, NeurIPS 2023): the model is supposed to have lost them.

    Args:
        outputs: of models.
        part: `retain`, `forget`, `validation` or `test`.

    Returns:
        Booleans (models, examples).
    """
    correct, is_known = outputs.correct[part], ~_forgotten_class(outputs, part)
    return correct if part in ("retain", "forget") or not is_known.any() else correct[:, is_known]


def accuracies(outputs: Outputs, part: str) -> np.ndarray:
    """Returns the accuracy of each model on what `correct_of_interest` has of a part.

    Args:
        outputs: of models.
        part: `retain`, `forget`, `validation` or `test`.

    Returns:
        float64 (models,), in [0, 1].
    """
    each: np.ndarray = correct_of_interest(outputs, part).mean(axis=1)
    return each


def _forgotten_class(outputs: Outputs, part: str) -> np.ndarray:
    forgotten_classes = np.setdiff1d(outputs.labels["forget"], outputs.labels["retain"])
    forgotten: np.ndarray = np.isin(outputs.labels[part], forgotten_classes)
    return forgotten


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares; `test_accuracy` is that of the classes that are not forgotten.

    Each is held against the retrained models', those too that should be as high as can be: what these have is the most
    to be expected of an unlearned model, and that tells a loss from what the examples are like.
    """
    sides = comparison.unlearned, comparison.retrained
    parts = [(info, info.name.removesuffix("_accuracy")) for info in SCORES[:-1]]
    scores = [score_with_gap(info, *(correct_of_interest(side, part) for side in sides)) for info, part in parts]
    return [*scores, _forgotten_class_score(*sides)]


def _forgotten_class_score(unlearned: Outputs, retrained: Outputs) -> Score:
    info, where = SCORES[-1], _forgotten_class(unlearned, "test")
    if not where.any():
        reason = "no class that the test set has is forgotten altogether"
        return Score(info.name, None, None, info.direction, reason=reason)
    return score_with_gap(info, unlearned.correct["test"][:, where], retrained.correct["test"][:, where])
