"""Membership inference from per-example losses: the attack of the 2023 kit, AUC, true positives, the gap to retrain.

Members are examples of the forget set, non-members examples of the test set; a low loss speaks for membership.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from kit.scorers.accuracy import variance_of_mean
from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "mia_accuracy", "match_retrain", "how often logistic regression on the loss tells forget from test (2023 kit)"
    ),
    ScoreInfo("mia_auc", "match_retrain", "chance that a forget example has a lower loss than a test example"),
    ScoreInfo(
        "mia_gap",
        "match_retrain",
        "mia_auc minus the retrained models' mean; below 0 is over-forgetting, not success",
        relative=True,
    ),
    ScoreInfo(
        "mia_tpr_at_1pct_fpr", "match_retrain", "forget examples found when 1 % of test examples are accused wrongly"
    ),
)
_ONE_RETRAINED = (
    "there is a single retrained model to compare with, so the standard error of the AUC gap is that over examples "
    "alone; how much training seeds matter is not in it."
)
NUM_SPLITS = 10
NUM_RESAMPLES = 1000
# A tenth of the sample is the test part of each of the ten splits: with fewer it holds under two of either kind.
MIN_MEMBERS = 20


def match_nonmembers(
    member_strata: np.ndarray, candidate_strata: np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws as many members as non-members of each stratum (class or group), so that both have the same mix.

    Args:
        member_strata: (members,), class or group of each forget example.
        candidate_strata: (candidates,), the same for the examples that were never trained on.
        seed: of the draw where one side has more than the other.

    Returns:
        Two sorted int64 arrays of equal length: indices into the members and into the candidates.

    Example:
        >>> members, nonmembers = match_nonmembers(np.array([0, 1, 1]), np.array([1, 1, 1, 0]))
        >>> members.tolist(), len(nonmembers)
        ([0, 1, 2], 3)
    """
    generator = np.random.default_rng(seed)
    chosen: tuple[list[int], list[int]] = ([], [])
    for stratum in np.unique(member_strata):
        positions = [np.flatnonzero(strata == stratum) for strata in (member_strata, candidate_strata)]
        count = min(map(len, positions))
        for side, where in zip(chosen, positions, strict=True):
            side.extend(generator.permutation(where)[:count])
    members, nonmembers = (np.sort(np.array(side, np.int64)) for side in chosen)
    return members, nonmembers


def mia_accuracy(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> float:
    """Returns the accuracy of the 2023 kit's attack.

    scikit-learn's `LogisticRegression()` with its defaults on the loss alone, mean accuracy over
    `StratifiedShuffleSplit(10, random_state=0)`.

    Args:
        member_losses, nonmember_losses: (k,) each, in nats; equal lengths, so that guessing gives 0.5.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: unequal lengths, or fewer than 20 of either.

    Source: unlearning-challenge/starting-kit, `simple_mia`. The order of the examples is as there: test, then forget.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> mia_accuracy(generator.exponential(0.01, 200), generator.exponential(1.0, 200)) > 0.8
        True
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit

    losses, members = _attack_sample(member_losses, nonmember_losses)
    scores = []
    with warnings.catch_warnings():  # losses of thousands of nats need more than the 100 steps that are the default
        warnings.simplefilter("ignore", ConvergenceWarning)
        # What `cross_val_score` does, in half the time: most of its checks and copies are for other estimators.
        for train, test in StratifiedShuffleSplit(n_splits=NUM_SPLITS, random_state=0).split(members, members):
            model = LogisticRegression().fit(losses[train, np.newaxis], members[train])
            predicted = losses[test] * model.coef_[0, 0] + model.intercept_[0] > 0
            scores.append(float((predicted == members[test]).mean()))
    return float(np.mean(scores))


def mia_accuracies(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> np.ndarray:
    """Returns `mia_accuracy` of each of several models.

    All are fitted at once, to the exact optimum; scikit-learn stops a little before it, which moves the accuracy of
    one model in several by one example. A single model is left to scikit-learn.

    Args:
        member_losses, nonmember_losses: (models, k) each.

    Returns:
        float64 (models,), each in [0, 1].

    Example:
        >>> losses = np.random.default_rng(0).exponential(size=(2, 3, 200))
        >>> bool((abs(mia_accuracies(losses[0], losses[1]) - 0.5) < 0.1).all())
        True
    """
    num_models, num_members = member_losses.shape
    if num_models == 1:
        return np.array([mia_accuracy(member_losses[0], nonmember_losses[0])])
    losses, chunk = np.concatenate([nonmember_losses, member_losses], axis=1), _rows_at_once(2 * num_members)
    rows = [_attack_rows(losses[start : start + chunk], num_members) for start in range(0, num_models, chunk)]
    return np.concatenate(rows)


def mia_accuracy_stderr(member_losses: np.ndarray, nonmember_losses: np.ndarray, *, seed: int = 0) -> float:
    """Returns the standard error of `mia_accuracy` over the draw of the examples (bootstrap within either side)."""
    generator = np.random.default_rng(seed)

    def resample() -> np.ndarray:
        return np.concatenate([generator.choice(side, len(side)) for side in (nonmember_losses, member_losses)])

    return float(np.std(_attack_draws(resample, len(member_losses)), ddof=1))


def mia_accuracy_null_band(
    member_losses: np.ndarray, nonmember_losses: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Returns the central 95 % of `mia_accuracy` when these losses are dealt to the two sides at random."""
    generator = np.random.default_rng(seed)
    pooled, _ = _attack_sample(member_losses, nonmember_losses)
    accuracies = _attack_draws(lambda: generator.permutation(pooled), len(member_losses))
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return float(low), float(high)


def membership_auc(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> float:
    """Returns the probability that a member has a lower loss than a non-member, ties counting half.

    Args:
        member_losses: (k,); nonmember_losses: (l,).

    Returns:
        A float in [0, 1]: 0.5 for no signal, 1 when every member has a lower loss than every non-member.

    Example:
        >>> membership_auc(np.array([0.1, 0.4]), np.array([0.3, 0.9]))
        0.75
    """
    return float(_placements(np.sort(nonmember_losses), member_losses).mean())


def membership_auc_stderr(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> float:
    """Returns the standard error of `membership_auc` over examples.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988.
    """
    of_members, of_nonmembers = _both_placements(member_losses, nonmember_losses)
    return float(np.sqrt(variance_of_mean(of_members) + variance_of_mean(of_nonmembers)))


def membership_auc_null_band(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> tuple[float, float]:
    """Returns the central 95 % of `membership_auc` when the losses are dealt to the two sides at random.

    The normal approximation of the rank-sum test, corrected for ties.
    """
    k, m = len(member_losses), len(nonmember_losses)
    _, ties = np.unique(np.concatenate([member_losses, nonmember_losses]), return_counts=True)
    total = k + m
    variance = (total + 1 - (ties**3 - ties).sum() / (total * (total - 1))) / (12 * k * m)
    half = 1.959964 * float(np.sqrt(variance))
    return 0.5 - half, 0.5 + half


def true_positive_rate(
    member_losses: np.ndarray, nonmember_losses: np.ndarray, *, false_positive_rate: float = 0.01
) -> float:
    """Returns the share of members found at the loss threshold that accuses at most that share of non-members.

    Source: Carlini et al., Membership inference attacks from first principles, IEEE S&P 2022.

    Example:
        >>> true_positive_rate(np.array([0.1, 0.2, 0.9]), np.linspace(0.5, 1.5, 100))
        0.6666666666666666
    """
    allowed = int(np.floor(false_positive_rate * len(nonmember_losses) + 1e-9))
    threshold = np.sort(nonmember_losses)[allowed]
    return float((member_losses < threshold).mean())


def membership_auc_gap(
    unlearned: tuple[np.ndarray, np.ndarray], retrained: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """Returns the mean AUC of unlearned models minus that of retrained models, and its standard error.

    The variance has two parts. Over examples: that of DeLong for the difference of AUCs on the same examples, each
    averaged over its models, so that the luck of one forget set cancels out. Over seeds: of the retrained models'
    mean, and of the unlearned models' mean; a single unlearned model is taken to vary as much as a retrained one, which
    makes the standard error right where it matters, for a method that is as good as retraining.

    Args:
        unlearned: losses of members (models, k) and of non-members (models, l).
        retrained: the same of other models, on the same examples. Of a single one, nothing is known of the spread over
            seeds, which the standard error then leaves out.

    Returns:
        Gap in [-1, 1] (below 0: the forget set now has higher losses than for a model that never saw it) and stderr.

    Example:
        >>> losses = np.random.default_rng(0).exponential(size=(6, 2, 50))
        >>> gap, stderr = membership_auc_gap((losses[:1, 0], losses[:1, 1]), (losses[1:, 0], losses[1:, 1]))
        >>> abs(gap) < 3 * stderr
        True
    """
    sides = [[_both_placements(*pair) for pair in zip(*side, strict=True)] for side in (unlearned, retrained)]
    aucs = [np.array([members.mean() for members, _ in side]) for side in sides]
    over_examples = 0.0
    for which in (0, 1):  # placements of the members, then of the non-members
        means = [np.mean([pair[which] for pair in side], axis=0) for side in sides]
        over_examples += variance_of_mean(means[0] - means[1])
    spread_of_one = float(np.var(aucs[1], ddof=1)) if len(aucs[1]) > 1 else 0.0
    over_seeds = spread_of_one / len(aucs[1])
    over_seeds += variance_of_mean(aucs[0]) if len(aucs[0]) > 1 else spread_of_one
    return float(aucs[0].mean() - aucs[1].mean()), float(np.sqrt(over_examples + over_seeds))


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares."""
    if comparison.attack_impossible:
        return [Score(info.name, None, None, info.direction, reason=comparison.attack_impossible) for info in SCORES]
    unlearned, retrained = (
        (models.losses("forget")[:, comparison.members], models.losses("test")[:, comparison.nonmembers])
        for models in (comparison.unlearned, comparison.retrained)
    )
    first = unlearned[0][0], unlearned[1][0]
    gap, gap_stderr = membership_auc_gap(unlearned, retrained)
    warnings = () if comparison.retrained.num_models > 1 else (_ONE_RETRAINED,)
    return [
        _attack_score(
            "mia_accuracy",
            mia_accuracies,
            unlearned,
            retrained,
            over_examples=mia_accuracy_stderr(*first),
            null_band=mia_accuracy_null_band(*first),
        ),
        _attack_score(
            "mia_auc",
            _each(membership_auc),
            unlearned,
            retrained,
            over_examples=membership_auc_stderr(*first),
            null_band=membership_auc_null_band(*first),
        ),
        Score("mia_gap", gap, gap_stderr, "match_retrain", target=0.0, warnings=warnings),
        _low_false_positive_score(unlearned, retrained),
    ]


_Losses = tuple[np.ndarray, np.ndarray]


def _attack_score(
    name: str,
    attack: Callable[[np.ndarray, np.ndarray], np.ndarray],
    unlearned: _Losses,
    retrained: _Losses,
    *,
    over_examples: float,
    null_band: tuple[float, float] | None = None,
) -> Score:
    values, targets = (attack(*models) for models in (unlearned, retrained))
    stderr = float(np.hypot(over_examples, np.sqrt(variance_of_mean(values))))
    return Score(name, float(values.mean()), stderr, "match_retrain", float(targets.mean()), null_band)


def _low_false_positive_score(unlearned: _Losses, retrained: _Losses) -> Score:
    name, count = "mia_tpr_at_1pct_fpr", unlearned[1].shape[1]
    if 0.01 * count < 10:
        reason = f"1 % of {count} test examples is fewer than 10: too few to set a threshold by"
        return Score(name, None, None, "match_retrain", reason=reason)
    generator = np.random.default_rng(0)
    resampled = [
        true_positive_rate(*(generator.choice(side[0], len(side[0])) for side in unlearned))
        for _ in range(NUM_RESAMPLES // 5)
    ]
    over_examples = float(np.std(resampled, ddof=1))
    return _attack_score(name, _each(true_positive_rate), unlearned, retrained, over_examples=over_examples)


def _each(attack: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Turns an attack on one model into one on each of several."""
    return lambda members, nonmembers: np.array([attack(*pair) for pair in zip(members, nonmembers, strict=True)])


def _placements(sorted_losses: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Share of `sorted_losses` above each of `losses`, ties counting half."""
    above = len(sorted_losses) - np.searchsorted(sorted_losses, losses, side="right")
    ties = np.searchsorted(sorted_losses, losses, side="right") - np.searchsorted(sorted_losses, losses, side="left")
    return (above + 0.5 * ties) / len(sorted_losses)


def _both_placements(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each member the share of non-members above it, of each non-member the share of members below it."""
    of_nonmembers = 1 - _placements(np.sort(member_losses), nonmember_losses)
    return _placements(np.sort(nonmember_losses), member_losses), of_nonmembers


def _attack_sample(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(member_losses) != len(nonmember_losses) or len(member_losses) < MIN_MEMBERS:
        raise ValueError(
            f"The attack was given {len(member_losses)} member and {len(nonmember_losses)} non-member losses. Expected "
            f"equal numbers, at least {MIN_MEMBERS}. Draw them with match_nonmembers."
        )
    losses = np.concatenate([nonmember_losses, member_losses])
    return losses, np.repeat([0, 1], len(member_losses))


def _attack_draws(draw: Callable[[], np.ndarray], num_members: int, num_draws: int = 400) -> np.ndarray:
    """Accuracies (num_draws,) of the attack on losses that `draw` returns, non-members first."""
    chunk = _rows_at_once(2 * num_members)
    accuracies = []
    for start in range(0, num_draws, chunk):
        losses = np.stack([draw() for _ in range(min(chunk, num_draws - start))])
        accuracies.append(_attack_rows(losses, num_members))
    return np.concatenate(accuracies)


def _rows_at_once(num_examples: int) -> int:
    return max(1, 2_000_000 // num_examples)  # bounds the memory at some 100 MB


def _attack_rows(losses: np.ndarray, num_members: int) -> np.ndarray:
    """Accuracies (rows,) of the attack on each row of losses (rows, examples), non-members first, fitted at once."""
    from sklearn.model_selection import StratifiedShuffleSplit

    members = np.repeat([0, 1], num_members)
    total = np.zeros(len(losses))
    for train, test in StratifiedShuffleSplit(n_splits=NUM_SPLITS, random_state=0).split(members, members):
        slopes, intercepts = _fit_logistic(losses[:, train], members[train])
        predicted = slopes[:, np.newaxis] * losses[:, test] + intercepts[:, np.newaxis] > 0
        total += (predicted == members[test]).mean(axis=1)
    return total / NUM_SPLITS


def _fit_logistic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fits scikit-learn's default logistic regression on one feature to many samples at once, by Newton's method.

    Args:
        x: (samples, n); y: (n,) of 0 and 1. Minimises slope^2 / 2 + sum of log losses; the intercept is free.

    Returns:
        Slopes and intercepts, (samples,) each.
    """
    center, scale = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    scale[scale == 0] = 1
    z, penalty = (x - center) / scale, 1 / scale[:, 0] ** 2
    slope, intercept = np.zeros(len(x)), np.zeros(len(x))
    for _ in range(100):
        probability = 1 / (1 + np.exp(-np.clip(slope[:, np.newaxis] * z + intercept[:, np.newaxis], -500, 500)))
        residual, curvature = probability - y, probability * (1 - probability) + 1e-12
        gradient_slope, gradient_intercept = (residual * z).sum(axis=1) + penalty * slope, residual.sum(axis=1)
        a, b, c = (curvature * z * z).sum(axis=1) + penalty, (curvature * z).sum(axis=1), curvature.sum(axis=1)
        determinant = a * c - b * b
        steps = (
            np.stack([c * gradient_slope - b * gradient_intercept, a * gradient_intercept - b * gradient_slope])
            / determinant
        )
        length = np.abs(steps).max(axis=0)
        steps *= np.minimum(1, 3 / np.maximum(length, 1e-300))  # a full step can overshoot where classes are separated
        slope, intercept = slope - steps[0], intercept - steps[1]
        if length.max() < 1e-8:
            break
    slope = slope / scale[:, 0]
    intercept = intercept - slope * center[:, 0]
    # scikit-learn's default tolerance: where the losses are so small that the gradient at the start is below it, its
    # solver takes no step, and the attack of the 2023 kit is blind.
    blind = np.abs((0.5 - y) @ x.T) / len(y) <= 1e-4
    return np.where(blind, 0.0, slope), np.where(blind, 0.0, intercept)
