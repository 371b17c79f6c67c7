"""Two summaries of how near a method comes to retraining: the tug-of-war and the average gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kit.scorers.accuracy import accuracies
from kit.scorers.svc_mia import confidence, no_logits, nonmember_predictions
from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "tug_of_war",
        "up",
        "product of 1 - distance to the retrained models in forget, retain and test accuracy; 1 where all agree",
        relative=True,
        heading="tug of\nwar",
        table="distances",
        column=6,
        rank=3,
    ),
    ScoreInfo(
        "average_gap",
        "down",
        "mean distance to the retrained models in forget, retain and test accuracy and SVC-MIA efficacy "
        "(SalUn's, not in percent)",
        relative=True,
        heading="average\ngap",
        table="distances",
        column=5,
        rank=2,
    ),
)
PARTS = ("forget", "retain", "test")


def tug_of_war(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """Returns the product of `1 - |accuracy - retrained accuracy|`.

    Args:
        unlearned, retrained: accuracies in [0, 1], a mean over models each, on forget, retain and test set.

    Returns:
        A float in [0, 1]; 1 is best.

    Source: Zhao et al., What makes unlearning hard and what to do about it, NeurIPS 2024 (RUM).

    Example:
        >>> round(tug_of_war(np.array([0.9, 1.0, 0.7]), np.array([0.7, 1.0, 0.8])), 6)
        0.72
    """
    _check(unlearned, retrained)
    return float(np.prod(1 - np.abs(np.subtract(unlearned, retrained))))


def average_gap(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """Returns the mean distance of some measures from the retrained models'.

    Args:
        unlearned, retrained: measures in [0, 1], a mean over models each: accuracies on forget, retain and test set,
            and the share of the forget set that `svc_mia_efficacy` counts.

    Returns:
        A float in [0, 1]; 0 is best.

    Source: Fan et al., SalUn, ICLR 2024, in percent there. With their means over seeds: the mean is inside the
    distance, so that seeds on either side of retraining cancel out.

    Example:
        >>> round(average_gap(np.array([0.99, 1.0, 0.94, 0.03]), np.array([0.95, 1.0, 0.94, 0.13])), 6)
        0.035
    """
    _check(unlearned, retrained)
    return float(np.abs(np.subtract(unlearned, retrained)).mean())


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares.

    Standard errors over models, by the delta method. A single unlearned model is taken to vary as much as a retrained
    one. Examples are taken as given: both sides are measured on the same, whose luck cancels out.
    """
    sides = comparison.unlearned, comparison.retrained
    measured = [np.stack([comparison.once(accuracies, side, part) for part in PARTS]) for side in sides]
    unlearned, retrained = (side.mean(axis=1) for side in measured)
    factors, signs = 1 - np.abs(unlearned - retrained), _signs(unlearned - retrained)
    slopes = -signs * np.array([np.delete(factors, part).prod() for part in range(len(PARTS))])
    stderr = _delta_stderr(*(slopes @ side for side in measured))
    return [
        Score("tug_of_war", tug_of_war(unlearned, retrained), stderr, "up"),
        _average_gap_score(comparison, measured),
    ]


def _average_gap_score(comparison: Comparison, measured: Sequence[np.ndarray]) -> Score:
    sides = comparison.unlearned, comparison.retrained
    efficacies = [comparison.once(nonmember_predictions, side, confidence).mean(axis=1) for side in sides]
    reason = no_logits(*map(len, efficacies))
    if reason:
        return Score("average_gap", None, None, "down", reason=reason)
    unlearned, retrained = (
        np.append(side.mean(axis=1), attacked.mean()) for side, attacked in zip(measured, efficacies, strict=True)
    )
    slopes = _signs(unlearned - retrained) / len(unlearned)
    contributions = []
    for side, attacked in zip(measured, efficacies, strict=True):
        # Only the first models have an efficacy. Of the mean over all of them, theirs are so much larger a part.
        contribution = slopes[:-1] @ side
        of_mean = contribution.mean() + slopes[-1] * attacked.mean()
        contribution = contribution - contribution.mean()
        contribution[: len(attacked)] += slopes[-1] * (attacked - attacked.mean()) * (side.shape[1] / len(attacked))
        contributions.append(contribution + of_mean)
    return Score("average_gap", average_gap(unlearned, retrained), _delta_stderr(*contributions), "down")


def _delta_stderr(unlearned: np.ndarray, retrained: np.ndarray) -> float | None:
    """Returns the standard error of the difference of mean contributions; None without two retrained models."""
    if len(retrained) < 2:
        return None
    spread = np.var(unlearned if len(unlearned) > 1 else retrained, ddof=1)
    return float(np.sqrt(spread / len(unlearned) + np.var(retrained, ddof=1) / len(retrained)))


def _signs(gaps: np.ndarray) -> np.ndarray:
    """Returns the signs, 1 at 0 too: where a distance is 0 it varies nevertheless."""
    return np.where(gaps >= 0, 1.0, -1.0)


def _check(unlearned: np.ndarray, retrained: np.ndarray) -> None:
    sides = np.asarray(unlearned, np.float64), np.asarray(retrained, np.float64)
    inside = all(side.ndim == 1 and side.size and bool(((side >= 0) & (side <= 1)).all()) for side in sides)
    if not inside or sides[0].shape != sides[1].shape:
        raise ValueError(
            f"The measures are {np.shape(unlearned)} and {np.shape(retrained)} numbers, unlearned and retrained. "
            "Expected one mean in [0, 1] for each set on either side, in one order. Divide percentages by 100."
        )
