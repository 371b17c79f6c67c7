"""MIA-efficacy against scikit-learn step by step; the features against their formulas; the trap in published code."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax
from sklearn.svm import SVC

from kit.scorers import gaps, svc_mia
from kit.scorers.svc_mia import (
    confidence,
    correctness,
    entropy,
    modified_entropy,
    nonmember_predictions,
    probabilities,
    svc_mia_efficacy,
)
from kit.types import Comparison, Once, Outputs, Score

SIZES = {"retain": 61, "forget": 37, "validation": 5, "test": 53}
CLASSES = 4


def outputs(seed: int, models: int, *, remembers: float = 0.0, sizes: dict[str, int] = SIZES) -> Outputs:
    """Models that are surer of the retain set than of the test set, and of the forget set as they remember it."""
    generator, shared = np.random.default_rng(seed), np.random.default_rng(1234)
    labels = {part: shared.integers(0, CLASSES, size) for part, size in sizes.items()}
    logits = {part: generator.normal(size=(models, size, CLASSES)) for part, size in sizes.items()}
    for part, surer in (("retain", 4.0), ("forget", 4 * remembers), ("test", 0.0)):
        logits[part][:, np.arange(sizes[part]), labels[part]] += 1 + surer
    return Outputs.of_logits("some", logits, labels, seconds=np.ones(models), seeds=np.arange(models))


def compare(unlearned: Outputs, retrained: Outputs) -> Comparison:
    nobody = np.zeros(0, np.int64)
    return Comparison(unlearned, retrained, nobody, nobody, "a class is gone", 1.0)


def without_logits(some: Outputs) -> Outputs:
    return dataclasses.replace(some, logits={})


# Features


@pytest.fixture(scope="module")
def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of two models, labels, and the probabilities by SciPy."""
    generator = np.random.default_rng(0)
    logits, labels = 2 * generator.normal(size=(2, 50, 6)), generator.integers(0, 6, 50)
    return logits, labels, softmax(logits, axis=-1)


def modified_entropy_by_hand(p: np.ndarray, label: int) -> float:
    others = sum(p[i] * math.log(1 - p[i]) for i in range(len(p)) if i != label)
    return -(1 - p[label]) * math.log(p[label]) - others


def m_entropy_of_the_repositories(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What Unlearn-Sparse, SalUn and RUM compute in effect: log p throughout, and whole columns written over."""
    probability, logs = p.copy(), np.log(p)
    probability[:, labels] = (1 - p)[:, labels]
    return -(probability * logs).sum(axis=1)


def test_features_are_their_formulas(example: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logits, labels, p = example
    at_labels = p[:, np.arange(50), labels]
    np.testing.assert_allclose(probabilities(logits), p, atol=1e-12)
    np.testing.assert_allclose(confidence(logits, labels), at_labels, atol=1e-12)
    np.testing.assert_array_equal(correctness(logits, labels), p.argmax(axis=-1) == labels)
    np.testing.assert_allclose(entropy(logits, labels), stats.entropy(p, axis=-1), atol=1e-12)
    expected = [
        [modified_entropy_by_hand(*pair) for pair in zip(model_probabilities, labels, strict=True)]
        for model_probabilities in p
    ]
    np.testing.assert_allclose(modified_entropy(logits, labels), expected, rtol=1e-12)


def test_modified_entropy_of_a_worked_example() -> None:
    """p = (0.7, 0.2, 0.1) with label 0: -0.3 ln 0.7 - 0.2 ln 0.8 - 0.1 ln 0.9, and so on."""
    logits = np.log([[0.7, 0.2, 0.1]] * 3)
    np.testing.assert_allclose(modified_entropy(logits, np.arange(3)), [0.16217, 2.14088, 2.95973], atol=5e-5)


def test_modified_entropy_knows_the_label_and_the_published_code_does_not(
    example: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    logits, labels, p = example
    other = np.roll(labels, 1)
    assert {*labels} == {*range(6)}  # all classes are in the batch: then every column is written over
    np.testing.assert_allclose(m_entropy_of_the_repositories(p[0], labels), m_entropy_of_the_repositories(p[0], other))
    actual = modified_entropy(logits[0], labels)
    assert np.abs(actual - modified_entropy(logits[0], other)).max() > 1
    assert abs(np.corrcoef(actual, m_entropy_of_the_repositories(p[0], labels))[0, 1]) < 0.8
    # surer and right is less, surer and wrong is more: what makes it a feature of membership
    right, wrong = np.zeros(2, int), np.ones(2, int)
    surer = np.array([[1.0, 0.0], [5.0, 0.0]])
    assert modified_entropy(surer, right)[1] < modified_entropy(surer, right)[0]
    assert modified_entropy(surer, wrong)[1] > modified_entropy(surer, wrong)[0]


def test_features_where_probabilities_are_rounded() -> None:
    """p of 1 - 1e-30 and of 1e-30: the label's complement and the others' logarithms are not lost."""
    sure = np.array([[70.0, 0.0], [0.0, 70.0]])
    with np.errstate(all="raise", under="ignore"):
        actual = modified_entropy(sure, np.zeros(2, int))
    tiny = math.exp(-70)
    np.testing.assert_allclose(actual, [2 * tiny**2, 140.0], rtol=1e-12, atol=1e-45)
    huge = np.array([[3e38, -3e38, 0.0], [-3e38, 3e38, 0.0], [3e38, 3e38, 3e38]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        for feature in (correctness, confidence, entropy, modified_entropy, probabilities):
            assert np.isfinite(feature(huge, np.zeros(3, int))).all(), feature
    assert modified_entropy(huge, np.zeros(3, int))[0] == 0
    np.testing.assert_array_equal(modified_entropy(np.zeros((2, 1)), np.zeros(2, int)), 0)


def test_features_leave_their_input_alone(example: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logits, labels, _ = copy.deepcopy(example)
    for feature in (correctness, confidence, entropy, modified_entropy, probabilities):
        assert feature(logits, labels).dtype == np.float64
        assert feature(logits.astype(np.float32), labels).shape[:2] == (2, 50)
    np.testing.assert_array_equal(logits, example[0])
    np.testing.assert_array_equal(labels, example[1])


# The attack


@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("sizes", [(60, 40, 30), (30, 40, 20)])
def test_it_is_scikit_learns_classifier_on_the_first_examples(sizes: tuple[int, int, int], features: int) -> None:
    generator = np.random.default_rng(1)
    retain, test, forget = (generator.normal(m, 1, (n, features)) for m, n in zip((1, 0, 0.5), sizes, strict=True))
    count = min(sizes[:2])
    attack = SVC(C=3, gamma="auto", kernel="rbf")
    attack.fit(np.concatenate([retain[:count], test[:count]]), np.repeat([1, 0], count))
    expected = 1 - attack.predict(forget).mean()
    assert 0 < expected < 1
    assert svc_mia_efficacy(retain, test, forget) == pytest.approx(expected, abs=1e-12)
    if features == 1:
        assert svc_mia_efficacy(retain[:, 0], test[:, 0], forget[:, 0]) == pytest.approx(expected, abs=1e-12)


def test_it_counts_those_taken_for_never_trained_on() -> None:
    retain, test = np.linspace(0.9, 1, 30), np.linspace(0, 0.3, 30)
    assert svc_mia_efficacy(retain, test, np.linspace(0.92, 1, 20)) == 0  # remembered
    assert svc_mia_efficacy(retain, test, np.linspace(0, 0.2, 20)) == 1  # forgotten, or over-forgotten


def test_the_cap_takes_the_first_examples() -> None:
    generator = np.random.default_rng(2)
    retain, test, forget = (generator.normal(m, 1, 200) for m in (1, 0, 0.5))
    actual = svc_mia_efficacy(retain, test, forget, max_examples=50)
    assert actual == svc_mia_efficacy(retain[:50], test[:50], forget)
    assert type(actual) is float


@pytest.mark.parametrize(
    ("shapes", "settings"),
    [
        (((0,), (3,), (3,)), {}),
        (((3,), (3,), (0,)), {}),
        (((3, 2), (3, 2), (3, 1)), {}),
        (((3,), (3,), (3,)), {"max_examples": 0}),
    ],
)
def test_what_does_not_belong_together_is_refused(
    shapes: tuple[tuple[int, ...], ...], settings: dict[str, int]
) -> None:
    with pytest.raises(
        ValueError, match=r"Expected \(n,\) or \(n, features\).*Compute all three with the same function"
    ):
        svc_mia_efficacy(*map(np.zeros, shapes), **settings)


# The scores


def test_scores_are_means_over_models_of_the_attack_on_sorted_features() -> None:
    unlearned, retrained = outputs(3, 2, remembers=0.5), outputs(4, 3)
    actual = {score.name: score for score in svc_mia.score(compare(unlearned, retrained))}
    assert list(actual) == ["svc_mia_efficacy", "svc_mia_efficacy_m_entropy"]
    for score, feature in zip(actual.values(), (confidence, modified_entropy), strict=True):
        means = []
        for side in (unlearned, retrained):
            each = []
            for model in range(side.num_models):
                retain, test, forget = (
                    feature(side.logits[part][model], side.labels[part]) for part in ("retain", "test", "forget")
                )
                ranks = [int((i + 0.5) * 61 / 53) for i in range(53)]
                each.append(svc_mia_efficacy(np.sort(retain)[ranks], np.sort(test), forget))
            means.append(np.mean(each))
        assert score.value == pytest.approx(means[0], abs=1e-12)
        assert score.target == pytest.approx(means[1], abs=1e-12)
        assert (score.direction, score.reason) == ("match_retrain", "")
        assert type(score.value) is type(score.stderr) is type(score.target) is float


def test_what_is_remembered_is_below_the_target_and_over_forgetting_above() -> None:
    retrained = outputs(5, 6)
    for seed in range(3):
        good = svc_mia.score(compare(outputs(10 + seed, 3), retrained))
        assert all(abs(score.value - score.target) < 3 * score.stderr for score in good)
        remembering = svc_mia.score(compare(outputs(10 + seed, 3, remembers=1.0), retrained))
        assert all(score.value < score.target - 3 * score.stderr for score in remembering)
    values = [svc_mia.score(compare(outputs(20, 3, remembers=r), retrained))[0].value for r in (1.5, 1, 0.5, 0, -0.5)]
    assert values == sorted(values)


def test_a_single_model_has_a_standard_error_over_examples() -> None:
    score = svc_mia.score(compare(outputs(6, 1), outputs(7, 6)))[0]
    assert 0.5 * np.sqrt(score.value * (1 - score.value) / 37) < score.stderr < 0.1


def test_the_order_of_the_examples_and_of_the_models_does_not_matter() -> None:
    given = compare(outputs(8, 3, remembers=0.5), outputs(9, 4))
    orders = {part: np.random.default_rng(10).permutation(size) for part, size in SIZES.items()}

    def follow(some: Outputs, models: np.ndarray) -> Outputs:
        return dataclasses.replace(
            some,
            logits={part: array[models][:, orders[part]] for part, array in some.logits.items()},
            labels={part: array[orders[part]] for part, array in some.labels.items()},
        )

    turned = compare(follow(given.unlearned, np.array([2, 0, 1])), follow(given.retrained, np.arange(4)[::-1]))
    for first, second in zip(svc_mia.score(given), svc_mia.score(turned), strict=True):
        assert first.value == pytest.approx(second.value, abs=1e-12)
        assert first.target == pytest.approx(second.target, abs=1e-12)
        assert first.stderr == pytest.approx(second.stderr, abs=1e-12)


def test_large_sets_are_thinned_to_evenly_spaced_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_array_equal(svc_mia._at_even_ranks(np.arange(100.0)[::-1], 4), [12, 37, 62, 87])
    np.testing.assert_array_equal(svc_mia._at_even_ranks(np.array([3.0, 1.0, 2.0]), 3), [1, 2, 3])
    some = outputs(11, 1, sizes={"retain": 400, "forget": 200, "validation": 5, "test": 300})
    whole = nonmember_predictions(some, confidence).mean()
    monkeypatch.setattr(svc_mia, "MAX_EXAMPLES", 100)
    assert nonmember_predictions(some, confidence).mean() == pytest.approx(whole, abs=0.05)


def test_constant_and_extreme_logits_give_finite_scores() -> None:
    def fill(some: Outputs, scale: float) -> Outputs:
        filled = {part: (np.sign(array) * scale).astype(np.float32) for part, array in some.logits.items()}
        return dataclasses.replace(some, logits=filled)

    for scale in (0.0, 3e38):
        for score in svc_mia.score(compare(fill(outputs(12, 2), scale), fill(outputs(13, 2), scale))):
            assert 0 <= score.value <= 1
            assert 0 < score.stderr < 1


def test_inputs_are_left_alone() -> None:
    given = compare(outputs(14, 2), outputs(15, 2))
    before = copy.deepcopy(given)
    assert svc_mia.score(given) == svc_mia.score(given)
    for part in SIZES:
        np.testing.assert_array_equal(given.unlearned.logits[part], before.unlearned.logits[part])


@pytest.mark.parametrize("side", ["unlearned", "retrained"])
def test_without_logits_there_is_a_reason(side: str) -> None:
    given = compare(outputs(16, 2), outputs(17, 3))
    bare = dataclasses.replace(given, **{side: without_logits(getattr(given, side))})
    one_part = {part: array for part, array in getattr(given, side).logits.items() if part != "retain"}
    partly = dataclasses.replace(given, **{side: dataclasses.replace(getattr(given, side), logits=one_part)})
    for comparison in (bare, partly):
        for score in svc_mia.score(comparison):
            assert score == Score(score.name, None, None, "match_retrain", reason=score.reason)
            counts = (0, 3) if side == "unlearned" else (2, 0)
            assert f"not of {counts[0]} unlearned and {counts[1]} retrained" in score.reason


def test_a_model_that_several_rows_ask_for_is_attacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits, fit = [], SVC.fit
    monkeypatch.setattr(SVC, "fit", lambda self, *sample: fits.append(len(sample)) or fit(self, *sample))
    retrained, once = outputs(31, 3), Once()
    for seed in (32, 33):
        comparison = dataclasses.replace(compare(outputs(seed, 2), retrained), once=once)
        first = svc_mia.score(comparison)
        gaps.score(comparison)
        assert svc_mia.score(comparison) == first
    assert len(fits) == 2 * (3 + 2 + 2)  # two features, three retrained models, two rows of two


@pytest.mark.parametrize("width", [0.02, 1.0, 9.0, 40.0])
def test_of_many_examples_the_classifiers_answers_are_scikit_learns(width: float) -> None:
    """Of a single feature they are read off a polynomial, on intervals on which that is exact."""
    generator = np.random.default_rng(0)
    learned = np.concatenate([generator.uniform(0, width, 150), width * generator.beta(2, 1, 150)])
    attack = SVC(C=3, gamma="auto").fit(learned[:, np.newaxis], np.repeat([0, 1], 150))
    asked = np.concatenate([generator.uniform(-0.1 * width, 1.1 * width, 2000), learned])[:, np.newaxis]
    decisions = attack.decision_function(asked)
    assert 0.05 < (decisions < 0).mean() < 0.95
    np.testing.assert_array_equal(svc_mia._are_below_0(attack, asked), decisions < 0)
    few = np.repeat(asked[:1], 200, axis=0)  # an interval of no width
    np.testing.assert_array_equal(svc_mia._are_below_0(attack, few), np.repeat(decisions[0] < 0, 200))
