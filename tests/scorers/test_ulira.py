"""U-LiRA against SciPy, scikit-learn and a loop; what it must not look at, and its standard errors."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve

from kit.scorers import ulira
from kit.scorers.ulira import log_likelihood_ratios, ulira_accuracy, ulira_auc, ulira_true_positive_rate
from kit.types import Comparison, Outputs, Score

Sides = tuple[np.ndarray, np.ndarray]
NAMES = ("ulira_accuracy", "ulira_auc", "ulira_tpr_at_1pct_fpr")


def confidences(
    seed: int, models: tuple[int, int], examples: int = 40, shift: float = 0.0, split: int | None = None
) -> Sides:
    """Unlearned and retrained models: examples of their own mean and spread, seeds of their own skill."""
    generator = np.random.default_rng(seed)
    of_split = generator if split is None else np.random.default_rng(split)
    difficulty, spread = of_split.normal(2, 1.5, examples), of_split.uniform(0.3, 1.5, examples)
    unlearned, retrained = (
        difficulty + 0.2 * generator.normal(size=(n, 1)) + spread * generator.normal(size=(n, examples)) for n in models
    )
    return unlearned + shift, retrained


def compare(unlearned: np.ndarray, retrained: np.ndarray) -> Comparison:
    def outputs(values: np.ndarray) -> Outputs:
        labels = {"forget": np.zeros(values.shape[1], int)}
        seeds = np.arange(len(values))
        return Outputs("some", {"forget": values}, {"forget": values > 0}, labels, np.ones(len(values)), seeds)

    nobody = np.zeros(0, np.int64)
    return Comparison(outputs(unlearned), outputs(retrained), nobody, nobody, "no attack on the test set", 1.0)


def scores(unlearned: np.ndarray, retrained: np.ndarray) -> dict[str, Score]:
    return {score.name: score for score in ulira.score(compare(unlearned, retrained))}


def ratios_by_hand(unlearned: np.ndarray, retrained: np.ndarray) -> Sides:
    """Model by model, in the order of the models."""
    actual = tuple(np.zeros(side.shape) for side in (unlearned, retrained))
    for result, side in zip(actual, (unlearned, retrained), strict=True):
        for model, example in np.ndindex(side.shape):
            logs = []
            for fitted in (unlearned, retrained):
                others = fitted[1 - model % 2 :: 2, example]
                logs.append(stats.norm(others.mean(), others.std(ddof=1)).logpdf(side[model, example]))
            result[model, example] = logs[0] - logs[1]
    return actual


@pytest.mark.parametrize("models", [(8, 8), (6, 10)])
def test_ratios_are_scipys_of_the_other_half(models: tuple[int, int]) -> None:
    sides = confidences(0, models, 7, shift=0.5)
    for actual, expected in zip(log_likelihood_ratios(*sides), ratios_by_hand(*sides), strict=True):
        np.testing.assert_allclose(actual, np.concatenate([expected[::2], expected[1::2]]), rtol=1e-9)


def test_the_last_of_an_odd_number_is_left_out() -> None:
    unlearned, retrained = confidences(1, (9, 8))
    for actual, expected in zip(
        log_likelihood_ratios(unlearned, retrained), log_likelihood_ratios(unlearned[:8], retrained), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("tied", [False, True])
def test_measures_are_scikit_learns(tied: bool) -> None:
    generator = np.random.default_rng(2)
    ratios = generator.normal(1, 2, (8, 50)), generator.normal(-1, 2, (8, 50))
    if tied:
        ratios = ratios[0].round(), ratios[1].round()
    labels, pooled = np.repeat([1, 0], 400), np.concatenate([side.ravel() for side in ratios])
    halves = [accuracy_score(labels, pooled > 0), accuracy_score(labels, pooled >= 0)]
    assert ulira_accuracy(ratios) == pytest.approx(np.mean(halves), abs=1e-12)
    assert ulira_auc(ratios) == pytest.approx(roc_auc_score(labels, pooled), abs=1e-12)
    false_positives, true_positives, _ = roc_curve(labels, pooled, drop_intermediate=False)
    best = true_positives[false_positives <= 0.01].max()
    assert ulira_true_positive_rate(ratios) == pytest.approx(best, abs=1e-12)


@pytest.mark.slow
def test_scores_are_the_measures_of_the_first_models_of_either_side() -> None:
    unlearned, retrained = confidences(3, (13, 20), 84, shift=0.5)
    result = scores(unlearned.astype(np.float32), retrained.astype(np.float32))
    assert tuple(result) == NAMES
    expected = ratios_by_hand(unlearned[:12].astype(np.float32), retrained[:12].astype(np.float32))
    values = ulira_accuracy(expected), ulira_auc(expected), ulira_true_positive_rate(expected)
    for score, value, target in zip(result.values(), values, (0.5, 0.5, 0.01), strict=True):
        assert score.value == pytest.approx(value, abs=1e-6)
        assert (score.target, score.direction, score.reason) == (target, "match_retrain", "")
        assert type(score.value) is type(score.stderr) is float
        assert score.stderr > 0


# Planted truths


@pytest.mark.parametrize("models", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_models_of_one_kind_cannot_be_told_apart(models: int) -> None:
    """Fitted to the models that are judged, the guess would be right far more often."""
    results = [scores(*confidences(seed, (models, models), 130)) for seed in range(20)]
    for name, target in zip(NAMES, (0.5, 0.5, 0.01), strict=True):
        values, stderrs = np.array([[result[name].value, result[name].stderr] for result in results], float).T
        assert abs(values.mean() - target) < 4 * values.std() / np.sqrt(20), name
        assert (np.abs(values - target) <= 3 * stderrs).mean() >= 0.9, name
    in_sample = []
    for seed in range(20):
        sides = confidences(seed, (models, models), 130)
        normals = [stats.norm(side.mean(axis=0), side.std(axis=0, ddof=1)) for side in sides]
        ratios = tuple(normals[0].logpdf(side) - normals[1].logpdf(side) for side in sides)
        in_sample.append(ulira_accuracy(ratios))
    assert np.mean(in_sample) > 0.55


def test_a_shift_is_found_and_the_larger_the_better() -> None:
    results = [scores(*confidences(4, (16, 16), 100, shift)) for shift in (0.0, 0.5, 1.0, 3.0, 30.0)]
    for name in NAMES:
        values = [result[name].value for result in results]
        assert values == sorted(values), name
        assert values[-1] == 1.0
        assert results[3][name].value - results[3][name].target > 2 * results[3][name].stderr


def test_a_shift_either_way_is_found() -> None:
    """Over-forgetting as well, and models that agree too much: the ratio has no preferred side."""
    unlearned, retrained = confidences(5, (16, 16), 100)
    for changed in (unlearned + 3, unlearned - 3, unlearned.mean(axis=0) + 0.02 * (unlearned - unlearned.mean(axis=0))):
        assert scores(changed, retrained)["ulira_accuracy"].value > 0.75


def test_confidence_tells_where_correctness_cannot() -> None:
    """All predictions are right on both sides: 0 and 1 for the statistic would have no spread and nothing to find."""
    unlearned, retrained = confidences(6, (16, 16), 100)
    given = compare(np.abs(unlearned) + 5, np.abs(retrained) + 1)
    assert given.unlearned.correct["forget"].all()
    assert given.retrained.correct["forget"].all()
    assert ulira.score(given)[0].value > 0.9
    wrong = {"forget": ~given.unlearned.correct["forget"]}
    turned = dataclasses.replace(given, unlearned=dataclasses.replace(given.unlearned, correct=wrong))
    assert ulira.score(turned) == ulira.score(given)


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.slow
def test_the_standard_error_covers(shift: float) -> None:
    """Also where there is nothing to find, and the jackknife alone would be larger by the root of 2."""
    results = [scores(*confidences(seed, (16, 16), 30, shift, split=0)) for seed in range(120)]
    for name in NAMES[:2]:
        values, stderrs = np.array([[result[name].value, result[name].stderr] for result in results], float).T
        truth = values.mean() if shift else 0.5
        inside = [result[name].interval[0] <= truth <= result[name].interval[1] for result in results]
        assert 0.9 <= np.mean(inside) <= 0.995
        assert 0.8 <= np.sqrt((stderrs**2).mean()) / values.std() <= 1.3


# Properties and edges


def test_orders_do_not_matter() -> None:
    unlearned, retrained = confidences(7, (8, 8), 130)
    given, order = scores(unlearned, retrained), np.random.default_rng(8).permutation(130)
    shuffled = scores(unlearned[:, order], retrained[:, order])
    within_halves = scores(unlearned[[6, 1, 0, 3, 4, 5, 2, 7]], retrained[[0, 7, 2, 3, 4, 1, 6, 5]])
    for name in NAMES:
        assert shuffled[name].value == pytest.approx(given[name].value, abs=1e-12)
        assert shuffled[name].stderr == pytest.approx(given[name].stderr, abs=1e-12)
        assert within_halves[name].value == pytest.approx(given[name].value, abs=1e-12)


def test_inputs_are_left_alone() -> None:
    sides = confidences(9, (8, 8))
    before = copy.deepcopy(sides)
    assert scores(*sides) == scores(*sides)
    for side, kept in zip(sides, before, strict=True):
        np.testing.assert_array_equal(side, kept)


def test_more_retrained_models_than_unlearned_ones_change_nothing() -> None:
    unlearned, retrained = confidences(10, (8, 512), 130)
    assert scores(unlearned, retrained) == scores(unlearned, retrained[:8])


def test_confidences_without_bounds_and_without_spread() -> None:
    constant = np.full((8, 130), 3.0)
    result = scores(constant, constant)
    assert (result["ulira_accuracy"].value, result["ulira_auc"].value) == (0.5, 0.5)
    assert result["ulira_accuracy"].stderr == 0
    assert scores(constant, constant + 1)["ulira_accuracy"].value == 1
    huge = np.where(np.arange(130) % 2, 1e38, -1e38) * np.ones((8, 1))
    for unlearned, retrained in ((huge, huge), (huge, -huge), (huge, constant), (constant, huge)):
        for score in scores(unlearned, retrained).values():
            assert np.isfinite(score.value)
            assert np.isfinite(score.stderr)
    assert scores(huge, huge)["ulira_accuracy"].value == 0.5
    assert scores(huge, -huge)["ulira_accuracy"].value == 1


def test_a_method_that_always_returns_one_model_is_told_from_retraining() -> None:
    _, retrained = confidences(11, (8, 16), 100)
    assert scores(np.repeat(retrained[:1], 8, axis=0), retrained[8:])["ulira_accuracy"].value > 0.95


@pytest.mark.parametrize("examples", [124, 125])
def test_true_positives_need_ten_false_ones(examples: int) -> None:
    score = scores(*confidences(12, (9, 8), examples))["ulira_tpr_at_1pct_fpr"]
    assert (score.value is None) == (examples == 124)
    if examples == 124:
        assert score == Score(score.name, None, None, "match_retrain", reason=score.reason)
        assert score.reason.startswith("1 % of 8 retrained models times 124 examples is fewer than 10")


@pytest.mark.parametrize("models", [(7, 8), (8, 7), (1, 6)])
def test_without_a_population_there_is_a_reason(models: tuple[int, int]) -> None:
    for score in scores(*confidences(13, models)).values():
        assert (score.value, score.stderr, score.target) == (None, None, None)
        assert f"not {models[0]} unlearned and {models[1]} retrained" in score.reason


@pytest.mark.parametrize("shapes", [((8, 3), (8, 4)), ((3, 3), (8, 3)), ((8,), (8,))])
def test_what_does_not_belong_together_is_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected .* of the same examples, and 4 models or more .* Run a population"):
        log_likelihood_ratios(*map(np.zeros, shapes))
