"""Counting for the forgetting score: the largest epsilon that any pair of thresholds reaches on one example."""

from __future__ import annotations

import functools

import numpy as np

EPSILON_CAP = 50.0
# Of the released scorer: single thresholds a unit of confidence; thresholds lie up to so far beyond the data; and of
# two thresholds there are so many on either side.
_THRESHOLDS_A_UNIT, _BUFFER, _NUM_DOUBLE = 100, 2.0, 400
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


def largest_epsilon(unlearned: np.ndarray, retrained: np.ndarray, table: np.ndarray) -> float:
    """Epsilon of one example from both sides' sorted confidences, (N,) each."""
    ranges = [side[-1] - side[0] for side in (unlearned, retrained)]
    if max(ranges) == 0 or min(ranges) / max(ranges) < PEAKY:
        return EPSILON_CAP
    positive, negative = unlearned, retrained
    if _median(retrained) > _median(unlearned):
        positive, negative = retrained, unlearned
    largest = _largest_single(positive, negative, table)
    if positive[-1] - positive[0] >= negative[-1] - negative[0]:
        positive, negative = negative, positive
    largest = max(largest, _largest_double(positive, negative, table))
    return EPSILON_CAP if largest == -np.inf else min(largest, EPSILON_CAP)


def _largest_single(positive: np.ndarray, negative: np.ndarray, table: np.ndarray) -> float:
    low, high = min(positive[0], negative[0]), max(positive[-1], negative[-1])
    thresholds = np.linspace(low, high, int(np.ceil((high - low) * _THRESHOLDS_A_UNIT)))
    false_positives = len(negative) - np.searchsorted(negative, thresholds, side="left")
    false_negatives = np.searchsorted(positive, thresholds, side="left")
    return float(table[false_positives, false_negatives].max(initial=-np.inf))


def _largest_double(positive: np.ndarray, negative: np.ndarray, table: np.ndarray) -> float:
    """The largest epsilon over 400 x 400 pairs (left, right), `positive` being accused between them.

    Right threshold i is `start + i * step`, and its left threshold j lies at `positive[0] - 4 + (i + j) * step`: 799
    places in all, and few of them, or of the right thresholds, have another model below them than their neighbour. Only
    where a model's confidence lies on a place within rounding does it matter by which sum the threshold was reached;
    `_largest_on_data` counts those one by one, in the released scorer's arithmetic.
    """
    num_models, width = len(positive), positive[-1] - positive[0]
    right = np.linspace(positive[0] + width - _BUFFER, positive[-1] + _BUFFER, _NUM_DOUBLE)
    step = 2 * _BUFFER / (_NUM_DOUBLE - 1)
    places = positive[0] - 2 * _BUFFER + step * np.arange(2 * _NUM_DOUBLE - 1)
    rounding = 1e-13 * (np.abs(positive).max() + width + 10)
    sides = (positive, negative)
    below_right = np.stack([np.searchsorted(side, right, side="right") for side in sides])
    below_left = np.stack([np.searchsorted(side, places - rounding, side="left") for side in sides])
    on_data = (below_left != [np.searchsorted(side, places + rounding, side="right") for side in sides]).any(axis=0)
    below_left[:, on_data] = num_models  # nobody is accused: such a pair does not count
    first_right, last_right = _runs(below_right)
    first_left, last_left = _runs(below_left)
    accused = np.maximum(below_right[:, first_right, np.newaxis] - below_left[:, np.newaxis, first_left], 0)
    epsilons = table.ravel().take(accused[1] * (num_models + 1) + (num_models - accused[0]))
    # A run of places belongs to a run of right thresholds if some pair of the two is at most 399 steps apart.
    apart = (last_left >= first_right[:, np.newaxis]) & (first_left < last_right[:, np.newaxis] + _NUM_DOUBLE)
    largest = float(epsilons.max(where=apart, initial=-np.inf))
    return max(largest, _largest_on_data(sides, table, right, below_right, np.flatnonzero(on_data)))


def _median(ordered: np.ndarray) -> float:
    """The bits of NumPy's, which would sort anew."""
    half = len(ordered) // 2
    return float((ordered[-half - 1] + ordered[half]) / 2)


def _runs(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last index of each run of equal columns of `counts`, (sides, places)."""
    changes = np.flatnonzero((counts[:, 1:] != counts[:, :-1]).any(axis=0))
    return np.concatenate([[0], changes + 1]), np.concatenate([changes, [counts.shape[1] - 1]])


def _largest_on_data(
    sides: tuple[np.ndarray, np.ndarray],
    table: np.ndarray,
    right: np.ndarray,
    below_right: np.ndarray,
    places: np.ndarray,
) -> float:
    """The same over the pairs whose left threshold is one of `places`, in the released scorer's own arithmetic."""
    first = np.repeat(np.arange(_NUM_DOUBLE), len(places))
    second = np.tile(places, _NUM_DOUBLE) - first
    inside = (second >= 0) & (second < _NUM_DOUBLE)
    first, second = first[inside], second[inside]
    width = sides[0][-1] - sides[0][0]
    start, stop = right - width - _BUFFER, right - width + _BUFFER
    step = (stop - start) / (_NUM_DOUBLE - 1)  # these three lines are numpy.linspace(start, stop, 400)[second]
    left = second * step[first] + start[first]
    left = np.where(second == _NUM_DOUBLE - 1, stop[first], left)
    below_left = np.stack([np.searchsorted(side, left, side="left") for side in sides])
    accused = np.maximum(below_right[:, first] - below_left, 0)
    return float(table[accused[1], len(sides[0]) - accused[0]].max(initial=-np.inf))
