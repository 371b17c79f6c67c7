"""Accuracies on the four sets."""

from __future__ import annotations

import numpy as np

from kit.types import Comparison, Outputs, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "retain_accuracy",
        "up",
        "share of retained training examples that the model gets right",
        heading="accuracy\nretain",
        table="runs",
        column=1,
    ),
    ScoreInfo(
        "forget_accuracy",
        "match_retrain",
        "the same for the forget set: neither high nor low is good, retrain's is",
        heading="accuracy\nforget",
        table="runs",
        column=2,
    ),
    ScoreInfo(
        "validation_accuracy",
        "up",
        "the same for the validation set, which the method was handed",
        heading="accuracy\nvalid.",
        table="runs",
        column=3,
    ),
    ScoreInfo(
        "test_accuracy",
        "up",
        "the same for the test set, which no method sees",
        heading="accuracy\ntest",
        table="runs",
        column=4,
    ),
    ScoreInfo(
        "forgotten_class_accuracy",
        "match_retrain",
        "the same for the test examples of classes forgotten altogether",
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


def variance_of_mean(values: np.ndarray) -> float:
    """Returns the variance of the mean of `values` (models,), estimated from their spread; 0 for a single one."""
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else 0.0


def correct_of_interest(outputs: Outputs, part: str) -> np.ndarray:
    """Returns `outputs.correct[part]`, booleans (models, examples), of all that the model is to know.

    Where a class is forgotten altogether, validation and test examples of that class are left out, as is usual
    (Jia et al., Model sparsity can simplify machine unlearning, NeurIPS 2023): that a model no longer knows them is
    what was wanted.
    """
    correct, is_known = outputs.correct[part], ~_forgotten_class(outputs, part)
    return correct if part in ("retain", "forget") or not is_known.any() else correct[:, is_known]


def accuracies(outputs: Outputs, part: str) -> np.ndarray:
    """Returns the accuracy of each model on what `correct_of_interest` has of a part, float64 (models,)."""
    each: np.ndarray = correct_of_interest(outputs, part).mean(axis=1)
    return each


def _forgotten_class(outputs: Outputs, part: str) -> np.ndarray:
    forgotten_classes = np.setdiff1d(outputs.labels["forget"], outputs.labels["retain"])
    forgotten: np.ndarray = np.isin(outputs.labels[part], forgotten_classes)
    return forgotten


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares; `test_accuracy` is that of the classes that are not forgotten."""
    unlearned, retrained = comparison.unlearned, comparison.retrained
    scores = []
    for info in SCORES[:-1]:
        part = info.name.removesuffix("_accuracy")
        value, stderr = accuracy_with_stderr(correct_of_interest(unlearned, part))
        matches = info.direction == "match_retrain"
        target = float(comparison.once(accuracies, retrained, part).mean()) if matches else None
        scores.append(Score(info.name, value, stderr, info.direction, target))
    return [*scores, _forgotten_class_score(unlearned, retrained)]


def _forgotten_class_score(unlearned: Outputs, retrained: Outputs) -> Score:
    name, direction, where = SCORES[-1].name, SCORES[-1].direction, _forgotten_class(unlearned, "test")
    if not where.any():
        return Score(name, None, None, direction, reason="no class that the test set has is forgotten altogether")
    value, stderr = accuracy_with_stderr(unlearned.correct["test"][:, where])
    return Score(name, value, stderr, direction, float(retrained.correct["test"][:, where].mean()))
