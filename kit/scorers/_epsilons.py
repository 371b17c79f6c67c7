"""Counting for the forgetting score: the largest epsilon that any attacker, or any pair of thresholds, reaches."""

from __future__ import annotations

import functools

import numpy as np

from kit.scorers._double_thresholds import DoubleThresholds

EPSILON_CAP = 50.0
# Of the released scorer: single thresholds a unit of confidence.
_THRESHOLDS_A_UNIT = 100
# One side's range under so small a share of the other's counts as told apart.
PEAKY = 0.01


@functools.lru_cache(maxsize=4)
def epsilon_table(num_models: int, delta: float) -> np.ndarray:
    """Epsilon by numbers of false positives and false negatives, (N + 1, N + 1); -inf where it does not count."""
    rates = np.arange(num_models + 1) / num_models
    with np.errstate(divide="ignore", invalid="ignore"):
        log_missed, log_caught = np.log(rates), np.log(1 - delta - rates)  # -inf at 0, NaN where nothing is left
        table = np.fmax(log_caught[:, np.newaxis] - log_missed, log_caught - log_missed[:, np.newaxis])
    table = np.where(np.isnan(table), -np.inf, np.maximum(table, 0))
    table[0, :] = table[:, 0] = -np.inf
    table[0, 0] = np.inf
    table.setflags(write=False)
    return table


def _bounds(num_models: int, delta: float) -> np.ndarray:
    """The largest of `epsilon_table` at so many false positives and negatives, or more of either, (N + 1, N + 1)."""
    flipped = epsilon_table(num_models, delta)[::-1, ::-1]
    return np.maximum.accumulate(np.maximum.accumulate(flipped, axis=0), axis=1)[::-1, ::-1]


@functools.lru_cache(maxsize=4)
def _padded_tables(num_models: int, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """`epsilon_table` and `_bounds` for numbers below 0, which stand for nobody, too, (2 N + 1, 2 N + 1).

    Rows are from -N false positives on, columns from 0 false negatives on, up to as many more as there are models.
    """
    beyond = (num_models, 0), (0, num_models)
    tables = [
        np.pad(table, beyond, mode="edge") for table in (epsilon_table(num_models, delta), _bounds(num_models, delta))
    ]
    for table in tables:
        table.setflags(write=False)
    return tables[0], tables[1]


def largest_epsilons(unlearned: np.ndarray, retrained: np.ndarray, delta: float) -> np.ndarray:
    """Epsilon of each example from both sides' sorted confidences, (examples, N) each."""
    ranges = np.stack([side[:, -1] - side[:, 0] for side in (unlearned, retrained)])
    wider = np.maximum(ranges.max(axis=0), np.finfo(float).tiny)
    counted = np.flatnonzero(ranges.min(axis=0) / wider >= PEAKY)
    epsilons = np.full(len(unlearned), EPSILON_CAP)
    if len(counted) == 0:
        return epsilons
    unlearned, retrained = unlearned[counted], retrained[counted]
    positive, negative = _exchanged(unlearned, retrained, _medians(retrained) > _medians(unlearned))
    number = unlearned.shape[1]
    table = epsilon_table(number, delta)
    largest = _largest_single(positive, negative, table)
    ranges = np.stack([side[:, -1] - side[:, 0] for side in (positive, negative)])
    thresholds = DoubleThresholds.count(*_exchanged(positive, negative, ranges[0] >= ranges[1]))
    largest = thresholds.largest(largest, *_padded_tables(number, delta))
    epsilons[counted] = np.where(largest == -np.inf, EPSILON_CAP, np.minimum(largest, EPSILON_CAP))
    return epsilons


def _exchanged(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two sides, (examples, N) each, the other way round `where` that is said of an example."""
    column = where[:, np.newaxis]
    return np.where(column, second, first), np.where(column, first, second)


def _medians(ordered: np.ndarray) -> np.ndarray:
    """The bits of NumPy's, which would sort anew, (examples,)."""
    half = ordered.shape[1] // 2
    medians: np.ndarray = (ordered[:, -half - 1] + ordered[:, half]) / 2
    return medians


def _largest_single(positive: np.ndarray, negative: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The largest epsilon of each example over single thresholds, which accuse whoever is not below them.

    Between two models nothing changes, so of the thresholds only the first above each model is looked at.
    """
    num_models = positive.shape[1]
    low, high = np.minimum(positive[:, :1], negative[:, :1]), np.maximum(positive[:, -1:], negative[:, -1:])
    number = np.ceil((high - low) * _THRESHOLDS_A_UNIT)
    step = (high - low) / np.maximum(number - 1, 1)
    values = np.concatenate([positive, negative], axis=1)
    nearest = np.minimum(np.rint((values - low) / step), number - 1)
    # The bits of numpy.linspace(low, high, number)[nearest].
    thresholds = np.where((nearest == number - 1) & (number > 1), high, nearest * step + low)
    above = (nearest + (values >= thresholds)).astype(np.int64)
    above[above >= number] = np.iinfo(np.int64).max // 2  # no threshold is
    ordered = np.sort(2 * above + (np.arange(2 * num_models) >= num_models), axis=1)
    false_positives = num_models - np.cumsum(ordered & 1, axis=1)
    false_negatives = np.cumsum(1 - (ordered & 1), axis=1)
    epsilons = table.ravel().take(false_positives * (num_models + 1) + false_negatives)
    threshold = ordered >> 1
    counted = threshold < number
    counted[:, :-1] &= threshold[:, :-1] != threshold[:, 1:]  # at the last of the models that it comes after
    largest: np.ndarray = np.where(counted, epsilons, -np.inf).max(axis=1)
    return largest
