"""Uncertainty over models: populations cut in halves, and the jackknife that leaves out groups of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# A distribution over models is estimated from fewer by guesswork.
MIN_MODELS = 8
NUM_GROUPS = 16


def halves(num_models: int, kept: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the models at even and those at odd positions, equally many; the last of an odd number is dropped.

    Interleaved, so that both halves hold early and late runs alike.

    Args:
        num_models: size of the population.
        kept: int64 indices, of which alone the halves are to consist. A model stays in its half whoever else is left
            out, and without that a jackknife would measure the luck of the cut too. The halves may then be unequal.

    Returns:
        Two int64 arrays of increasing indices.

    Example:
        >>> first, second = halves(7)
        >>> first.tolist(), second.tolist()
        ([0, 2, 4], [1, 3, 5])
    """
    even = np.arange(0, num_models - 1, 2)
    if kept is None:
        return even, even + 1
    return even[np.isin(even, kept)], even[np.isin(even + 1, kept)] + 1


def num_groups(num_unlearned: int, num_retrained: int, groups: int = NUM_GROUPS) -> int:
    """Returns how many groups a jackknife leaves out in turn: `groups`, or as many as the smaller side has models.

    Raises:
        ValueError: a side has fewer than two models.
    """
    if min(num_unlearned, num_retrained, groups) < 2:
        raise ValueError(
            f"{num_unlearned} unlearned and {num_retrained} retrained models in {groups} groups cannot be resampled. "
            "Expected two or more of each. Run a population, or report the value without a standard error."
        )
    return min(groups, num_unlearned, num_retrained)


def jackknife_stderr(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    num_unlearned: int,
    num_retrained: int,
    groups: int = NUM_GROUPS,
) -> float:
    """Returns the standard error of a statistic of two populations over the draw of their models.

    Grouped jackknife: model i of either side belongs to group i modulo `groups`; group g is left out of both sides at
    once. Groups of one side differ by one model at most; where they do, the result is too large by 1 % or less from 8
    models on. The statistic must be smooth in the models: a mean, an AUC, a divergence, but no extreme value.

    Args:
        statistic: takes increasing int64 indices of the unlearned and of the retrained models that are kept.
        num_unlearned, num_retrained: sizes of the populations, 2 or more.
        groups: how many, at most; fewer where a side has fewer models.

    Raises:
        ValueError: a side has fewer than two models.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11 (delete-d jackknife by groups).

    Example:
        >>> unlearned, retrained = np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 5.0])
        >>> round(jackknife_stderr(lambda u, r: unlearned[u].mean() + 0 * retrained[r].mean(), 3, 3), 4)
        0.8819
        >>> round(float(np.std(unlearned, ddof=1) / np.sqrt(3)), 4)
        0.8819
    """
    return stderr_of_replicates(jackknife_replicates(statistic, num_unlearned, num_retrained, groups))


def jackknife_replicates(
    statistic: Callable[[np.ndarray, np.ndarray], Any],
    num_unlearned: int,
    num_retrained: int,
    groups: int = NUM_GROUPS,
) -> np.ndarray:
    """Returns the statistic, a number or an array of numbers, without each group in turn, (groups, ...).

    Args, raises: see `jackknife_stderr`.
    """
    count = num_groups(num_unlearned, num_retrained, groups)
    unlearned, retrained = np.arange(num_unlearned), np.arange(num_retrained)
    kept = [(unlearned[unlearned % count != g], retrained[retrained % count != g]) for g in range(count)]
    return np.array([statistic(*pair) for pair in kept], np.float64)


def stderr_of_replicates(replicates: np.ndarray) -> float:
    """Returns the jackknife's standard error from the statistic without each group, (groups,).

    Example:
        >>> stderr_of_replicates(np.array([1.0, 3.0]))
        1.0
    """
    return float(np.sqrt((len(replicates) - 1) * replicates.var()))


def interval_of(value: float, stderr: float, degrees: float) -> tuple[float, float]:
    """Returns 95 % by Student's t.

    Args:
        value: in the middle.
        stderr: its standard error.
        degrees: of freedom of the standard error: one less than the models, or groups of models, that it is from.

    Example:
        >>> [round(end, 2) for end in interval_of(0.0, 1.0, 5)]
        [-2.57, 2.57]
    """
    from scipy.special import ndtri, stdtrit  # scipy.stats takes a second to import

    half = float(ndtri(0.975) if np.isinf(degrees) else stdtrit(degrees, 0.975)) * stderr
    return value - half, value + half


def balanced_halves(num_models: int) -> np.ndarray:
    """Returns which models belong to each of a balanced set of half-samples, booleans (replicates, models).

    The deviation of a statistic over half-samples of n models is the standard error of a mean over all n: a half-sample
    varies by as much again as the whole, but half of its models are always those of another. Unlike the jackknife it
    does not ask for smoothness, since all replicates are as large as what they stand for.

    Models are taken by 16 groups (by 8 below 16 models), model i in group i modulo their number; those that are left
    over are in no half. Each half comes with its complement, and any two groups are in the same half as often as not.

    Source: McCarthy, Pseudo-replication: half samples, Review of the International Statistical Institute 1969.

    Example:
        >>> balanced_halves(16).shape, balanced_halves(9)[:, :8].sum(axis=1).tolist()
        ((30, 16), [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4])
    """
    from scipy.linalg import hadamard

    groups = NUM_GROUPS if num_models >= NUM_GROUPS else MIN_MODELS
    rows = hadamard(groups)[1:] > 0
    size = num_models // groups * groups
    members = np.concatenate([rows, ~rows])[:, np.arange(num_models) % groups]
    return members & (np.arange(num_models) < size)


def too_few_models(num_unlearned: int, num_retrained: int, *, fewest: int = MIN_MODELS) -> str:
    """Returns why a score that needs two populations cannot be computed; an empty text where it can.

    Example:
        >>> too_few_models(1, 6)
        'needs a population: 8 models or more on either side, not 1 unlearned and 6 retrained (see --num-models)'
        >>> too_few_models(8, 13)
        ''
    """
    if min(num_unlearned, num_retrained) >= fewest:
        return ""
    return (
        f"needs a population: {fewest} models or more on either side, not {num_unlearned} unlearned and "
        f"{num_retrained} retrained (see --num-models)"
    )
