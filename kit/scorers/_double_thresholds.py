"""Attackers with two thresholds, 400 x 400 of them an example: all are counted for, few are looked at.

Right threshold i is `start + i * step`, and its left threshold j lies at `positive[0] - 4 + (i + j) * step`: 799 places
in all, on which the models are counted once. The more false positives and negatives, the smaller epsilon: so the counts
at the corners of a block of 8 right thresholds and 8 places say what any pair within it can reach at most, and only
blocks that can reach more than has been found are looked at.

Where a model's confidence lies on a place within rounding, it matters by which sum the threshold was reached. Such
places are counted pair by pair, in the released scorer's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.scorers._threads import blocks

# Of the released scorer: thresholds lie up to so far beyond the data, and there are so many on either side.
_BUFFER, _NUMBER = 2.0, 400
_STEP = 2 * _BUFFER / (_NUMBER - 1)
# 799 places, and one at which nobody is accused: 100 blocks; the right thresholds are 50.
_BLOCK, _PLACES = 8, 2 * _NUMBER - 1
_RIGHT, _LEFT = np.arange(_NUMBER).reshape(-1, _BLOCK), np.arange(_PLACES + 1).reshape(-1, _BLOCK)
# Which pairs of blocks hold a right threshold and the place of one of its 400 left ones.
_MEET = (_LEFT[:, -1] >= _RIGHT[:, :1]) & (_LEFT[:, 0] < _RIGHT[:, -1:] + _NUMBER)

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
            table: epsilon by numbers of false positives and false negatives, (N + 1, N + 1).
            bounds: the largest epsilon at so many of them, or more of either, (N + 1, N + 1).
        """
        largest, examples, on_place = least.copy(), np.arange(len(least)), self._excluded()
        below_left = np.where(on_place, self.sides.shape[2], self.below_left)  # so that nobody is accused
        at_most = self._at_most(on_place, bounds)
        # The likeliest blocks of each example first: most others are out of the question then.
        rights, lefts = np.divmod(at_most.reshape(len(least), -1).argmax(axis=1), len(_LEFT))
        np.maximum.at(largest, examples, self._within(examples, rights, lefts, below_left, table))
        examples, rights, lefts = np.nonzero(at_most > largest[:, np.newaxis, np.newaxis])
        np.maximum.at(largest, examples, self._within(examples, rights, lefts, below_left, table))
        examples, places = np.nonzero(on_place[:, :-1])
        for pairs in blocks(len(examples), _PLACES_AT_ONCE):
            np.maximum.at(largest, examples[pairs], self._from_places(examples[pairs], places[pairs], table))
        return largest

    def _excluded(self) -> np.ndarray:
        """Which places are not counted with the others, (examples, 800): those with models on them, and the last."""
        excluded: np.ndarray = self.on_place.max(axis=0) > 0
        excluded[:, -1] = True
        return excluded

    def _at_most(self, on_place: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """What epsilon any pair within a pair of blocks can have at most, (examples, 50, 100)."""
        num_models = self.sides.shape[2]
        fewest = np.where(on_place, num_models, self.below_left[0]).reshape(-1, *_LEFT.shape).min(axis=2)
        most = np.where(on_place, 0, self.below_left[1]).reshape(-1, *_LEFT.shape).max(axis=2)
        caught = self.below_right[0, :, _BLOCK - 1 :: _BLOCK, np.newaxis] - fewest[:, np.newaxis]
        wrongly = self.below_right[1, :, ::_BLOCK, np.newaxis] - most[:, np.newaxis]
        return np.where(_MEET, _epsilons(caught, wrongly, bounds), -np.inf)

    def _within(
        self, examples: np.ndarray, rights: np.ndarray, lefts: np.ndarray, below_left: np.ndarray, table: np.ndarray
    ) -> np.ndarray:
        """The largest epsilon within each of some pairs of blocks, given by their numbers, (pairs,) each."""
        right = self.below_right.reshape(2, -1, *_RIGHT.shape)[:, examples, rights]
        left = below_left.reshape(2, -1, *_LEFT.shape)[:, examples, lefts]
        caught, wrongly = right[..., np.newaxis] - left[:, :, np.newaxis]
        apart = _LEFT[lefts][:, np.newaxis] - _RIGHT[rights][..., np.newaxis]
        possible = (apart >= 0) & (apart < _NUMBER)
        largest: np.ndarray = np.where(possible, _epsilons(caught, wrongly, table), -np.inf).max(axis=(1, 2))
        return largest

    def _from_places(self, examples: np.ndarray, places: np.ndarray, table: np.ndarray) -> np.ndarray:
        """The largest epsilon over the pairs whose left threshold is at one of some places, (places,)."""
        right, first = self.right[examples], np.arange(_NUMBER)
        second = places[:, np.newaxis] - first
        width = (self.sides[0, :, -1] - self.sides[0, :, 0])[examples, np.newaxis]
        start, stop = right - width - _BUFFER, right - width + _BUFFER
        step = (stop - start) / (_NUMBER - 1)  # with the next, these are numpy.linspace(start, stop, 400)[second]
        left = np.where(second == _NUMBER - 1, stop, second * step + start)
        caught, wrongly = (
            self.below_right[side, examples] - self._below(side, examples, places, left) for side in (0, 1)
        )
        possible = (second >= 0) & (second < _NUMBER)
        largest: np.ndarray = np.where(possible, _epsilons(caught, wrongly, table), -np.inf).max(axis=1)
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


def _epsilons(caught: np.ndarray, wrongly: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Epsilon where so many are accused rightly and wrongly; below 0 stands for nobody."""
    missed = len(table) - 1 - np.maximum(caught, 0)
    epsilons: np.ndarray = table.ravel().take(np.maximum(wrongly, 0) * len(table) + missed)
    return epsilons


def _numbers(bins: np.ndarray, num_bins: int, counted: np.ndarray | None = None) -> np.ndarray:
    """How many of the last axis are in each bin, (..., num_bins), of all or of those that are to be counted."""
    rows = np.arange(bins[..., 0].size).reshape(*bins.shape[:-1], 1)
    flat = rows * num_bins + bins
    chosen = flat.ravel() if counted is None else flat[counted]
    return np.bincount(chosen, minlength=rows.size * num_bins).reshape(*bins.shape[:-1], num_bins)
