"""Halves, the grouped jackknife and balanced half-samples, against closed forms and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from kit.scorers._resampling import (
    MIN_MODELS,
    balanced_halves,
    halves,
    jackknife_replicates,
    jackknife_stderr,
    too_few_models,
)

SIZES = [(8, 8), (8, 13), (13, 8), (9, 9), (8, 512), (40, 33), (512, 512)]


@pytest.mark.parametrize("num_models", range(10))
def test_halves_are_disjoint_equal_and_interleaved(num_models: int) -> None:
    first, second = halves(num_models)
    assert len(first) == len(second) == num_models // 2
    assert first.dtype == second.dtype == np.int64
    np.testing.assert_array_equal(second, first + 1)
    assert sorted([*first, *second]) == list(range(num_models // 2 * 2))


@pytest.mark.parametrize("num_models", [8, 9, 13])
def test_no_model_changes_its_half_when_others_are_left_out(num_models: int) -> None:
    whole = halves(num_models)
    kept = np.array([0, 1, 2, 4, 5, num_models - 1])
    for half, part in zip(whole, halves(num_models, kept), strict=True):
        np.testing.assert_array_equal(part, np.intersect1d(half, kept))


# The jackknife


@pytest.mark.parametrize("groups", [2, 5, 16])
@pytest.mark.parametrize("sizes", [(2, 2), *SIZES])
def test_each_model_is_left_out_once_and_a_group_on_both_sides_at_once(sizes: tuple[int, int], groups: int) -> None:
    seen: list[tuple[set[int], set[int]]] = []

    def statistic(*kept: np.ndarray) -> float:
        assert all(np.all(np.diff(side) > 0) and side.dtype == np.int64 for side in kept)
        seen.append(tuple(set(range(size)) - {*side.tolist()} for side, size in zip(kept, sizes, strict=True)))
        return 0.0

    assert jackknife_stderr(statistic, *sizes, groups=groups) == 0
    assert len(seen) == min(*sizes, groups)
    for side, size in enumerate(sizes):
        left_out = [index for sides in seen for index in sides[side]]
        assert sorted(left_out) == list(range(size))
        assert max(len(sides[side]) for sides in seen) - min(len(sides[side]) for sides in seen) <= 1
    for number, (unlearned, retrained) in enumerate(seen):
        assert {index % len(seen) for index in unlearned | retrained} == {number}


@pytest.mark.parametrize("num_models", [2, 7, 16])
def test_of_a_mean_it_is_the_standard_error_of_the_mean(num_models: int) -> None:
    values = np.random.default_rng(0).normal(size=num_models)
    actual = jackknife_stderr(lambda kept, _: float(values[kept].mean()), num_models, num_models)
    assert actual == pytest.approx(stats.sem(values), rel=1e-12)


def test_of_means_in_groups_it_is_that_of_the_groups() -> None:
    unlearned, retrained = np.random.default_rng(1).normal(size=(2, 64))

    def difference(u: np.ndarray, r: np.ndarray) -> float:
        return float(unlearned[u].mean() - retrained[r].mean())

    of_groups = (unlearned - retrained).reshape(4, 16).mean(axis=0)
    assert jackknife_stderr(difference, 64, 64) == pytest.approx(stats.sem(of_groups), rel=1e-12)


@pytest.mark.parametrize("sizes", SIZES)
def test_of_a_difference_of_means_the_variance_is_that_of_both_sides(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(2)
    variances = []
    for _ in range(600):
        sides = [scale * generator.normal(size=size) for scale, size in zip((1, 2), sizes, strict=True)]
        actual = jackknife_stderr(lambda u, r, s=sides: float(s[0][u].mean() - s[1][r].mean()), *sizes)
        variances.append(actual**2)
    assert np.mean(variances) == pytest.approx(1 / sizes[0] + 4 / sizes[1], rel=0.1)


def test_unequal_groups_make_the_variance_too_large_by_three_percent_at_most() -> None:
    """Exactly, for a mean: the expectation over independent models of variance 1."""
    for size, other in itertools.product(range(8, 40), (8, 11, 64)):
        groups = min(16, size, other)
        kept = np.arange(size) % groups != np.arange(groups)[:, np.newaxis]
        replicates = kept / kept.sum(axis=1, keepdims=True)
        deviations = replicates - replicates.mean(axis=0)
        expected = (groups - 1) / groups * (deviations**2).sum()
        assert 1 - 1e-12 <= expected * size <= 1.03, (size, groups)


@pytest.mark.parametrize("sizes", [(8, 13), (16, 16), (64, 40)])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_standard_error_of_an_auc_covers_the_truth(sizes: tuple[int, int], shift: float) -> None:
    generator = np.random.default_rng(3)
    truth = stats.norm.cdf(shift / np.sqrt(2))
    labels = np.repeat([1, 0], sizes)

    def auc(sides: list[np.ndarray], u: np.ndarray, r: np.ndarray) -> float:
        return float((sides[0][u][:, np.newaxis] > sides[1][r]).mean())

    estimates = []
    for number in range(400):
        sides = [generator.normal(shift, size=sizes[0]), generator.normal(size=sizes[1])]
        value = auc(sides, *map(np.arange, sizes))
        assert number >= 20 or value == pytest.approx(roc_auc_score(labels, np.concatenate(sides)))
        estimates.append((value, jackknife_stderr(lambda u, r, s=sides: auc(s, u, r), *sizes)))
    values, stderrs = np.array(estimates).T
    # 8 groups give a t distribution of 7 degrees of freedom, and an AUC is skewed
    assert 0.86 <= (np.abs(values - truth) <= 2 * stderrs).mean() <= 0.985
    assert np.sqrt((stderrs**2).mean()) == pytest.approx(values.std(), rel=0.2)


def test_replicates_of_several_numbers_at_once() -> None:
    values = np.random.default_rng(4).normal(size=(9, 3))
    replicates = jackknife_replicates(lambda u, _: values[u].mean(axis=0), 9, 9)
    assert replicates.shape == (9, 3)
    np.testing.assert_allclose(replicates[4], np.delete(values, 4, axis=0).mean(axis=0))


@pytest.mark.parametrize("sizes", [(1, 8), (8, 1), (0, 8)])
def test_a_single_model_cannot_be_resampled(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"{sizes[0]} unlearned and {sizes[1]} retrained .* Expected two or more"):
        jackknife_stderr(lambda u, r: 0.0, *sizes)


# Half-samples


@pytest.mark.parametrize("num_models", [8, 9, 15, 16, 37, 512])
def test_half_samples_are_balanced(num_models: int) -> None:
    samples = balanced_halves(num_models)
    groups = 16 if num_models >= 16 else 8
    taken = num_models // groups * groups
    assert samples.shape == (2 * (groups - 1), num_models)
    assert not samples[:, taken:].any()
    np.testing.assert_array_equal(samples.sum(axis=1), taken // 2)
    np.testing.assert_array_equal(samples.sum(axis=0)[:taken], groups - 1)
    np.testing.assert_array_equal(samples[: groups - 1, :taken], ~samples[groups - 1 :, :taken])
    together = samples[: groups - 1, :groups].T.astype(float) * 2 - 1
    np.testing.assert_allclose(together @ together.T, groups * np.eye(groups) - 1)  # rows of a Hadamard matrix


@pytest.mark.parametrize("num_models", [8, 16, 64])
def test_half_samples_of_a_mean_spread_by_its_standard_error(num_models: int) -> None:
    values = np.random.default_rng(5).normal(size=num_models)
    means = [values[sample].mean() for sample in balanced_halves(num_models)]
    of_groups = values.reshape(-1, min(num_models, 16)).mean(axis=0)
    assert np.std(means) == pytest.approx(stats.sem(of_groups), rel=1e-12)


def test_a_population_has_eight_models() -> None:
    assert MIN_MODELS == 8
    assert too_few_models(8, 8) == ""
    for sizes in ((7, 8), (512, 7)):
        assert f"not {sizes[0]} unlearned and {sizes[1]} retrained" in too_few_models(*sizes)
