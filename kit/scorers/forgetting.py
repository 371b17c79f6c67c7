"""The score of the 2023 competition: how well one attacker an example tells unlearned from retrained models."""

from __future__ import annotations

import numpy as np

from kit.scorers._epsilons import PEAKY
from kit.scorers._forgetting_noise import (
    MOST_EXAMPLES_HALVED,
    PARTS_KEPT,
    ForgettingQuality,
    accuracy_ratio,
    forgetting_quality,
    points_among,
)
from kit.scorers._forgetting_points import (
    BIN_WIDTH,
    DELTA,
    example_epsilons,
    forgetting_score,
    guarded,
    logit_scaled_confidence,
    num_bins,
    points,
    score_by_num_models,
)
from kit.scorers._resampling import MIN_MODELS
from kit.scorers.accuracy import accuracies
from kit.types import Comparison, Outputs, Score, ScoreInfo

__all__ = [
    "BIN_WIDTH",
    "DELTA",
    "ForgettingQuality",
    "MOST_EXAMPLES_HALVED",
    "SCORES",
    "example_epsilons",
    "forgetting_quality",
    "forgetting_score",
    "guarded",
    "logit_scaled_confidence",
    "num_bins",
    "points",
    "score",
    "score_by_num_models",
]

SCORES = (
    ScoreInfo(
        "forgetting_score",
        "up",
        "NeurIPS 2023: per forget example, the best of about 160,000 threshold attacks gives an epsilon; a smaller one "
        "earns more points; mean over examples",
        heading="forgetting\nscore",
        table="populations",
        column=1,
        digits=4,
    ),
    ScoreInfo(
        "forgetting_ceiling",
        "up",
        "the score of retrained models against other retrained models, measured here: the most to be expected",
        heading="\nceiling",
        table="populations",
        column=2,
    ),
    ScoreInfo(
        "forgetting_score_normalised",
        "up",
        "the forgetting score divided by its ceiling; 1: as good as retraining",
        heading="normalised\nscore",
        table="populations",
        column=3,
    ),
    ScoreInfo(
        "competition_score",
        "up",
        "forgetting score times the accuracies on retain and test set, each over the retrained models'",
        heading="competition\nscore",
        table="populations",
        column=4,
        digits=4,
        rank=1,
    ),
)
# The table in the reference shows a shift of one deviation at 0.016 with 512 models, 0.024 with 256, 0.104 with 16.
FEW_MODELS = 256


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares; as many models as both sides have.

    The ceiling is of all retrained models: two samples of them without one in common, each as many as the method has
    models, or half of them where they are not twice as many; then a warning says so. Standard errors and intervals are
    over trainings and over examples as drawn, as the competition's score is a mean over examples.
    """
    count = min(comparison.unlearned.num_models, comparison.retrained.num_models)
    if count < MIN_MODELS:
        reason = f"{count} model{'s' * (count != 1)} on one side, and it takes {MIN_MODELS} to see a distribution"
        return [Score(info.name, None, None, info.direction, reason=reason) for info in SCORES]
    unlearned = guarded(comparison.unlearned.confidences["forget"][:count])
    retrained, among_retrained = comparison.once(_of_retrained, comparison.retrained, count)
    quality = forgetting_quality(unlearned, retrained, among_retrained=among_retrained)
    sides = comparison.unlearned, comparison.retrained
    ratio, ratio_variance = accuracy_ratio(
        *([comparison.once(accuracies, side, part)[:count] for part in PARTS_KEPT] for side in sides)
    )
    competition = quality.score * ratio
    competition_stderr = float(np.hypot(quality.stderr * ratio, competition * np.sqrt(ratio_variance)))
    values = (
        (quality.score, quality.stderr, quality.interval),
        (quality.ceiling, None, None),
        (quality.normalised, quality.normalised_stderr, None),
        (competition, competition_stderr, None),
    )
    warnings = _warnings(unlearned, retrained), (), _unequal(count, comparison.retrained.num_models), ()
    return [
        Score(info.name, value, stderr, info.direction, interval=interval, warnings=sentences)
        for info, (value, stderr, interval), sentences in zip(SCORES, values, warnings, strict=True)
    ]


def _of_retrained(retrained: Outputs, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Guarded confidences of the first models, and what so many of all earn against as many others."""
    confidences = guarded(retrained.confidences["forget"])
    return confidences[:count], points_among(confidences, count)


def _unequal(count: int, num_retrained: int) -> tuple[str, ...]:
    """What is to be said where there are too few retrained models for a ceiling with as many as the score has."""
    half = num_retrained // 2
    if half >= count:
        return ()
    return (
        f"The ceiling is what {half} retrained models get against {half} others, the score that of {count} against "
        f"{count}. For the same number in both, have {2 * count} retrained models (num_retrained in Python).",
    )


def _warnings(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[str, ...]:
    warnings = []
    if len(unlearned) < FEW_MODELS:
        warnings.append(
            f"With {len(unlearned)} models a side bad methods look better than they are: compare only scores of the "
            "same number of models, and use 512 (--num-models 512) for the competition's own."
        )
    ranges = [np.ptp(side, axis=0) for side in (unlearned, retrained)]
    alike = float((ranges[0] < PEAKY * ranges[1]).mean())
    if alike > 0.5:
        warnings.append(
            f"The unlearned models are nearly identical on {alike:.0%} of the forget examples. The competition "
            "compares distributions, so a deterministic method scores 0 however well it forgets."
        )
    return tuple(warnings)
