"""The Jensen-Shannon divergence against SciPy; what other codes print under its name; pairs of models."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from kit.scorers import divergence
from kit.scorers.divergence import jensen_shannon_divergence, pairwise_divergence
from kit.types import Comparison, Outputs, Score

EXAMPLES, CLASSES = 40, 5


def logits(seed: int, models: int, method: float = 0.0) -> np.ndarray:
    """Examples of their own; models that differ; a method that moves all models to one side."""
    generator = np.random.default_rng(seed)
    shared = np.random.default_rng(99).normal(size=(2, EXAMPLES, CLASSES))
    own = generator.normal(size=(models, EXAMPLES, CLASSES)) + 0.2 * generator.normal(size=(models, 1, CLASSES))
    return 2 * shared[0] + own + method * shared[1]


def compare(unlearned: np.ndarray, retrained: np.ndarray, extra: int = 0) -> Comparison:
    def outputs(values: np.ndarray) -> Outputs:
        number = len(values) + extra
        forget = np.zeros((number, EXAMPLES))
        labels, seeds = {"forget": np.zeros(EXAMPLES, int)}, np.arange(number)
        return Outputs(
            "some", {"forget": forget}, {"forget": forget > 0}, labels, np.ones(number), seeds, {"forget": values}
        )

    nobody = np.zeros(0, np.int64)
    return Comparison(outputs(unlearned), outputs(retrained), nobody, nobody, "no attack", 1.0)


def score(given: Comparison) -> Score:
    (only,) = divergence.score(given)
    return only


def by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    pairs = zip(softmax(first, axis=-1), softmax(second, axis=-1), strict=True)
    return float(np.mean([jensenshannon(p, q, base=2) ** 2 for p, q in pairs]))


@pytest.fixture(scope="module")
def distributions() -> tuple[np.ndarray, np.ndarray]:
    p, q = np.random.default_rng(0).dirichlet(np.full(CLASSES, 0.3), size=(2, 200))
    return p, q


def test_it_is_scipys_distance_squared(distributions: tuple[np.ndarray, np.ndarray]) -> None:
    p, q = distributions
    actual = jensen_shannon_divergence(p, q)
    np.testing.assert_allclose(actual, jensenshannon(p, q, base=2, axis=1) ** 2, atol=1e-12)
    assert actual.mean() < 0.8 * jensenshannon(p, q, base=2, axis=1).mean()  # the distance is not what is meant


def test_it_is_in_bits_symmetric_and_between_0_and_1(distributions: tuple[np.ndarray, np.ndarray]) -> None:
    p, q = distributions
    actual = jensen_shannon_divergence(p, q)
    assert 0 < actual.min() <= actual.max() < 1
    np.testing.assert_allclose(jensen_shannon_divergence(q, p), actual, atol=1e-12)
    np.testing.assert_array_equal(jensen_shannon_divergence(p, p), 0)
    first, second = np.eye(CLASSES)[[0, 1]]
    assert jensen_shannon_divergence(first, second) == 1
    # by the definition: two divergences from the mean, each with the distribution first
    mean = (p + q) / 2
    kl = [np.where(side > 0, side * np.log2(side / mean), 0).sum(axis=1) for side in (p, q)]
    np.testing.assert_allclose(actual, (kl[0] + kl[1]) / 2, atol=1e-12)


def test_what_other_codes_call_so_is_another_number(distributions: tuple[np.ndarray, np.ndarray]) -> None:
    """Bad teaching and SSD: the divergence of the mean from p and q, averaged over elements."""
    p, q = distributions
    mean = (p + q) / 2
    trap = np.mean([mean * np.log(mean / np.maximum(side, 1e-300)) for side in (p, q)])
    assert abs(jensen_shannon_divergence(p, q).mean() - trap) > 0.1


def test_value_and_target_are_means_over_pairs() -> None:
    unlearned, retrained = logits(1, 3, 0.5), logits(2, 4)
    result = score(compare(unlearned, retrained))
    assert result.value == pytest.approx(np.mean([by_scipy(u, r) for u in unlearned for r in retrained]), abs=1e-7)
    pairs = [by_scipy(retrained[i], retrained[j]) for i in range(4) for j in range(4) if i != j]
    assert result.target == pytest.approx(np.mean(pairs), abs=1e-7)
    assert (result.name, result.direction, result.reason) == ("js_to_retrain", "match_retrain", "")
    assert type(result.value) is type(result.stderr) is type(result.target) is float
    assert 0 < result.stderr < 0.1


def test_a_single_unlearned_model_varies_as_a_retrained_one() -> None:
    unlearned, retrained = logits(3, 1), logits(4, 6)
    result = score(compare(unlearned, retrained))
    table = np.array([[by_scipy(first, second) for second in retrained] for first in (*retrained, *unlearned)])
    of_each = [np.delete(table[i], i).mean() for i in range(6)]
    expected = np.var(of_each, ddof=1) + np.var(table[6], ddof=1) / 6
    assert result.value == pytest.approx(table[6].mean(), abs=1e-7)
    assert result.stderr == pytest.approx(np.sqrt(expected), rel=1e-4)


@pytest.mark.parametrize("models", [(1, 6), (8, 13), pytest.param((16, 16), marks=pytest.mark.slow)])
def test_models_like_retrained_ones_are_within_noise_of_the_target(models: tuple[int, int]) -> None:
    results = [score(compare(logits(10 + 2 * w, models[0]), logits(11 + 2 * w, models[1]))) for w in range(60)]
    gaps = np.array([result.value - result.target for result in results])
    stderrs = np.array([result.stderr for result in results])
    values = np.array([result.value for result in results])
    assert abs(gaps.mean()) < 4 * gaps.std() / np.sqrt(60)
    assert 0.85 <= (np.abs(values - values.mean()) <= 2 * stderrs).mean() <= 1
    assert 0.7 <= np.sqrt((stderrs**2).mean()) / values.std() <= 1.5


def test_it_grows_with_what_the_method_changes() -> None:
    results = [score(compare(logits(5, 8, method), logits(6, 8))) for method in (0.0, 0.5, 1.0, 3.0, 30.0)]
    values = [result.value for result in results]
    assert values == sorted(values)
    assert results[2].value - results[2].target > 3 * results[2].stderr
    assert values[-1] < 1


def test_models_that_agree_too_much_are_below_the_target() -> None:
    retrained = logits(7, 8)
    result = score(compare(np.repeat(retrained.mean(axis=0, keepdims=True), 8, axis=0), retrained))
    assert result.value < result.target


def test_orders_do_not_matter_and_inputs_are_left_alone() -> None:
    unlearned, retrained = logits(8, 4, 0.3), logits(9, 5)
    before = copy.deepcopy((unlearned, retrained))
    given, order = score(compare(unlearned, retrained)), np.random.default_rng(0).permutation(EXAMPLES)
    turned = score(compare(unlearned[:, order], retrained[:, order]))
    for field in ("value", "stderr", "target"):
        assert getattr(turned, field) == pytest.approx(getattr(given, field), abs=1e-12)
    models = score(compare(unlearned[::-1], np.roll(retrained, 2, axis=0)))
    assert (models.value, models.target) == pytest.approx((given.value, given.target), abs=1e-12)
    classes = score(compare(unlearned[..., ::-1], retrained[..., ::-1]))
    assert classes.value == pytest.approx(given.value, abs=1e-7)
    np.testing.assert_array_equal(before[0], unlearned)
    np.testing.assert_array_equal(before[1], retrained)


def test_only_models_with_logits_count() -> None:
    unlearned, retrained = logits(20, 3), logits(21, 4)
    assert score(compare(unlearned, retrained, extra=5)) == score(compare(unlearned, retrained))


@pytest.mark.parametrize("models", [(0, 6), (1, 1), (0, 0)])
def test_without_logits_there_is_a_reason(models: tuple[int, int]) -> None:
    given = compare(logits(22, models[0]), logits(23, models[1]), extra=8)
    result = score(given)
    assert (result.value, result.stderr, result.target) == (None, None, None)
    assert f"not of {models[0]} and {models[1]}" in result.reason
    bare = dataclasses.replace(given, unlearned=dataclasses.replace(given.unlearned, logits={}))
    assert f"not of 0 and {models[1]}" in score(bare).reason


def test_extreme_logits_give_finite_numbers() -> None:
    huge = 3e38 * np.sign(logits(24, 3))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        actual = pairwise_divergence(huge, -huge)
    assert np.isfinite(actual).all()
    np.testing.assert_allclose(pairwise_divergence(huge, huge).diagonal(), 0, atol=1e-12)
