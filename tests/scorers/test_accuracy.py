"""Accuracies and what unlearning costs: values against scikit-learn, standard errors against scipy and simulation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrainings import taking
from scipy import stats
from sklearn.metrics import accuracy_score

from kit.scorers import accuracy
from kit.scorers.accuracy import accuracy_with_stderr, variance_of_mean
from kit.types import PARTS, Comparison, Outputs

PROPERTY = settings(max_examples=100, deadline=None, database=None, derandomize=True)


def one_model(right: int, wrong: int) -> np.ndarray:
    return np.array([[True] * right + [False] * wrong])


# One model


@pytest.mark.parametrize(("right", "wrong"), [(1, 0), (0, 1), (1, 1), (90, 10), (126, 0), (0, 126), (1, 9999)])
def test_one_model_has_the_standard_deviation_of_jeffreys_posterior(right: int, wrong: int) -> None:
    value, stderr = accuracy_with_stderr(one_model(right, wrong))
    assert value == pytest.approx(right / (right + wrong), abs=1e-12)
    assert stderr == pytest.approx(stats.beta(right + 0.5, wrong + 0.5).std(), rel=1e-12)


@pytest.mark.parametrize("examples", [126, 1000])
def test_two_standard_errors_cover_the_truth(examples: int) -> None:
    """Exactly, by summing the binomial probabilities of all outcomes whose interval holds the truth."""
    rights = np.arange(examples + 1)
    values, stderrs = np.array([accuracy_with_stderr(one_model(right, examples - right)) for right in rights]).T

    def coverage(truth: float) -> float:
        return float(stats.binom(examples, truth).pmf(rights)[np.abs(values - truth) < 2 * stderrs].sum())

    for truth in (0.1, 0.3, 0.5, 0.8, 0.95):
        assert 0.92 <= coverage(truth) <= 0.98, truth
    # Where next to no example is missed the steps from count to count are coarse: single truths are covered less often
    # or always, but not so on average.
    assert np.mean([coverage(truth) for truth in np.linspace(0, 1, 500)]) == pytest.approx(0.95, abs=0.015)
    assert coverage(1 - 0.1 / examples) > 0.95


def test_fresh_draws_spread_as_the_standard_error_says() -> None:
    generator = np.random.default_rng(0)
    draws = generator.random((4000, 1, 200)) < 0.9
    estimates = np.array([accuracy_with_stderr(draw) for draw in draws])
    assert estimates[:, 1].mean() == pytest.approx(estimates[:, 0].std(), rel=0.05)
    assert estimates[:, 0].std() == pytest.approx(np.sqrt(0.9 * 0.1 / 200), rel=0.05)


# Several models


def test_copies_of_one_model_are_no_more_certain_than_it() -> None:
    correct = one_model(70, 30)
    assert accuracy_with_stderr(np.repeat(correct, 7, axis=0)) == pytest.approx(accuracy_with_stderr(correct))


def test_several_models_add_the_variance_over_seeds() -> None:
    """Both models' examples agree in the mean of each example, so that the seeds are all that differs."""
    same_accuracy = np.array([[True] * 50 + [False] * 50, [False] * 50 + [True] * 50])
    other_accuracy = np.array([[True] * 100, [False] * 100])
    value, over_examples = accuracy_with_stderr(same_accuracy)
    again, with_seeds = accuracy_with_stderr(other_accuracy)
    assert value == again == 0.5
    # The accuracies are 1 and 0: variance 1/2 for one seed, 1/4 for the mean of two.
    assert with_seeds**2 == pytest.approx(over_examples**2 + 0.25, rel=1e-12)


def worlds(generator: np.random.Generator, spread: float, models: int = 6, count: int = 400) -> np.ndarray:
    """Booleans (worlds, models, examples): difficulty of the example, skill of the seed, and chance."""
    skill = spread * generator.normal(size=(count, models, 1))
    difficulty = 1.5 * generator.normal(size=(count, 1, 126))
    return 1 + skill + difficulty + 0.7 * generator.normal(size=(count, models, 126)) > 0


@pytest.mark.parametrize("spread", [0.0, 0.15, 0.4])
def test_the_standard_error_of_several_models_covers_the_truth(spread: float) -> None:
    # The sum of the four normals of `worlds` is above 0 with this probability.
    truth = stats.norm.cdf(1 / np.sqrt(spread**2 + 1.5**2 + 0.7**2))
    estimates = np.array([accuracy_with_stderr(correct) for correct in worlds(np.random.default_rng(1), spread)])
    covered = (np.abs(estimates[:, 0] - truth) < 2 * estimates[:, 1]).mean()
    assert 0.9 <= covered <= 0.99
    assert estimates[:, 1].mean() == pytest.approx(estimates[:, 0].std(), rel=0.12)


@PROPERTY
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_no_accuracy_is_ever_certain(models: int, examples: int, seed: int, share: float) -> None:
    correct = np.random.default_rng(seed).random((models, examples)) < share
    value, stderr = accuracy_with_stderr(correct)
    assert value == pytest.approx(correct.sum() / correct.size, abs=1e-12)
    assert 0 < stderr < 1
    assert type(value) is type(stderr) is float


def test_variance_of_mean() -> None:
    values = np.array([0.2, 0.5, 0.9, 0.4])
    assert variance_of_mean(values) == pytest.approx(stats.sem(values) ** 2, rel=1e-12)
    assert variance_of_mean(values[:1]) == 0


# Scores


def comparison(unlearned: int, retrained: int) -> Comparison:
    generator = np.random.default_rng(4)
    sizes = dict(zip(PARTS, (40, 30, 20, 50), strict=True))
    labels = {part: generator.integers(0, 3, size) for part, size in sizes.items()}
    populations = [
        Outputs.of_logits(
            method,
            {part: generator.normal(size=(models, size, 3)) for part, size in sizes.items()},
            labels,
            seconds=generator.uniform(1, 2, models),
            seeds=np.arange(models),
        )
        for method, models in (("method", unlearned), ("retrain", retrained))
    ]
    return Comparison(*populations, np.array([], int), np.array([], int), "not asked for", reference=taking(10.0))


@pytest.mark.parametrize("models", [1, 3])
def test_scores_are_scikit_learns_accuracies(models: int) -> None:
    given = comparison(models, 4)
    scores = {score.name: score for score in accuracy.score(given)}
    assert list(scores) == [info.name for info in accuracy.SCORES]
    assert list(scores)[:4] == ["retain_accuracy", "forget_accuracy", "validation_accuracy", "test_accuracy"]
    for part in PARTS:

        def mean(outputs: Outputs, part: str = part) -> float:
            predicted = outputs.logits[part].argmax(axis=2)
            return float(np.mean([accuracy_score(outputs.labels[part], answers) for answers in predicted]))

        score = scores[f"{part}_accuracy"]
        assert score.value == pytest.approx(mean(given.unlearned), abs=1e-12)
        assert score.stderr == accuracy_with_stderr(given.unlearned.correct[part])[1]
        assert score.direction == ("match_retrain" if part == "forget" else "up")
        assert score.target == pytest.approx(mean(given.retrained), abs=1e-12)
        assert score.null_band is None


def test_the_retrained_models_only_set_the_target() -> None:
    """With the sides exchanged, values and targets of the forget set change places."""
    given = comparison(2, 3)
    swapped = dataclasses.replace(given, unlearned=given.retrained, retrained=given.unlearned)
    forget, exchanged = accuracy.score(given)[1], accuracy.score(swapped)[1]
    assert (forget.value, forget.target) == pytest.approx((exchanged.target, exchanged.value), abs=1e-12)
    assert forget.value != exchanged.value


# A class that is forgotten altogether


def without_class(gone: tuple[int, ...], models: int = 3, test: tuple[int, ...] = (0, 1, 2)) -> Comparison:
    """The forget set holds all training examples of some classes; validation and test sets have theirs."""
    generator = np.random.default_rng(6)
    left = [label for label in range(3) if label not in gone]
    classes = {"retain": left, "forget": gone, "validation": (0, 1, 2), "test": test}
    labels = {part: generator.choice(classes[part], 60) for part in PARTS}
    sides = [
        Outputs.of_logits(
            "some",
            {part: generator.normal(size=(models, 60, 3)) + np.diag([0.5, 1, 3])[labels[part]] for part in PARTS},
            labels,
            seconds=np.ones(models),
            seeds=np.arange(models),
        )
        for _ in range(2)
    ]
    return Comparison(*sides, np.array([], int), np.array([], int), "a class is gone", reference=taking(10.0))


def accuracy_by_hand(outputs: Outputs, part: str, classes: set[int]) -> float:
    kept = np.array([label in classes for label in outputs.labels[part]])
    return float((outputs.logits[part].argmax(-1) == outputs.labels[part])[:, kept].mean())


@pytest.mark.parametrize("gone", [(2,), (0, 1)])
def test_test_and_validation_accuracy_leave_out_what_is_forgotten_altogether(gone: tuple[int, ...]) -> None:
    given = without_class(gone)
    scores = {score.name: score for score in accuracy.score(given)}
    left = {0, 1, 2} - set(gone)
    for part in ("validation", "test"):
        score = scores[f"{part}_accuracy"]
        assert score.value == pytest.approx(accuracy_by_hand(given.unlearned, part, left), abs=1e-12)
        assert score.value != pytest.approx(accuracy_by_hand(given.unlearned, part, {0, 1, 2}), abs=1e-3)
        kept = np.isin(given.unlearned.labels[part], list(left))
        assert score.stderr == accuracy_with_stderr(given.unlearned.correct[part][:, kept])[1]
        assert score.direction == "up"
        assert score.target == pytest.approx(accuracy_by_hand(given.retrained, part, left), abs=1e-12)
    for part in ("retain", "forget"):
        expected = accuracy_by_hand(given.unlearned, part, {0, 1, 2})
        assert scores[f"{part}_accuracy"].value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("gone", [(2,), (0, 1)])
def test_the_forgotten_class_has_an_accuracy_of_its_own_to_be_matched(gone: tuple[int, ...]) -> None:
    given = without_class(gone)
    score = {score.name: score for score in accuracy.score(given)}["forgotten_class_accuracy"]
    assert score.value == pytest.approx(accuracy_by_hand(given.unlearned, "test", set(gone)), abs=1e-12)
    assert score.target == pytest.approx(accuracy_by_hand(given.retrained, "test", set(gone)), abs=1e-12)
    kept = np.isin(given.unlearned.labels["test"], gone)
    assert score.stderr == accuracy_with_stderr(given.unlearned.correct["test"][:, kept])[1]
    assert (score.direction, score.reason) == ("match_retrain", "")


def test_a_class_of_which_one_example_is_retained_is_not_forgotten() -> None:
    given = without_class((2,))
    labels = {part: array.copy() for part, array in given.unlearned.labels.items()}
    labels["retain"][7] = 2
    sides = [dataclasses.replace(side, labels=labels) for side in (given.unlearned, given.retrained)]
    compared = dataclasses.replace(given, unlearned=sides[0], retrained=sides[1])
    scores = {score.name: score for score in accuracy.score(compared)}
    assert scores["test_accuracy"].value == pytest.approx(given.unlearned.correct["test"].mean(), abs=1e-12)
    assert scores["forgotten_class_accuracy"].value is None
    assert scores["forgotten_class_accuracy"].stderr is None
    assert "no class that the test set has is forgotten altogether" in scores["forgotten_class_accuracy"].reason


def test_a_test_set_without_the_forgotten_class_or_with_nothing_else() -> None:
    without, alone = without_class((2,), test=(0, 1)), without_class((2,), test=(2,))
    for compared in (without, alone):
        scores = {score.name: score for score in accuracy.score(compared)}
        assert scores["test_accuracy"].value == pytest.approx(compared.unlearned.correct["test"].mean(), abs=1e-12)
        assert (scores["forgotten_class_accuracy"].value is None) == (compared is without)


# Against the retrained models


def test_the_gap_to_the_target_is_paired_and_over_trainings() -> None:
    """Examples are hard for both sides alike: of their luck nothing is in the gap, and much in the value."""
    generator = np.random.default_rng(15)
    easy = generator.uniform(size=60) < 0.7
    sides = [easy ^ (generator.uniform(size=(count, 60)) < 0.05) for count in (6, 9)]
    gap = accuracy.accuracy_gap(*sides)
    welch = stats.ttest_ind(*(side.mean(axis=1) for side in sides), equal_var=False).confidence_interval()
    assert gap.interval == pytest.approx(tuple(welch), abs=1e-12)
    assert gap.stderr < accuracy_with_stderr(sides[0])[1] / 3
    paired = accuracy.accuracy_gap(sides[0][:1], sides[1][:1])
    expected = stats.sem(sides[0][0].astype(float) - sides[1][0])
    assert paired.stderr == pytest.approx(expected, rel=1e-9)


def test_models_that_agree_on_all_are_not_certain() -> None:
    everything = np.ones((4, 50), bool)
    gap = accuracy.accuracy_gap(everything, everything)
    assert gap.value == 0
    assert 0 < gap.stderr < 0.01
    assert gap.interval[0] < 0 < gap.interval[1]


@pytest.mark.parametrize("part", PARTS)
def test_each_accuracy_has_its_gap_to_the_retrained_models(part: str) -> None:
    given = comparison(3, 4)
    score = {score.name: score for score in accuracy.score(given)}[f"{part}_accuracy"]
    gap = accuracy.accuracy_gap(given.unlearned.correct[part], given.retrained.correct[part])
    assert (score.gap_stderr, score.gap_interval) == (gap.stderr, gap.interval)
    assert score.value - score.target == pytest.approx(gap.value, abs=1e-12)
