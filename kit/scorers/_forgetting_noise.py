"""How uncertain a forgetting score is, what it could be at most, and whether one method's is above another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.scorers._forgetting_points import DELTA, Bins, checked, example_epsilons, forgetting_score, guarded, points
from kit.scorers.accuracy import correct_of_interest, variance_of_mean
from kit.types import Outputs

# Random halves of the models, from which the noise is estimated, on at most so many examples.
NUM_HALVES, MOST_EXAMPLES_HALVED = 16, 1000


@dataclass(frozen=True)
class ForgettingQuality:
    """The forgetting score with its noise.

    Args:
        score: F, of all N models a side.
        stderr: its standard error, over models and forget examples.
        interval: 95 % of F's values if models and examples were drawn anew.
        ceiling: F of retrained against retrained models in disjoint halves, N / 2 a side.
        normalised: F of half of the unlearned against half of the retrained models, divided by the ceiling.
        normalised_stderr: of `normalised`.
        epsilons: float64 (examples,).
    """

    score: float
    stderr: float
    interval: tuple[float, float]
    ceiling: float
    normalised: float
    normalised_stderr: float
    epsilons: np.ndarray


def forgetting_quality(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    *,
    delta: float = DELTA,
    bins: Bins = "released",
    num_halves: int = NUM_HALVES,
    seed: int = 0,
) -> ForgettingQuality:
    """Returns the forgetting score, what it could be at most, and how uncertain it is.

    The score is a maximum over attackers, for which a bootstrap with replacement is wrong: repeated models make other
    maxima. Random halves, drawn without replacement on either side, vary as the whole does over draws of the models
    (half the models have twice the variance, half of which the whole has in common with them). Of that variance the
    part that is each example's own is in the variance over examples already, and is not counted twice.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side, 6 or more.
        delta, bins: as in `forgetting_score`.
        num_halves: random halves, >= 2.
        seed: of their draw.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained, shifted = generator.normal(5, 1.5, (64, 20)), generator.normal(8, 1.5, (64, 20))
        >>> quality = forgetting_quality(shifted, retrained)
        >>> quality.score < quality.interval[1] < quality.ceiling
        True
    """
    unlearned, retrained = checked(unlearned, retrained)
    num_models, num_examples = unlearned.shape
    epsilons = example_epsilons(unlearned, retrained, delta=delta)
    earned = points(epsilons, num_models, bins=bins)
    chosen = np.linspace(0, num_examples - 1, min(num_examples, MOST_EXAMPLES_HALVED)).astype(int)
    generator, half = np.random.default_rng(seed), num_models // 2
    of_method, of_retrain = [], []
    for _ in range(num_halves):
        first, second = np.split(generator.permutation(num_models)[: 2 * half], 2)
        some = unlearned[np.ix_(generator.permutation(num_models)[:half], chosen)]
        reference, others = retrained[np.ix_(first, chosen)], retrained[np.ix_(second, chosen)]
        of_method.append(points(example_epsilons(some, reference, delta=delta), half, bins=bins))
        of_retrain.append(points(example_epsilons(others, reference, delta=delta), half, bins=bins))
    method, retrain = np.array(of_method), np.array(of_retrain)
    score, ceiling = float(earned.mean()), float(retrain.mean())
    variance = _variance(variance_of_mean(earned), method)
    normalised = float(method.mean()) / ceiling if ceiling else 0.0
    difference = method - normalised * retrain
    of_ratio = difference.mean(axis=0).var(ddof=1) / num_examples if num_examples > 1 else 0.0
    normalised_stderr = float(np.sqrt(_variance(of_ratio, difference))) / ceiling if ceiling else 0.0
    stderr = float(np.sqrt(variance))
    return ForgettingQuality(
        score, stderr, _interval(score, stderr, num_halves), ceiling, normalised, normalised_stderr, epsilons
    )


def competition_difference(
    method: Outputs, other: Outputs, retrained: Outputs, *, num_halves: int = NUM_HALVES, seed: int = 0
) -> tuple[float, float]:
    """Returns by how much one method's competition score is above another's, and the standard error of that.

    Paired: both are held against the same retrained models on the same examples, whose luck they share. The error is
    that of `forgetting_quality`, taken of the difference: over the examples, and over random halves of the models.

    Args:
        method, other: outputs of two methods; retrained: of retrained models. As many of each as the fewest have.
        num_halves, seed: as in `forgetting_quality`.
    """
    count = min(method.num_models, other.num_models, retrained.num_models)
    sides = [side.select(slice(count)) for side in (method, other, retrained)]
    confidences = [guarded(side.confidences["forget"]) for side in sides]
    ratios, relative = zip(*(accuracy_ratio(side, sides[2]) for side in sides[:2]), strict=True)

    def earned(chosen: Sequence[np.ndarray]) -> np.ndarray:
        reference = confidences[2][chosen[2]]
        each = [
            ratio * points(example_epsilons(side[models], reference), len(models))
            for ratio, side, models in zip(ratios, confidences[:2], chosen[:2], strict=True)
        ]
        difference: np.ndarray = each[0] - each[1]
        return difference

    generator, everything = np.random.default_rng(seed), np.arange(count)
    whole = earned([everything] * 3)
    halves = [earned([generator.permutation(count)[: count // 2] for _ in sides]) for _ in range(num_halves)]
    variance = _variance(variance_of_mean(whole), np.array(halves))
    scores = [
        forgetting_score(side, confidences[2]) * ratio for side, ratio in zip(confidences[:2], ratios, strict=True)
    ]
    variance += sum(score**2 * part for score, part in zip(scores, relative, strict=True))
    return float(whole.mean()), float(np.sqrt(variance))


def accuracy_ratio(unlearned: Outputs, retrained: Outputs) -> tuple[float, float]:
    """Returns the product of the accuracies on retain and test over retrain's, and its relative variance."""
    ratio, relative = 1.0, 0.0
    for part in ("retain", "test"):
        ours, theirs = (correct_of_interest(side, part).mean(axis=1) for side in (unlearned, retrained))
        relative += variance_of_mean(ours) / ours.mean() ** 2 if ours.any() else 0.0
        relative += variance_of_mean(theirs) / theirs.mean() ** 2 if theirs.any() else 0.0
        ratio *= float(ours.mean() / theirs.mean()) if theirs.any() else 1.0
    return ratio, relative


def _interval(score: float, stderr: float, num_halves: int) -> tuple[float, float]:
    """95 % by Student's t, on a logarithmic scale: points halve from bin to bin, so small scores vary in proportion."""
    from scipy.stats import t

    if score == 0:
        return 0.0, 0.0
    factor = float(np.exp(t.ppf(0.975, num_halves - 1) * stderr / score))
    return score / factor, min(score * factor, 1.0)


def _variance(over_examples: float, halves: np.ndarray) -> float:
    """Variance over examples and models together, from halves of the models, (repeats, examples).

    Had the examples models of their own, the mean would vary by the mean variance divided by their number; that part is
    in the variance over examples already. What is more comes from models that all examples share. The whole is not less
    than what the halves show alone.
    """
    of_mean, of_each = float(halves.mean(axis=1).var(ddof=1)), float(halves.var(axis=0, ddof=1).mean())
    return float(max(over_examples + max(0.0, of_mean - of_each / halves.shape[1]), of_mean))
