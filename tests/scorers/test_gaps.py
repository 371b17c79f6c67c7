"""The tug-of-war and the average gap: golden values of a paper, by hand, and standard errors by simulation."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

from kit.scorers import gaps, svc_mia
from kit.scorers.gaps import average_gap, tug_of_war
from kit.types import Comparison, Outputs, Score

SIZES = {"retain": 90, "forget": 60, "validation": 5, "test": 80}


def outputs(
    seed: int, models: int, *, remembers: float = 0.0, seeds_differ: float = 0.3, with_logits: int = 16
) -> Outputs:
    """Four classes; examples of one difficulty each for all models, seeds of their own skill."""
    generator, shared = np.random.default_rng(seed), np.random.default_rng(77)
    labels = {part: np.zeros(size, int) for part, size in SIZES.items()}
    skill = seeds_differ * generator.normal(size=(models, 1))
    logits = {}
    for part, surer in (("retain", 2.0), ("forget", 2 * remembers), ("validation", 0.0), ("test", 0.0)):
        margin = (
            surer + 1.5 * shared.normal(size=SIZES[part]) + skill + 0.5 * generator.normal(size=(models, SIZES[part]))
        )
        logits[part] = np.stack([margin, *np.zeros((3, *margin.shape))], axis=-1)
    some = Outputs.of_logits("some", logits, labels, seconds=np.ones(models), seeds=np.arange(models))
    return dataclasses.replace(some, logits={part: array[:with_logits] for part, array in some.logits.items()})


def compare(unlearned: Outputs, retrained: Outputs) -> Comparison:
    nobody = np.zeros(0, np.int64)
    return Comparison(unlearned, retrained, nobody, nobody, "a class is gone", 1.0)


def scores(unlearned: Outputs, retrained: Outputs) -> dict[str, Score]:
    return {score.name: score for score in gaps.score(compare(unlearned, retrained))}


# The measures


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ((0.63, 99.88, 94.06, 2.70), 3.78),  # fine-tuning
        ((0.69, 99.50, 94.01, 1.70), 4.12),  # gradient ascent
        ((4.19, 97.74, 91.59, 9.84), 2.26),  # l1-sparse
        ((2.85, 99.62, 93.93, 14.39), 1.15),  # SalUn
        ((5.24, 100.0, 94.26, 12.88), 0.0),  # retraining
    ],
)
def test_the_average_gaps_of_saluns_table(method: tuple[float, ...], expected: float) -> None:
    """CIFAR-10, ResNet-18, 10 % at random: unlearning accuracy, remaining and test accuracy, MIA; in percent there."""
    retrained = np.array([5.24, 100.0, 94.26, 12.88]) / 100
    actual = 100 * average_gap(np.array(method) / 100, retrained)
    assert actual == pytest.approx(expected, abs=0.0051)
    turned = np.array(method) / 100
    turned[0], retrained[0] = 1 - turned[0], 1 - retrained[0]  # forget accuracy in the place of unlearning accuracy
    assert 100 * average_gap(turned, retrained) == pytest.approx(actual, abs=1e-9)


def test_tug_of_war_by_hand() -> None:
    unlearned, retrained = np.array([0.9, 0.99, 0.7]), np.array([0.8, 1.0, 0.75])
    assert tug_of_war(unlearned, retrained) == pytest.approx(0.9 * 0.99 * 0.95, abs=1e-12)
    assert tug_of_war(retrained, unlearned) == tug_of_war(unlearned, retrained)
    assert tug_of_war(retrained, retrained) == 1
    assert tug_of_war(np.array([1.0, 1, 1]), np.array([0.0, 1, 1])) == 0


@pytest.mark.parametrize(("first", "second"), [([0.5], [0.5, 0.6]), ([], []), ([94.0], [0.9]), ([np.nan], [0.9])])
@pytest.mark.parametrize("measure", [tug_of_war, average_gap])
def test_what_does_not_belong_together_is_refused(measure: type, first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match=r"Expected one mean in \[0, 1\].*Divide percentages by 100"):
        measure(np.array(first), np.array(second))


# The scores


@pytest.mark.parametrize("models", [1, 5, 20])
def test_scores_by_hand(models: int) -> None:
    unlearned, retrained = outputs(1, models, remembers=0.7), outputs(2, models + 3)
    result = scores(unlearned, retrained)
    assert list(result) == ["tug_of_war", "average_gap"]
    accuracies = [side.correct[part].mean() for side in (unlearned, retrained) for part in ("forget", "retain", "test")]
    differences = np.abs(np.subtract(accuracies[:3], accuracies[3:]))
    assert result["tug_of_war"].value == pytest.approx(np.prod(1 - differences), abs=1e-12)
    efficacy = svc_mia.score(compare(unlearned, retrained))[0]
    expected = (differences.sum() + abs(efficacy.value - efficacy.target)) / 4
    assert result["average_gap"].value == pytest.approx(expected, abs=1e-12)
    for score, direction in zip(result.values(), ("up", "down"), strict=True):
        assert (score.direction, score.target, score.reason) == (direction, None, "")
        assert type(score.value) is type(score.stderr) is float
        assert score.stderr > 0


def test_a_class_that_is_forgotten_altogether_is_left_out_of_the_test_accuracy() -> None:
    """Otherwise a model that still knows it would be as far from retraining on the test set as on the forget set."""
    gone = {part: np.zeros(size, int) for part, size in SIZES.items()}
    gone["forget"][:], gone["test"][:30] = 1, 1
    unlearned, retrained = (dataclasses.replace(outputs(seed, 6), labels=gone) for seed in (1, 2))
    result = scores(unlearned, retrained)["tug_of_war"]
    kept = [slice(None), slice(None), slice(30, None)]
    accuracies = [
        [side.correct[part][:, which].mean() for part, which in zip(("forget", "retain", "test"), kept, strict=True)]
        for side in (unlearned, retrained)
    ]
    assert result.value == pytest.approx(tug_of_war(*map(np.array, accuracies)), abs=1e-12)
    everything = scores(*(outputs(seed, 6) for seed in (1, 2)))["tug_of_war"]
    assert result.value != pytest.approx(everything.value, abs=1e-4)


def test_remembering_is_further_from_retraining() -> None:
    retrained = outputs(3, 8)
    results = [scores(outputs(4, 8, remembers=remembers), retrained) for remembers in (0.0, 0.5, 1.0, 2.0)]
    towards = [result["tug_of_war"].value for result in results]
    away = [result["average_gap"].value for result in results]
    assert towards == sorted(towards, reverse=True)
    assert away == sorted(away)
    assert results[0]["tug_of_war"].value > 0.9
    assert results[3]["average_gap"].value > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("models", [(8, 13), (24, 24)])
def test_the_standard_errors_are_right_away_from_zero_gaps(models: tuple[int, int]) -> None:
    """Examples are the same in all worlds, as they are for both sides; only the models are drawn anew."""
    results = [
        scores(outputs(2 * w, models[0], remembers=1.2), outputs(2 * w + 1, models[1]))
        for w in range(100, 100 + (60 if models[0] < 24 else 25))
    ]
    for name in ("tug_of_war", "average_gap"):
        values, stderrs = np.array([[result[name].value, result[name].stderr] for result in results], float).T
        assert np.sqrt((stderrs**2).mean()) == pytest.approx(values.std(), rel=0.35), name
        assert (np.abs(values - values.mean()) <= 2 * stderrs).mean() >= 0.85, name


@pytest.mark.parametrize("models", [(1, 6), pytest.param((8, 8), marks=pytest.mark.slow)])
def test_near_zero_gaps_the_standard_errors_are_not_too_small(models: tuple[int, int]) -> None:
    """A single model too, which is taken to vary as a retrained one: here it does."""
    results = [scores(outputs(2 * w, models[0]), outputs(2 * w + 1, models[1])) for w in range(300, 340)]
    for name in ("tug_of_war", "average_gap"):
        values, stderrs = np.array([[result[name].value, result[name].stderr] for result in results], float).T
        assert np.sqrt((stderrs**2).mean()) > 0.8 * values.std(), name


def test_an_efficacy_that_few_models_have_varies_as_the_mean_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 models 16 have logits. Accuracies alike in all models: what is left is the mean of 16 efficacies a side."""
    efficacies = np.random.default_rng(20).uniform(0.2, 0.6, (2, 16)) + np.array([[0.3], [0.0]])
    answers = iter(efficacies)
    monkeypatch.setattr(gaps, "nonmember_predictions", lambda side, feature: next(answers)[:, np.newaxis])
    sides = [outputs(seed, 1).select(np.zeros(64, int)) for seed in (21, 22)]
    result = scores(*sides)["average_gap"]
    expected = np.sqrt((efficacies.var(axis=1, ddof=1) / 16).sum()) / 4
    assert result.stderr == pytest.approx(expected, rel=0.03)


def test_copies_of_one_model_leave_the_retrained_models_spread() -> None:
    model, retrained = outputs(5, 1, remembers=1.0), outputs(6, 6)
    copies = model.select(np.zeros(3, int))
    actual, single = scores(copies, retrained)["tug_of_war"], scores(model, retrained)["tug_of_war"]
    assert actual.value == pytest.approx(single.value, abs=1e-12)
    assert actual.stderr == pytest.approx(single.stderr / np.sqrt(7), rel=1e-9)  # 1/6 of 1 + 1/6


def test_orders_do_not_matter_and_inputs_are_left_alone() -> None:
    unlearned, retrained = outputs(7, 4, remembers=0.5), outputs(8, 6)
    before = copy.deepcopy((unlearned, retrained))
    turned = [
        dataclasses.replace(
            some,
            **{
                kind: {part: array[::-1, ::-1] for part, array in getattr(some, kind).items()}
                for kind in ("confidences", "correct", "logits")
            },
        )
        for some in (unlearned, retrained)
    ]
    given, other = scores(unlearned, retrained), scores(*turned)
    assert scores(unlearned, retrained) == given
    for name, score in given.items():
        assert other[name].value == pytest.approx(score.value, abs=1e-12)
        assert other[name].stderr == pytest.approx(score.stderr, abs=1e-12)
    for some, kept in zip((unlearned, retrained), before, strict=True):
        for part in SIZES:
            np.testing.assert_array_equal(some.correct[part], kept.correct[part])
            np.testing.assert_array_equal(some.logits[part], kept.logits[part])


def test_without_logits_the_tug_of_war_remains() -> None:
    result = scores(outputs(9, 2, with_logits=0), outputs(10, 3))
    assert result["tug_of_war"].value is not None
    assert result["average_gap"] == Score("average_gap", None, None, "down", reason=result["average_gap"].reason)
    assert "not of 0 unlearned and 3 retrained" in result["average_gap"].reason
