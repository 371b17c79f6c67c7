"""Ranks of members among non-members: what an AUC and its variances are made of, from one sort of both.

Counts are doubled, so that half a tie is a whole number: sums of them are exact, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.scorers._threads import blocks, in_threads

_MODELS_AT_ONCE, _SEARCHED_AT_ONCE = 8, 16_384


@dataclass(frozen=True)
class Placements:
    """How well members are told from non-members.

    Args:
        aucs: of each model, float64 (models,).
        of_members: share of non-members that each member exceeds, ties half, mean over models, float64 (members,).
        of_nonmembers: share of members that exceed each non-member, likewise, float64 (nonmembers,).
    """

    aucs: np.ndarray
    of_members: np.ndarray
    of_nonmembers: np.ndarray


def placements(scores: np.ndarray, num_members: int) -> Placements:
    """Returns the placements of examples by the scores of models, (models, examples), the members first.

    Example:
        >>> placements(np.array([[2.0, 1.0, 1.0, 0.0]]), 2).aucs.tolist()
        [0.875]
    """

    def of_models(models: slice) -> tuple[list[int], np.ndarray]:
        each = [doubled_placements(row, num_members) for row in scores[models]]
        return [int(doubled[:num_members].sum()) for doubled in each], np.sum(each, axis=0)

    parts = in_threads(of_models, blocks(len(scores), _MODELS_AT_ONCE))
    shares = as_shares(np.sum([doubled for _, doubled in parts], axis=0), num_members, len(scores))
    pairs = num_members * (scores.shape[1] - num_members)
    aucs = np.array([doubled for of_models, _ in parts for doubled in of_models]) / (2 * pairs)
    return Placements(aucs, shares[:num_members], shares[num_members:])


def auc_of_sorted(members: np.ndarray, nonmembers: np.ndarray) -> float:
    """Returns the probability that a member has a higher score than a non-member, ties half; both are sorted.

    Example:
        >>> auc_of_sorted(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
        0.875
    """
    doubled = 0
    for block in blocks(len(members), _SEARCHED_AT_ONCE):
        some = members[block]
        first, after = np.searchsorted(nonmembers, some[0], "left"), np.searchsorted(nonmembers, some[-1], "right")
        nearby = nonmembers[first:after]  # a part that the cache holds, where there are millions of them
        below = np.searchsorted(nearby, some, side="left")
        doubled += 2 * int(below.sum() + first * len(some))
        tied = nearby[np.minimum(below, len(nearby) - 1)] == some if len(nearby) else np.zeros(0, bool)
        if tied.any():
            doubled += int((np.searchsorted(nearby, some[tied], side="right") - below[tied]).sum())
    return doubled / (2 * len(members) * len(nonmembers))


def doubled_placements(scores: np.ndarray, num_members: int) -> np.ndarray:
    """Returns how many of the other side each example is told from, counted twice; once where both have one score.

    Args:
        scores: of one model, (examples,), the members first. Higher speaks for membership. Integers are counts, 0 or
            more, and are counted rather than sorted.
        num_members: how many they are.

    Returns:
        int64 (examples,): of a member, twice the non-members that it exceeds; of a non-member, twice the members that
        exceed it.

    Example:
        >>> doubled_placements(np.array([2.0, 1.0, 1.0, 0.0, 3.0]), 2).tolist()
        [4, 3, 3, 4, 0]
    """
    if scores.dtype.kind in "iu":
        return _counted(scores, num_members)
    order = np.argsort(scores)
    ordered, is_member = scores[order], order < num_members
    places, members = np.arange(len(scores)), np.concatenate([[0], np.cumsum(is_member)])
    first, after = places, places + 1
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if not starts.all():  # of each, where the run of equal scores that it is in begins and ends
        run, begins = np.cumsum(starts) - 1, np.flatnonzero(starts)
        first, after = begins[run], np.append(begins[1:], len(scores))[run]
    before, until = members[first], members[after]
    doubled = np.empty(len(scores), np.int64)
    doubled[order] = np.where(is_member, first - before + after - until, 2 * num_members - before - until)
    return doubled


def _counted(scores: np.ndarray, num_members: int) -> np.ndarray:
    members, nonmembers = scores[:num_members], scores[num_members:]
    levels = int(scores.max()) + 1
    at_level = [np.bincount(side, minlength=levels) for side in (members, nonmembers)]
    upto = [np.cumsum(counts) for counts in at_level]
    below, above = 2 * upto[1] - at_level[1], 2 * (num_members - upto[0]) + at_level[0]
    return np.concatenate([below[members], above[nonmembers]])


def as_shares(doubled: np.ndarray, num_members: int, num_models: int | np.ndarray) -> np.ndarray:
    """Returns mean placements, float64 (..., examples), from the sum over models of `doubled_placements`."""
    others = np.full(doubled.shape[-1], num_members, np.float64)
    others[:num_members] = doubled.shape[-1] - num_members
    return doubled / (2 * num_models * others)
