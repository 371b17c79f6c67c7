"""U-LiRA: can the best guess about one forget example at a time tell an unlearned from a retrained model?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kit.scorers._cross_fit import GROUPS_EACH, Jackknife, binned_measures, counted, edges_of
from kit.scorers._ranks import auc_of_sorted
from kit.scorers._resampling import halves, interval_of, too_few_models
from kit.scorers._threads import blocks, in_threads
from kit.scorers.lira import CLIP, FLOOR, mean_auc
from kit.scorers.membership_inference import true_positive_rate
from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "ulira_accuracy",
        "match_retrain",
        "how often likelihood ratios, fitted to each forget example, tell unlearned from retrained models (ideal: 0.5)",
        heading="U-LiRA\naccuracy",
        table="populations",
        column=11,
    ),
    ScoreInfo(
        "ulira_auc",
        "match_retrain",
        "chance that the likelihood ratio of an unlearned model is above that of a retrained one (ideal: 0.5)",
        heading="U-LiRA\nAUC",
        table="populations",
        column=12,
    ),
    ScoreInfo(
        "ulira_tpr_at_1pct_fpr",
        "match_retrain",
        "unlearned models found, example by example, at a false positive rate of 1 % (ideal: 0.01)",
        heading="U-LiRA TPR\n1 % FPR",
        table="populations",
        column=13,
    ),
)
FALSE_POSITIVE_RATE = 0.01
# Whose confidences are clipped, fitted and judged at a time: half a megabyte of 512 models.
_EXAMPLES_AT_ONCE = 128
# Of unlearned models that nobody can tell from retrained ones, in the order of `SCORES`.
TARGETS = (0.5, 0.5, FALSE_POSITIVE_RATE)

Ratios = tuple[np.ndarray, np.ndarray]


def log_likelihood_ratios(unlearned: np.ndarray, retrained: np.ndarray, *, floor: float = FLOOR) -> Ratios:
    """Returns the log likelihood ratio, unlearned against retrained, of each model on each forget example.

    For each example, normals are fitted to the confidences of half of the models of either side, and the other half is
    told apart by them; then the halves change places. So no model is judged by what was fitted to it.

    Args:
        unlearned, retrained: logit-scaled confidences log p - log(1 - p), (models, examples), of 4 or more models on
            either side; clipped to +-100. Never whether the prediction is right: 0 and 1 have no normal distribution.
        floor: of the standard deviations, in the unit of the confidences.

    Returns:
        float64 (models, examples) of unlearned and of retrained models, even models first; the last of an odd number
        is left out. Above 0 the guess is "unlearned".

    Raises:
        ValueError: other examples on either side, or fewer than 4 models.

    Source: Hayes et al., Inexact unlearning needs more careful evaluations to avoid a false sense of privacy,
    arXiv 2403.01218. Differs from it: there the originals are shadow models, trained on random halves of the data, so
    that each example has models that unlearned it and models that never saw it, the unlearning algorithm having run on
    all of them. Here one original was trained on all, and the distributions are those of one forget set.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained = generator.normal(0, 1, (16, 100))
        >>> of_unlearned, of_retrained = log_likelihood_ratios(generator.normal(4, 1, (16, 100)), retrained)
        >>> bool((of_unlearned > 0).mean() > 0.9), bool((of_retrained > 0).mean() < 0.1)
        (True, True)
    """
    sides = [np.asarray(side, np.float64) for side in (unlearned, retrained)]
    if {side.ndim for side in sides} != {2} or len({side.shape[1] for side in sides}) != 1 or min(map(len, sides)) < 4:
        raise ValueError(
            f"The confidences of unlearned and retrained models have shapes {sides[0].shape} and {sides[1].shape}. "
            "Expected (models, examples) of the same examples, and 4 models or more on either side. Run a population."
        )
    cuts = [halves(len(side)) for side in sides]
    first, second = (
        _fold(sides, [cut[1 - half] for cut in cuts], [cut[half] for cut in cuts], floor) for half in (0, 1)
    )
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def ulira_accuracy(ratios: Ratios) -> float:
    """Returns the share of (model, example) told right by the sign of the log likelihood ratio, 0 counting half.

    Args:
        ratios: as `log_likelihood_ratios` returns them; both sides weigh the same.

    Example:
        >>> ulira_accuracy((np.array([[1.0, -1.0]]), np.array([[-2.0, 0.0]])))
        0.625
    """
    right = [(np.sign(side).mean() + 1) / 2 for side in ratios]
    return float((right[0] + 1 - right[1]) / 2)


def ulira_auc(ratios: Ratios) -> float:
    """Returns the AUC over all (model, example), pooled: of unlearned models against retrained, ties half.

    Args:
        ratios: what `log_likelihood_ratios` returned.

    Example:
        >>> ulira_auc((np.array([[1.0, -1.0]]), np.array([[-2.0, -3.0]])))
        1.0
    """
    return mean_auc(ratios[0].reshape(1, -1), ratios[1].reshape(1, -1))


def ulira_true_positive_rate(ratios: Ratios, *, false_positive_rate: float = FALSE_POSITIVE_RATE) -> float:
    """Returns the share of (model, example) of unlearned models above a threshold that few retrained ones exceed.

    Args:
        ratios: what `log_likelihood_ratios` returned.
        false_positive_rate: share of the retrained models' that may exceed the threshold, in (0, 1].

    Returns:
        A float in [0, 1].

    Example:
        >>> ulira_true_positive_rate((np.array([[5.0, 0.0]]), np.arange(100.0)[np.newaxis] / 100))
        0.5
    """
    unlearned, retrained = (-side.ravel() for side in ratios)
    return true_positive_rate(unlearned, retrained, false_positive_rate=false_positive_rate)


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares, of the whole forget set and of as many models on either side.

    The standard errors are those over new trainings on the same split; see `Jackknife`.
    """
    sides = comparison.unlearned, comparison.retrained
    reason = too_few_models(*(side.num_models for side in sides))
    if reason:
        return [Score(info.name, None, None, info.direction, reason=reason) for info in SCORES]
    number = min(side.num_models for side in sides)
    number -= number % 2
    confidences, cut = [side.confidences["forget"][:number] for side in sides], halves(number)
    folds = [_fold(confidences, [cut[1 - half]] * 2, [cut[half]] * 2) for half in (0, 1)]
    values, jackknife = _sorted_measures(*zip(*folds, strict=True)), _jackknife(confidences, folds)
    scores = []
    for info, value, target, variance in zip(SCORES, values, TARGETS, jackknife.variance(), strict=True):
        stderr = float(np.sqrt(variance))
        interval = interval_of(value, stderr, jackknife.degrees)
        gap_interval = interval[0] - target, interval[1] - target
        score = Score(info.name, value, stderr, info.direction, target, interval=interval)
        scores.append(replace(score, gap_stderr=stderr, gap_interval=gap_interval))
    num_examples = len(comparison.retrained.labels["forget"])
    if FALSE_POSITIVE_RATE * number * num_examples < 10:
        why = f"1 % of {number} retrained models times {num_examples} examples is fewer than 10"
        scores[2] = Score(
            SCORES[2].name, None, None, SCORES[2].direction, reason=f"{why}: too few to set a threshold by"
        )
    return scores


def _jackknife(sides: Sequence[np.ndarray], folds: Sequence[Ratios]) -> Jackknife:
    """Leaves out groups of models of either half, and pairs of them.

    Args:
        sides: confidences of unlearned and of retrained models, (models, examples), as even a number of either.
        folds: their ratios; of the models of the first half first.
    """
    cut = halves(len(sides[0]))
    size = len(cut[0])
    groups = min(GROUPS_EACH, size)
    edges = edges_of(np.concatenate([ratios.ravel() for fold in folds for ratios in fold]))

    def counts_of(fold: Ratios) -> np.ndarray:
        return np.stack([counted(ratios, edges, groups) for ratios in fold])

    def refitted(task: tuple[int, int]) -> np.ndarray:
        half, group = task  # the other half is judged without this group among the fitted
        kept = cut[half][np.arange(size) % groups != group]
        return counts_of(_fold(sides, [kept] * 2, [cut[1 - half]] * 2))

    tasks = [(half, group) for half in (0, 1) for group in range(groups)]
    counts = np.reshape(in_threads(refitted, tasks), (2, groups, 2, groups, -1))
    judged = np.stack([counts_of(fold) for fold in folds])  # (half that is judged, side, groups, bins)

    def measured(judged_first: np.ndarray, judged_second: np.ndarray) -> np.ndarray:
        together = judged_first + judged_second
        return binned_measures(together[..., 0, :], together[..., 1, :], edges, FALSE_POSITIVE_RATE)

    total = judged.sum(axis=2)
    spared = total[:, :, np.newaxis] - judged  # without judging a group
    of_group = spared.swapaxes(1, 2)  # (half, group, side, bins)
    fitted_without = counts.sum(axis=3)  # (half, group, side, bins)
    without = np.stack([measured(of_group[half], fitted_without[half]) for half in (0, 1)])
    # Counts of one half, fitted without group g of the other and judged without group h of its own: (g, h, side, bins).
    of_second, of_first = ((counts[half].sum(axis=2, keepdims=True) - counts[half]).swapaxes(1, 2) for half in (0, 1))
    without_two = measured(of_first.swapaxes(0, 1), of_second)
    return Jackknife(measured(total[0], total[1]), without, without_two)


def _sorted_measures(unlearned: Sequence[np.ndarray], retrained: Sequence[np.ndarray]) -> list[float]:
    """`ulira_accuracy`, `ulira_auc` and `ulira_true_positive_rate` of both halves' ratios, from one sort a side."""
    ours, theirs = (np.sort(np.concatenate([fold.ravel() for fold in side])) for side in (unlearned, retrained))
    right = [
        1 - (np.searchsorted(side, 0, "left") + np.searchsorted(side, 0, "right")) / (2 * len(side))
        for side in (ours, theirs)
    ]
    threshold = theirs[-1 - int(np.floor(FALSE_POSITIVE_RATE * len(theirs) + 1e-9))]
    true_positive_rate = 1 - np.searchsorted(ours, threshold, "right") / len(ours)
    return [float(right[0] + 1 - right[1]) / 2, auc_of_sorted(ours, theirs), float(true_positive_rate)]


def _fold(
    sides: Sequence[np.ndarray], fitted: Sequence[np.ndarray], judged: Sequence[np.ndarray], floor: float = FLOOR
) -> Ratios:
    """Log likelihood ratios of the models judged by normals of those fitted: indices of models of either side."""
    ratios = [np.empty((len(models), side.shape[1])) for side, models in zip(sides, judged, strict=True)]
    for examples in blocks(sides[0].shape[1], _EXAMPLES_AT_ONCE):
        values = [np.clip(side[:, examples].astype(np.float64), -CLIP, CLIP) for side in sides]
        (mean_ours, spread_ours), (mean_theirs, spread_theirs) = (
            _fit_normals(side[models], floor) for side, models in zip(values, fitted, strict=True)
        )
        shift = np.log(spread_theirs / spread_ours)
        for ratio, side, models in zip(ratios, values, judged, strict=True):
            from_theirs = ((side[models] - mean_theirs) / spread_theirs) ** 2
            from_theirs -= ((side[models] - mean_ours) / spread_ours) ** 2
            ratio[:, examples] = shift + from_theirs / 2
    return ratios[0], ratios[1]


def _fit_normals(confidences: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each example, (examples,)."""
    return confidences.mean(axis=0), np.maximum(confidences.std(axis=0, ddof=1), floor)
