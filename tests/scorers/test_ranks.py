"""Placements and AUCs from one sort, against counting all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from kit.scorers import _ranks
from kit.scorers._ranks import auc_of_sorted, doubled_placements, placements

KINDS = {
    "distinct": lambda generator, size: generator.normal(size=size),
    "tied": lambda generator, size: generator.normal(size=size).round(),
    "equal": lambda generator, size: np.zeros(size),
    "a run at the end": lambda generator, size: np.minimum(generator.normal(size=size), 0.3),
    "counts": lambda generator, size: generator.integers(0, 9, size),
    "one count": lambda generator, size: np.full(size, 7),
}


def by_pairs(scores: np.ndarray, num_members: int) -> np.ndarray:
    members, nonmembers = scores[:num_members], scores[num_members:]
    wins = 2 * (members[:, np.newaxis] > nonmembers).astype(int) + (members[:, np.newaxis] == nonmembers)
    return np.concatenate([wins.sum(axis=1), wins.sum(axis=0)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (17, 30), (40, 3)])
def test_placements_are_those_of_all_pairs(kind: str, sizes: tuple[int, int]) -> None:
    scores = KINDS[kind](np.random.default_rng(sum(sizes)), sum(sizes))
    np.testing.assert_array_equal(doubled_placements(scores, sizes[0]), by_pairs(scores, sizes[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_means_over_models_are_shares_of_all_pairs(kind: str) -> None:
    scores = np.stack([KINDS[kind](np.random.default_rng(seed), 25) for seed in range(19)])
    placed = placements(scores, 10)
    wins = (scores[:, :10, np.newaxis] > scores[:, np.newaxis, 10:]) + 0.0
    wins += 0.5 * (scores[:, :10, np.newaxis] == scores[:, np.newaxis, 10:])
    np.testing.assert_allclose(placed.aucs, wins.mean(axis=(1, 2)), rtol=1e-14)
    np.testing.assert_allclose(placed.of_members, wins.mean(axis=(0, 2)), rtol=1e-14)
    np.testing.assert_allclose(placed.of_nonmembers, wins.mean(axis=(0, 1)), rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_the_auc_of_sorted_scores_is_that_of_all_pairs(
    kind: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ranks, "_SEARCHED_AT_ONCE", at_once)
    scores = KINDS[kind](np.random.default_rng(1), 31)
    expected = by_pairs(scores, 12)[:12].sum() / (2 * 12 * 19)
    assert auc_of_sorted(np.sort(scores[:12]), np.sort(scores[12:])) == pytest.approx(expected, abs=1e-15)


def test_members_beyond_all_others() -> None:
    low, high = np.arange(4.0), np.arange(10.0, 13.0)
    assert (auc_of_sorted(high, low), auc_of_sorted(low, high)) == (1.0, 0.0)
