"""Attackers with two thresholds, 400 x 400 of them an example: all are counted for, few are looked at.

Right threshold i is `start + i * step`, and its left threshold j lies at `positive[0] - 4 + (i + j) * step`: 799 places
in all, on which the models are counted once. The more false positives and negatives, the smaller epsilon: so the counts
at the corners of a block of 8 right thresholds and 8 places say what any pair within it can reach at most, and only
blocks that can reach more than has been found are looked at.

Where a model's confidence lies on a place within rounding, it matters by which sum the threshold was reached. Such
places are counted pair by pair, in the released scorer's arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kit.scorers._threads import blocks

# Of the released scorer: thresholds lie up to so far beyond the data, and there are so many on either side.
_BUFFER, _NUMBER = 2.0, 400
_STEP = 2 * _BUFFER / (_NUMBER - 1)
# 799 places, and one at which nobody is accused: 100 blocks; the right thresholds are 50.
_BLOCK, _PLACES = 8, 2 * _NUMBER - 1
_RIGHT, _LEFT = np.arange(_NUMBER).reshape(-1, _BLOCK), np.arange(_PLACES + 1).reshape(-1, _BLOCK)
# A block of right thresholds has left ones in the block of the same number and in the 50 that follow it.
_MEET = _NUMBER // _BLOCK + 1

# Places whose 400 pairs each are counted one by one, so many at a time.
_PLACES_AT_ONCE = 64


@dataclass(frozen=True)
class DoubleThresholds:
    """How many models lie below which threshold.

    Args:
        sides: sorted confidences of the side accused between the thresholds, and of the other, (2, examples, N).
        right: the right thresholds, (examples, 400).
        below_right: models that are not above them, (2, examples, 400).
        below_left: models below the places, (2, examples, 800), of whom none lies on them.
        on_place: models on the places within rounding, (2, examples, 800).
    """

    sides: np.ndarray
    right: np.ndarray
    below_right: np.ndarray
    below_left: np.ndarray
    on_place: np.ndarray

    @classmethod
    def count(cls, positive: np.ndarray, negative: np.ndarray) -> DoubleThresholds:
        """Counts the models of each example, (examples, N) a side, sorted."""
        low, high = positive[:, :1], positive[:, -1:]
        width, sides = high - low, np.stack([positive, negative])
        right = np.linspace((low + width - _BUFFER)[:, 0], (high + _BUFFER)[:, 0], _NUMBER, axis=1)
        nearest = np.clip(np.rint((sides - right[:, :1]) / _STEP), 0, _NUMBER - 1).astype(np.int64)
        at_right = np.take_along_axis(np.broadcast_to(right, (2, *right.shape)), nearest, axis=2)
        below_right = np.cumsum(_numbers(nearest + (sides > at_right), _NUMBER + 1), axis=2)[..., :-1]
        start = low - 2 * _BUFFER
        rounding = 1e-13 * (np.abs(positive).max(axis=1, keepdims=True) + width + 10)
        place = np.clip(np.rint((sides - start) / _STEP), 0, _PLACES - 1).astype(np.int64)
        beyond = sides - (start + _STEP * place)
        below_left = np.cumsum(_numbers(place + (beyond >= -rounding), _PLACES + 1), axis=2)
        on_place = _numbers(place, _PLACES + 1, np.abs(beyond) <= rounding)
        return cls(sides, right, below_right, below_left, on_place)

    def largest(self, least: np.ndarray, table: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Returns the largest epsilon of each example, (examples,), where it is above `least`, and that otherwise.

        Args:
            least: what has been found already, (examples,): the more it is, the fewer pairs are looked at.
            table: epsilon by numbers of models accused wrongly and not accused rightly, from -N and from 0 on,
                (2 N + 1, 2 N + 1).
            bounds: the largest epsilon at so many of them, or more of either, likewise.
        """
        largest, examples, on_place = least.copy(), np.arange(len(least)), self._excluded()
        below_left = np.where(on_place, self.sides.shape[2], self.below_left)  # so that nobody is accused
        indices = self._index(self.below_right), -self._index(below_left, 0)
        at_most = self._at_most(on_place, bounds)
        # The likeliest blocks of each example first: most others are out of the question then.
        rights, apart = np.divmod(at_most.reshape(len(least), -1).argmax(axis=1), _MEET)
        np.maximum.at(largest, examples, _within(indices, examples, rights, apart, table))
        examples, rights, apart = np.nonzero(at_most > largest[:, np.newaxis, np.newaxis])
        np.maximum.at(largest, examples, _within(indices, examples, rights, apart, table))
        examples, places = np.nonzero(on_place[:, :-1])
        for pairs in blocks(len(examples), _PLACES_AT_ONCE):
            np.maximum.at(largest, examples[pairs], self._from_places(examples[pairs], places[pairs], table))
        return largest

    def _excluded(self) -> np.ndarray:
        """Which places are not counted with the others, (examples, 800): those with models on them, and the last."""
        excluded: np.ndarray = self.on_place.max(axis=0) > 0
        excluded[:, -1] = True
        return excluded

    def _index(self, counts: np.ndarray | Sequence[np.ndarray], start: int | None = None) -> np.ndarray:
        """Index into a flat table where so many are accused rightly and wrongly, (2, ...).

        It is the sum of parts: that of models below the right threshold, less that of those below the left one.
        """
        num_models = self.sides.shape[2]
        width = 2 * num_models + 1
        start = num_models * width + num_models if start is None else start
        index: np.ndarray = counts[1] * width - counts[0] + start
        return index

    def _at_most(self, on_place: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """What epsilon any pair within a pair of blocks can have at most, (examples, 50, 51): see `_MEET`."""
        num_models = self.sides.shape[2]
        fewest = np.where(on_place, num_models, self.below_left[0]).reshape(-1, *_LEFT.shape).min(axis=2)
        most = np.where(on_place, 0, self.below_left[1]).reshape(-1, *_LEFT.shape).max(axis=2)
        right = self._index([self.below_right[0, :, _BLOCK - 1 :: _BLOCK], self.below_right[1, :, ::_BLOCK]])
        left = sliding_window_view(self._index([fewest, most], 0), _MEET, axis=1)
        at_most: np.ndarray = bounds.ravel().take(right[..., np.newaxis] - left)
        return at_most

    def _from_places(self, examples: np.ndarray, places: np.ndarray, table: np.ndarray) -> np.ndarray:
        """The largest epsilon over the pairs whose left threshold is at one of some places, (places,)."""
        right, first = self.right[examples], np.arange(_NUMBER)
        second = places[:, np.newaxis] - first
        width = (self.sides[0, :, -1] - self.sides[0, :, 0])[examples, np.newaxis]
        start, stop = right - width - _BUFFER, right - width + _BUFFER
        step = (stop - start) / (_NUMBER - 1)  # with the next, these are numpy.linspace(start, stop, 400)[second]
        left = np.where(second == _NUMBER - 1, stop, second * step + start)
        accused = [self.below_right[side, examples] - self._below(side, examples, places, left) for side in (0, 1)]
        possible = (second >= 0) & (second < _NUMBER)
        epsilons = table.ravel().take(self._index(accused))
        largest: np.ndarray = np.where(possible, epsilons, -np.inf).max(axis=1)
        return largest

    def _below(self, side: int, examples: np.ndarray, places: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Models below thresholds, (places, 400), that lie within rounding of the places."""
        before, models = self.below_left[side, examples, places], self.on_place[side, examples, places]
        below = np.repeat(before[:, np.newaxis], _NUMBER, axis=1)
        for model in range(models.max(initial=0)):
            where = np.flatnonzero(models > model)
            confidences = self.sides[side, examples[where], before[where] + model]
            below[where] += confidences[:, np.newaxis] < left[where]
        return below


def _within(
    indices: tuple[np.ndarray, np.ndarray],
    examples: np.ndarray,
    rights: np.ndarray,
    apart: np.ndarray,
    table: np.ndarray,
) -> np.ndarray:
    """The largest epsilon within each of some pairs of blocks, (pairs,).

    Args:
        indices: into the table, the parts of right thresholds and of places, (examples, 400) and (examples, 800).
        examples, rights: whose, and which block of right thresholds, (pairs,).
        apart: how many blocks that of the places comes after it.
        table: see `DoubleThresholds.largest`.
    """
    right = indices[0].reshape(-1, *_RIGHT.shape)[examples, rights]
    left = indices[1].reshape(-1, *_LEFT.shape)[examples, rights + apart]
    epsilons = table.ravel().take(right[..., np.newaxis] + left[:, np.newaxis])
    beyond = _BLOCK * apart[:, np.newaxis, np.newaxis] + np.arange(_BLOCK) - np.arange(_BLOCK)[:, np.newaxis]
    possible = (beyond >= 0) & (beyond < _NUMBER)
    largest: np.ndarray = np.where(possible, epsilons, -np.inf).max(axis=(1, 2))
    return largest


def _numbers(bins: np.ndarray, num_bins: int, counted: np.ndarray | None = None) -> np.ndarray:
    """How many of the last axis are in each bin, (..., num_bins), of all or of those that are to be counted."""
    rows = np.arange(bins[..., 0].size).reshape(*bins.shape[:-1], 1)
    flat = rows * num_bins + bins
    chosen = flat.ravel() if counted is None else flat[counted]
    return np.bincount(chosen, minlength=rows.size * num_bins).reshape(*bins.shape[:-1], num_bins)
