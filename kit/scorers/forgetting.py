"""The score of the 2023 competition: how well one attacker an example tells unlearned from retrained models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.scorers._epsilons import PEAKY, epsilon_table, largest_epsilon
from kit.scorers._resampling import MIN_MODELS
from kit.scorers.accuracy import correct_of_interest, variance_of_mean
from kit.types import Comparison, Outputs, Score, ScoreInfo

Bins = Literal["released", "paper"]
SCORES = (
    ScoreInfo(
        "forgetting_score",
        "up",
        "the 2023 competition's: how little the luckiest of 160,000 attackers an example tells from retrained models",
    ),
    ScoreInfo("forgetting_ceiling", "up", "what retrained models get against each other: the most to be expected"),
    ScoreInfo("forgetting_score_normalised", "up", "the score of one half of the models, divided by the ceiling"),
    ScoreInfo("competition_score", "up", "forgetting_score times both accuracies (retain, test) over retrain's"),
)

DELTA = 1e-5
# The number of thresholds grows with the range of the confidences, of which the released scorer's lie within 104.
MOST_CONFIDENT = 1e4
BIN_WIDTH = 0.5
# Random halves of the models, from which the noise is estimated, on at most so many examples.
NUM_HALVES, MOST_EXAMPLES_HALVED = 16, 1000
# The table in the reference shows a shift of one deviation at 0.016 with 512 models, 0.024 with 256, 0.104 with 16.
FEW_MODELS = 256


def logit_scaled_confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns log p - log(1 - p) of the true class, the statistic that the score is about.

    Args:
        logits: (..., examples, classes).
        labels: integers (examples,).

    Returns:
        float64 (..., examples), within +-103.7: both probabilities are raised by 1e-45 before the logarithm.

    Raises:
        ValueError: labels that are not one class number an example.

    Source: google-deepmind/unlearning_evaluation, metric.py, after Carlini et al., IEEE S&P 2022.

    Example:
        >>> logit_scaled_confidence(np.array([[0.0, 0.0], [3.0, 1.0]]), np.array([0, 0])).tolist()
        [0.0, 2.0]
    """
    shifted, labels = np.array(logits, np.float64), np.asarray(labels)
    if shifted.ndim < 2 or labels.shape != shifted.shape[-2:-1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Logits of shape {shifted.shape} came with labels of shape {labels.shape} and dtype {labels.dtype}. "
            "Expected logits (..., examples, classes) and one integer label an example. Pass labels of shape "
            "(examples,)."
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < shifted.shape[-1]:
        raise ValueError(
            f"Labels lie between {labels.min()} and {labels.max()}. Expected 0 .. {shifted.shape[-1] - 1}, because "
            f"there are logits for {shifted.shape[-1]} classes. Check that logits and labels belong together."
        )
    shifted -= shifted.max(axis=-1, keepdims=True)
    probabilities = np.exp(shifted)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    where = np.broadcast_to(labels[:, np.newaxis], (*probabilities.shape[:-1], 1))
    right = np.take_along_axis(probabilities, where, axis=-1)[..., 0]
    np.put_along_axis(probabilities, where, 0.0, axis=-1)
    confidences: np.ndarray = np.log(right + 1e-45) - np.log(probabilities.sum(axis=-1) + 1e-45)
    return confidences


def example_epsilons(unlearned: np.ndarray, retrained: np.ndarray, *, delta: float = DELTA) -> np.ndarray:
    """Returns for each forget example how far the unlearned models can be told from the retrained ones.

    Epsilon is the largest that any attacker of two families reaches: those that accuse above one threshold, and those
    that accuse between two. An attacker with false positive and false negative rates (a, b) shows
    max(log(1 - delta - a) - log b, log(1 - delta - b) - log a); where exactly one of them is 0 it is not counted.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side.
        delta: of (epsilon, delta)-unlearning, in [0, 1).

    Returns:
        float64 (examples,) in [0, 50]. 50 where every model is told apart, where one side hardly varies (a range under
        1 % of the other's, or none at all), and where no attacker is counted: never a reward for too few models.

    Raises:
        ValueError: unequal shapes, fewer than 3 models, confidences that are not finite, delta outside [0, 1).

    Source: google-deepmind/unlearning_evaluation, metric.py; Triantafillou et al., Evaluation for the NeurIPS Machine
    Unlearning Competition, 2023. Differs from it: float64 throughout; always 400 right thresholds (rounding makes it
    401 for some examples there); it ends with an error on nearly every example, this does not. Two thresholds are not
    tried one pair at a time: the left ones lie on 799 points, on which the models are counted once.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained, unlearned = generator.normal(5, 1.5, (64, 2)), generator.normal(5, 1.5, (64, 2))
        >>> bool((example_epsilons(unlearned, retrained) < 3).all())
        True
    """
    unlearned, retrained = _checked(unlearned, retrained)
    if not 0 <= delta < 1:
        raise ValueError(f"delta is {delta}. Expected a probability, 0 or more and below 1. The competition has 1e-5.")
    table = epsilon_table(len(unlearned), delta)
    pairs = zip(np.sort(unlearned, axis=0).T.copy(), np.sort(retrained, axis=0).T.copy(), strict=True)
    return np.array([largest_epsilon(one, other, table) for one, other in pairs])


def points(epsilons: np.ndarray, num_models: int, *, bins: Bins = "released") -> np.ndarray:
    """Returns the points of each example: 1 below an epsilon of 0.5, half as much with each further 0.5, at last 0.

    Args:
        epsilons: (examples,).
        num_models: N on either side.
        bins: `released`: bins up to ceil(log(N - 1)), 14 of them for N = 512, as the competition's code has it;
            `paper`: 13 bins, as its description has it.

    Returns:
        float64 of the same shape, in [0, 1].

    Example:
        >>> points(np.array([0.2, 0.5, 1.7, 6.8, 50.0]), 512).tolist()
        [1.0, 0.5, 0.125, 0.0001220703125, 0.0]
    """
    number = np.floor(np.asarray(epsilons, float) / BIN_WIDTH)
    earned: np.ndarray = np.where(number < num_bins(num_models, bins=bins), 2.0**-number, 0.0)
    return earned


def num_bins(num_models: int, *, bins: Bins = "released") -> int:
    """Returns how many bins earn points.

    Example:
        >>> num_bins(512), num_bins(64), num_bins(512, bins="paper")
        (14, 10, 13)
    """
    if bins not in ("released", "paper"):
        raise ValueError(f"There are no bins '{bins}'. Expected 'released' or 'paper'. Leave it out for 'released'.")
    return 13 if bins == "paper" else int(np.ceil(np.log(num_models - 1)) / BIN_WIDTH)


def forgetting_score(
    unlearned: np.ndarray, retrained: np.ndarray, *, delta: float = DELTA, bins: Bins = "released"
) -> float:
    """Returns the forgetting quality F of the 2023 competition: the mean of the examples' points.

    Retrained models against retrained models get about 0.17 to 0.20, not 1: of 160,000 attackers an example the
    luckiest counts. `forgetting_quality` measures that ceiling and divides by it.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side; 512 in the competition.
            With fewer, bad methods look better.
        delta, bins: see `example_epsilons` and `points`.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: as `example_epsilons`.

    Example:
        >>> retrained = np.random.default_rng(0).normal(5, 1.5, (64, 8))
        >>> forgetting_score(retrained + 100, retrained)
        0.0
    """
    return float(points(example_epsilons(unlearned, retrained, delta=delta), len(unlearned), bins=bins).mean())


def _checked(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unlearned, retrained = np.asarray(unlearned, np.float64), np.asarray(retrained, np.float64)
    if unlearned.shape != retrained.shape or unlearned.ndim != 2 or len(unlearned) < 3 or unlearned.shape[1] == 0:
        raise ValueError(
            f"The confidences of unlearned and retrained models have shapes {unlearned.shape} and {retrained.shape}. "
            "Expected (models, examples) of both, equal, with 3 models or more. Leave out models of the larger side."
        )
    if not (np.abs(unlearned).max() <= MOST_CONFIDENT and np.abs(retrained).max() <= MOST_CONFIDENT):
        raise ValueError(
            f"Some confidences are NaN, infinite or beyond {MOST_CONFIDENT:g}. Expected finite numbers; those of "
            "logit_scaled_confidence lie within 104. Compute them with it, from finite logits."
        )
    return unlearned, retrained


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
    unlearned, retrained = _checked(unlearned, retrained)
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
    one: Outputs, other: Outputs, retrained: Outputs, *, num_halves: int = NUM_HALVES, seed: int = 0
) -> tuple[float, float]:
    """Returns by how much one method's competition score is above another's, and the standard error of that.

    Paired: both are held against the same retrained models on the same examples, whose luck they share. The error is
    that of `forgetting_quality`, taken of the difference: over the examples, and over random halves of the models.

    Args:
        one, other: outputs of two methods; retrained: of retrained models. As many of each as the fewest have.
        num_halves, seed: as in `forgetting_quality`.
    """
    count = min(one.num_models, other.num_models, retrained.num_models)
    sides = [side.select(slice(count)) for side in (one, other, retrained)]
    confidences = [guarded(side.confidences["forget"]) for side in sides]
    ratios, relative = zip(*(_accuracy_ratio(side, sides[2]) for side in sides[:2]), strict=True)

    def earned(chosen: Sequence[np.ndarray]) -> np.ndarray:
        reference = confidences[2][chosen[2]]
        each = [
            ratio * points(example_epsilons(own[models], reference), len(models))
            for ratio, own, models in zip(ratios, confidences[:2], chosen[:2], strict=True)
        ]
        difference: np.ndarray = each[0] - each[1]
        return difference

    generator, everything = np.random.default_rng(seed), np.arange(count)
    whole = earned([everything] * 3)
    halves = [earned([generator.permutation(count)[: count // 2] for _ in sides]) for _ in range(num_halves)]
    variance = _variance(variance_of_mean(whole), np.array(halves))
    scores = [forgetting_score(own, confidences[2]) * ratio for own, ratio in zip(confidences[:2], ratios, strict=True)]
    variance += sum(score**2 * part for score, part in zip(scores, relative, strict=True))
    return float(whole.mean()), float(np.sqrt(variance))


def _accuracy_ratio(unlearned: Outputs, retrained: Outputs) -> tuple[float, float]:
    """Returns the product of the accuracies on retain and test over retrain's, and its relative variance."""
    ratio, relative = 1.0, 0.0
    for part in ("retain", "test"):
        ours, theirs = (correct_of_interest(one, part).mean(axis=1) for one in (unlearned, retrained))
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


def score_by_num_models(
    unlearned: np.ndarray, retrained: np.ndarray, sizes: Sequence[int], *, most_draws: int = 4, seed: int = 0
) -> dict[int, float]:
    """Returns the forgetting score with fewer models a side: the mean over disjoint draws of each size.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side.
        sizes: numbers of models, 3 to all.
        most_draws: of each size; there are fewer where the models do not suffice.
        seed: of the draws.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained, shifted = generator.normal(5, 1.5, (64, 20)), generator.normal(7, 1.5, (64, 20))
        >>> scores = score_by_num_models(shifted, retrained, [8, 64])
        >>> scores[8] > scores[64]
        True
    """
    orders = [np.random.default_rng([seed, side]).permutation(len(unlearned)) for side in range(2)]
    found = {}
    for size in sizes:
        draws = [slice(start * size, (start + 1) * size) for start in range(min(most_draws, len(unlearned) // size))]
        scores = [forgetting_score(unlearned[orders[0][one]], retrained[orders[1][one]]) for one in draws]
        found[size] = float(np.mean(scores))
    return found


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares; as many models as both sides have."""
    count = min(comparison.unlearned.num_models, comparison.retrained.num_models)
    if count < MIN_MODELS:
        reason = f"{count} model{'s' * (count != 1)} on one side, and it takes {MIN_MODELS} to see a distribution"
        return [Score(info.name, None, None, info.direction, reason=reason) for info in SCORES]
    sides = [one.select(slice(count)) for one in (comparison.unlearned, comparison.retrained)]
    unlearned, retrained = (guarded(one.confidences["forget"]) for one in sides)
    quality = forgetting_quality(unlearned, retrained)
    ratio, ratio_variance = _accuracy_ratio(*sides)
    competition = quality.score * ratio
    competition_stderr = float(np.hypot(quality.stderr * ratio, competition * np.sqrt(ratio_variance)))
    values = (
        (quality.score, quality.stderr, quality.interval),
        (quality.ceiling, None, None),
        (quality.normalised, quality.normalised_stderr, None),
        (competition, competition_stderr, None),
    )
    warnings = _warnings(unlearned, retrained)
    return [
        Score(info.name, value, stderr, info.direction, interval=interval, warnings=warnings if number == 0 else ())
        for number, (info, (value, stderr, interval)) in enumerate(zip(SCORES, values, strict=True))
    ]


def guarded(confidences: np.ndarray) -> np.ndarray:
    """Returns `logit_scaled_confidence` from confidences that are not limited to +-103.7, in float64.

    Example:
        >>> guarded(np.array([2.0, 500.0])).round(3).tolist()
        [2.0, 103.616]
    """
    from scipy.special import expit

    exact = np.asarray(confidences, np.float64)
    limited: np.ndarray = np.log(expit(exact) + 1e-45) - np.log(expit(-exact) + 1e-45)
    return limited


def _warnings(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[str, ...]:
    told = []
    if len(unlearned) < FEW_MODELS:
        told.append(
            f"With {len(unlearned)} models a side bad methods look better than they are: compare only scores of the "
            "same number of models, and use 512 (--num-models 512) for the competition's own."
        )
    ranges = [np.ptp(side, axis=0) for side in (unlearned, retrained)]
    alike = float((ranges[0] < PEAKY * ranges[1]).mean())
    if alike > 0.5:
        told.append(
            f"On {alike:.0%} of the forget examples the unlearned models hardly differ from each other: the method is "
            "nearly deterministic, for which the competition gives no points, however well it forgets."
        )
    return tuple(told)
