"""How uncertain a forgetting score is, what it could be at most, and whether one method's is above another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.scorers._forgetting_points import DELTA, Bins, checked, example_epsilons, points
from kit.scorers.accuracy import variance_of_mean

# Random halves of the models, from which the noise is estimated, on at most so many examples.
NUM_HALVES, MOST_EXAMPLES_HALVED = 16, 1000
# On which the competition's score asks for the retrained models' accuracy.
PARTS_KEPT = ("retain", "test")


@dataclass(frozen=True)
class ForgettingQuality:
    """The forgetting score with its noise.

    Args:
        score: F, of all N models a side.
        stderr: its standard error, over models and forget examples.
        interval: 95 % of F's values if models and examples were drawn anew.
        ceiling: F of retrained against other retrained models, as many a side as `points_among` was told, at best N.
        normalised: F divided by the ceiling.
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
    among_retrained: np.ndarray | None = None,
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
        among_retrained: what `points_among` returned with these settings: of twice as many retrained models it is
            with N on either side, and the normalised score compares like with like. By default it is of these N, with
            N / 2 on either side.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained, shifted = generator.normal(5, 1.5, (64, 20)), generator.normal(8, 1.5, (64, 20))
        >>> quality = forgetting_quality(shifted, retrained)
        >>> quality.score < quality.interval[1] < quality.ceiling
        True
    """
    unlearned, retrained = checked(unlearned, retrained)
    if among_retrained is None:
        among_retrained = points_among(retrained, delta=delta, bins=bins, num_halves=num_halves, seed=seed)
    num_models, num_examples = unlearned.shape
    epsilons = example_epsilons(unlearned, retrained, delta=delta)
    earned = points(epsilons, num_models, bins=bins)
    some, others = (side[:, _halved(num_examples)] for side in (unlearned, retrained))
    of_method = [
        points(example_epsilons(some[ours], others[reference], delta=delta), num_models // 2, bins=bins)
        for ours, reference, _ in _draw_halves(num_models, num_halves, seed)
    ]
    method, score, ceiling = np.array(of_method), float(earned.mean()), float(among_retrained.mean())
    stderr = float(np.sqrt(_variance(variance_of_mean(earned), method)))
    normalised, normalised_stderr = score / ceiling if ceiling else 0.0, 0.0
    if normalised:
        # Half the models earn more than all of them, the worse the method the more: their noise is taken in proportion.
        in_proportion = method * (score / method.mean()) if method.any() else method
        paired = earned[_halved(num_examples)] - normalised * among_retrained.mean(axis=0)
        of_ratio = variance_of_mean(paired) * len(paired) / num_examples
        normalised_stderr = float(np.sqrt(_variance(of_ratio, in_proportion))) / ceiling
    return ForgettingQuality(
        score, stderr, _interval(score, stderr, num_halves), ceiling, normalised, normalised_stderr, epsilons
    )


def points_among(
    retrained: np.ndarray,
    most: int | None = None,
    *,
    delta: float = DELTA,
    bins: Bins = "released",
    num_halves: int = NUM_HALVES,
    seed: int = 0,
) -> np.ndarray:
    """Returns what retrained models earn against as many other retrained models, float64 (num_halves, examples).

    It is the same whatever they are compared with; arguments as for `forgetting_quality`. Of more than 1,000 examples
    evenly spaced ones are taken.

    Args:
        retrained: confidences (models, examples).
        most: models on either side; by default, and at most, half of those there are.
    """
    some, half = retrained[:, _halved(retrained.shape[1])], len(retrained) // 2
    number = min(half, most or half)
    earned = [
        points(example_epsilons(some[others[:number]], some[reference[:number]], delta=delta), number, bins=bins)
        for _, reference, others in _draw_halves(len(retrained), num_halves, seed)
    ]
    return np.array(earned)


def accuracy_ratio(unlearned: Sequence[np.ndarray], retrained: Sequence[np.ndarray]) -> tuple[float, float]:
    """Returns the product of mean accuracies over retrain's, and its relative variance.

    Args:
        unlearned, retrained: accuracies of the models, (models,), on each of `PARTS_KEPT`.
    """
    ratio, relative = 1.0, 0.0
    for ours, theirs in zip(unlearned, retrained, strict=True):
        relative += variance_of_mean(ours) / ours.mean() ** 2 if ours.any() else 0.0
        relative += variance_of_mean(theirs) / theirs.mean() ** 2 if theirs.any() else 0.0
        ratio *= float(ours.mean() / theirs.mean()) if theirs.any() else 1.0
    return ratio, relative


def _halved(num_examples: int) -> np.ndarray:
    """The examples on which halves are compared."""
    return np.linspace(0, num_examples - 1, min(num_examples, MOST_EXAMPLES_HALVED)).astype(int)


def _draw_halves(num_models: int, num_halves: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Draws of a half of the unlearned models, and of a half of the retrained ones and the rest, or one model less."""
    generator, half, draws = np.random.default_rng(seed), num_models // 2, []
    for _ in range(num_halves):
        reference, others = np.split(generator.permutation(num_models)[: 2 * half], 2)
        draws.append((generator.permutation(num_models)[:half], reference, others))
    return draws


def _interval(score: float, stderr: float, num_halves: int) -> tuple[float, float]:
    """95 % by Student's t, on a logarithmic scale: points halve from bin to bin, so small scores vary in proportion."""
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    if score == 0:
        return 0.0, 0.0
    factor = float(np.exp(stdtrit(num_halves - 1, 0.975) * stderr / score))
    return score / factor, min(score * factor, 1.0)


def _variance(over_examples: float, halves: np.ndarray) -> float:
    """Variance over examples and models together, from halves of the models, (repeats, examples).

    Had the examples models of their own, the mean would vary by the mean variance divided by their number; that part is
    in the variance over examples already. What is more comes from models that all examples share. The whole is not less
    than what the halves show alone.
    """
    of_mean, of_each = float(halves.mean(axis=1).var(ddof=1)), float(halves.var(axis=0, ddof=1).mean())
    return float(max(over_examples + max(0.0, of_mean - of_each / halves.shape[1]), of_mean))
