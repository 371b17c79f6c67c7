"""The simulation behind the table of coverage, small: intervals hold, and those of old would not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import coverage


def setting(unlearned: int, retrained: int, shared: float, trace: float = 0.0) -> coverage.Setting:
    return coverage.Setting(unlearned, retrained, shared, trace, examples=30)


@pytest.mark.parametrize(("models", "shared"), [((1, 6), 0.3), ((6, 6), 0.0), ((6, 6), 0.3)])
def test_intervals_of_few_models_cover_and_are_no_wider_than_that(models: tuple[int, int], shared: float) -> None:
    """A standard error a third too large would be outside both limits; so it was, examples counted a second time."""
    rows = coverage.coverage(setting(*models, shared, trace=0.3), 300, any_number=[coverage.single_estimates])
    assert set(rows) == {"mia_gap", "forget_accuracy"}
    for name, row in rows.items():
        assert 0.9 <= row.covered <= 0.99, name
        assert 0.85 <= row.ratio <= 1.15, name


def test_an_error_that_counts_the_examples_twice_is_found_out() -> None:
    """What the gap's standard error was before: that over trainings, and that over examples, which holds it as well."""
    pairs, examples_too = [], []
    for repetition in range(300):
        given = coverage.comparison(setting(6, 6, 0.0), 0, repetition)
        _, estimate = next(coverage.single_estimates(given))
        sides = [(side.losses("forget"), side.losses("test")) for side in (given.unlearned, given.retrained)]
        placed = [
            [(members[:, :, np.newaxis] < others[:, np.newaxis]).mean(axis=axis).mean(axis=0) for axis in (2, 1)]
            for members, others in sides
        ]
        over_examples = sum(np.var(ours - theirs, ddof=1) / len(ours) for ours, theirs in zip(*placed, strict=True))
        stderr = float(np.hypot(estimate.stderr, np.sqrt(over_examples)))
        around = estimate.value - 2 * stderr, estimate.value + 2 * stderr
        pairs.append((0, estimate))
        examples_too.append((0, coverage.Estimate(estimate.value, stderr, around)))
    assert 0.9 <= coverage.of_estimates(pairs).covered <= 0.98
    twice = coverage.of_estimates(examples_too)
    assert twice.ratio > 1.3
    assert twice.covered > 0.98


@pytest.mark.parametrize("models", [(1, 3), (1, 6), (6, 6)])
def test_intervals_of_the_distance_to_retraining_cover(models: tuple[int, int]) -> None:
    rows = coverage.coverage(setting(*models, 0.1, 0.5), 100, any_number=[coverage.distance_estimates])
    assert 0.9 <= rows["retraining_distance"].covered <= 0.99


@pytest.mark.usefixtures("one_core")
@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_intervals_of_populations_cover(shared: float) -> None:
    rows = coverage.coverage(setting(16, 16, shared), 200)
    assert {"retraining_distance", "rmia_auc", "ulira_auc", "forgetting_score_normalised"} <= set(rows)
    assert 0.92 <= rows["retraining_distance"].covered <= 0.99
    for name in ("mia_gap", "forget_accuracy", "rmia_auc", "ulira_auc"):
        assert 0.9 <= rows[name].covered <= 0.99, name
        assert 0.8 <= rows[name].ratio <= 1.25, name
