"""Adaptive requests against members that are lookup tables, where all is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from kit.leaks.adaptive import indicator, requests_against

SHARDS, RECORDS, DELETED = 2, 40, 10


def trial(generator: np.random.Generator, *, adaptive: bool, redrawn: bool) -> tuple[float, int]:
    """A member knows the labels of its own records, and nothing else; it is as accurate as it has records.

    Returns the indicator, and how many of the deleted were in the targeted shard.
    """
    shards = generator.integers(0, SHARDS, RECORDS)
    confidences = 10.0 * (shards == np.arange(SHARDS)[:, None]) + generator.normal(size=(SHARDS, RECORDS))
    targets = np.array([True, False])
    rows = generator.permutation(RECORDS)[:DELETED]
    if adaptive:
        rows = requests_against(confidences, targets, DELETED)
    kept = np.setdiff1d(np.arange(RECORDS), rows)
    left = generator.integers(0, SHARDS, len(kept)) if redrawn else shards[kept]
    sizes = np.bincount(left, minlength=SHARDS)
    return indicator(sizes / RECORDS, targets), int((shards[rows] == 0).sum())


def probability_of_fewer() -> float:
    """All deleted are of shard 0: it has fewer left if it had K - 10 < 40 - K, K binomial; ties count half."""
    sizes = np.arange(RECORDS + 1)
    masses = binom.pmf(sizes, RECORDS, 0.5)
    left = np.maximum(sizes - DELETED, 0)
    other = RECORDS - sizes - np.maximum(DELETED - sizes, 0)
    return float((masses * ((left < other) + 0.5 * (left == other))).sum())


def test_against_lookup_tables_it_is_the_closed_form() -> None:
    generator = np.random.default_rng(0)
    results = [trial(generator, adaptive=True, redrawn=False) for _ in range(1000)]
    assert {number for _, number in results} == {DELETED}  # no record of another shard is among them
    expected = probability_of_fewer()
    assert expected > 0.9
    assert np.mean([value for value, _ in results]) == pytest.approx(expected, abs=4 * 0.3 / np.sqrt(1000))


@pytest.mark.parametrize(("adaptive", "redrawn"), [(False, False), (True, True)])
def test_requests_that_do_not_look_and_a_fresh_division_give_a_half(adaptive: bool, redrawn: bool) -> None:
    generator = np.random.default_rng(1)
    values = [trial(generator, adaptive=adaptive, redrawn=redrawn)[0] for _ in range(1000)]
    assert np.mean(values) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(1000))


def test_half_of_several_shards_can_be_targeted() -> None:
    confidences = np.eye(4)[:, [0, 1, 2, 3, 2]]
    targets = np.array([True, False, True, False])
    assert set(requests_against(confidences, targets, 3).tolist()) == {0, 2, 4}
    assert indicator(np.array([0.5, 0.9, 0.7, 0.3]), targets) == 0.5
