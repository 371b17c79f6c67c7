"""The attack of the 2023 kit: logistic regression on the loss, one model or sample at a time, or many at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from kit.scorers._logistic_fits import Sample
from kit.scorers._threads import blocks, in_threads

NUM_SPLITS = 10
# A tenth of the sample is the test part of each of the ten splits: with fewer it holds under two of either kind.
MIN_MEMBERS = 20
# Losses that are drawn at a time, some 16 MB of them; and that are fitted at a time, which a processor's cache holds.
_DRAWN_AT_ONCE, _FITTED_AT_ONCE = 2_000_000, 16_000


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
    return _attack_rows(np.concatenate([nonmember_losses, member_losses], axis=1), num_members)


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
    chunk = max(1, _DRAWN_AT_ONCE // (2 * num_members))
    accuracies = []
    for start in range(0, num_draws, chunk):
        losses = np.stack([draw() for _ in range(min(chunk, num_draws - start))])
        accuracies.append(_attack_rows(losses, num_members, alike=True))
    return np.concatenate(accuracies)


def _attack_rows(losses: np.ndarray, num_members: int, *, alike: bool = False) -> np.ndarray:
    """Accuracies (rows,) of the attack on each row of losses (rows, examples), non-members first.

    Args:
        losses: of models, or drawn.
        num_members: how many are the last of a row.
        alike: rows are drawn from one distribution, so that the fit of the first is near those of all.
    """
    from sklearn.model_selection import StratifiedShuffleSplit

    members = np.repeat([0.0, 1.0], num_members)
    splits = StratifiedShuffleSplit(n_splits=NUM_SPLITS, random_state=0).split(members, members)
    parts = np.stack([test for _, test in splits])
    near = Sample.of(losses[:1], members).fit(np.zeros((2, 1))) if alike else np.zeros((2, 1))

    def attack(rows: slice) -> np.ndarray:
        sample = Sample.of(losses[rows], members)
        fits = sample.fits_without(parts, np.repeat(near, len(sample.x), axis=1))
        predicted = fits[0][..., np.newaxis] * losses[rows][:, parts] + fits[1][..., np.newaxis] > 0
        accuracies: np.ndarray = (predicted == members[parts]).mean(axis=2).mean(axis=1)
        return accuracies

    return np.concatenate(in_threads(attack, blocks(len(losses), _FITTED_AT_ONCE // losses.shape[1])))
