"""LiRA against SciPy, scikit-learn and a loop; its sign, what it compares with what, and its standard error."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from kit.scorers import lira
from kit.scorers.lira import lira_scores, mean_auc, mean_placements, two_way_stderr
from kit.scorers.membership_inference import membership_auc_stderr
from kit.types import Comparison, Outputs, Score

SIZES = {"retain": 10, "forget": 34, "validation": 60, "test": 47}
PAIRS = 30


def comparison(seed: int = 0, unlearned: int = 8, retrained: int = 13, shift: float = 0.0) -> Comparison:
    """Examples differ in difficulty and in how much models disagree about them; seeds in skill."""
    generator = np.random.default_rng(seed)
    difficulty = {part: generator.normal(2, 1.5, size) for part, size in SIZES.items()}
    spread = {part: generator.uniform(0.3, 1.5, size) for part, size in SIZES.items()}

    def population(models: int, advantage: float) -> Outputs:
        skill = 0.2 * generator.normal(size=(models, 1))
        confidences = {
            part: difficulty[part] + skill + spread[part] * generator.normal(size=(models, size))
            for part, size in SIZES.items()
        }
        confidences["forget"] += advantage
        correct = {part: values > 0 for part, values in confidences.items()}
        labels = {part: np.zeros(size, int) for part, size in SIZES.items()}
        return Outputs("some", confidences, correct, labels, np.ones(models), np.arange(models))

    members, nonmembers = (generator.permutation(SIZES[part])[:PAIRS] for part in ("forget", "test"))
    return Comparison(population(unlearned, shift), population(retrained, 0.0), members, nonmembers, "", 1.0)


def changed(given: Comparison, side: str, change: Callable[[np.ndarray], np.ndarray], *parts: str) -> Comparison:
    """The same comparison with the confidences of one side changed, on the parts named or on all."""
    outputs: Outputs = getattr(given, side)
    confidences = {
        part: change(array) if part in (parts or SIZES) else array for part, array in outputs.confidences.items()
    }
    return dataclasses.replace(given, **{side: dataclasses.replace(outputs, confidences=confidences)})


def score(given: Comparison) -> Score:
    (only,) = lira.score(given)
    return only


# Scores of examples


def test_scores_are_z_values() -> None:
    generator = np.random.default_rng(1)
    values, out = generator.normal(2, 3, (4, 9)), generator.normal(1, 2, (6, 9))
    for model, example in np.ndindex(4, 9):
        (z,) = stats.zmap(values[model, [example]], out[:, example], ddof=1)
        assert lira_scores(values, out)[model, example] == pytest.approx(float(z), rel=1e-12)


def test_higher_means_member_and_unusually_low_does_not() -> None:
    """The density of the offline attack in the reference code is low for both, and lower stands for member."""
    out = np.tile(np.array([[-1.0], [1.0]]), (1, 3))
    low, usual, high = lira_scores(np.array([[-5.0, 0.0, 5.0]]), out)[0]
    assert low < usual < high
    assert low == -high


def test_the_floor_of_the_deviation() -> None:
    assert lira_scores(np.array([[2.0]]), np.ones((3, 1))).tolist() == [[100.0]]
    assert lira_scores(np.array([[2.0]]), np.ones((3, 1)), floor=0.5).tolist() == [[2.0]]
    assert lira_scores(np.array([[1.0]]), np.ones((3, 1))).tolist() == [[0.0]]


def test_confidences_without_bounds_are_clipped() -> None:
    huge = np.array([[1e38, -1e38, 3.4e38]], np.float32)
    with np.errstate(all="raise"):
        actual = lira_scores(huge, np.concatenate([huge, -huge]))
    np.testing.assert_allclose(actual, [[100 / np.sqrt(2e4), -100 / np.sqrt(2e4), 100 / np.sqrt(2e4)]])


@pytest.mark.parametrize("shapes", [((1, 3), (1, 3)), ((1, 3), (2, 4)), ((3,), (2, 3)), ((1, 3), (3,))])
def test_what_does_not_belong_together_is_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"Expected \(models, examples\) of the same examples.*Retrain more"):
        lira_scores(*map(np.zeros, shapes))


# AUC and its two variances


@pytest.mark.parametrize("tied", [False, True])
def test_mean_auc_is_scikit_learns(tied: bool) -> None:
    generator = np.random.default_rng(2)
    members, nonmembers = generator.normal(0.5, 1, (3, 20)), generator.normal(size=(3, 25))
    if tied:
        members, nonmembers = members.round(), nonmembers.round()
    labels = np.repeat([1, 0], [20, 25])
    expected = np.mean([roc_auc_score(labels, np.append(*pair)) for pair in zip(members, nonmembers, strict=True)])
    assert mean_auc(members, nonmembers) == pytest.approx(expected, abs=1e-12)
    for side in mean_placements(members, nonmembers):
        assert side.mean() == pytest.approx(expected, abs=1e-12)
    wins = (members[:, :, None] > nonmembers[:, None]) + 0.5 * (members[:, :, None] == nonmembers[:, None])
    np.testing.assert_allclose(mean_placements(members, nonmembers)[0], wins.mean(axis=(0, 2)))
    np.testing.assert_allclose(mean_placements(members, nonmembers)[1], wins.mean(axis=(0, 1)))


def test_of_models_that_agree_the_standard_error_is_delongs() -> None:
    members, nonmembers = np.random.default_rng(3).normal(size=(2, 1, 40))
    placements = np.concatenate(mean_placements(members, nonmembers))
    actual = two_way_stderr(placements, np.tile(placements, (16, 1)), 40)
    assert actual == pytest.approx(membership_auc_stderr(-members[0], -nonmembers[0]), rel=1e-12)


def test_of_examples_that_agree_the_standard_error_is_the_models() -> None:
    replicates = np.repeat(np.random.default_rng(4).uniform(size=(16, 1)), 80, axis=1)
    actual = two_way_stderr(np.full(80, 0.6), replicates, 40)
    # the examples share all of it: as cells of a table they would seem to hold 1/40 of the variance on either side
    assert actual == pytest.approx(np.sqrt(15 * replicates[:, 0].var()), rel=1e-12)


def test_noise_of_model_and_example_together_counts_once() -> None:
    """Placements that are independent noise: their mean over models and examples has one variance, by either way."""
    generator = np.random.default_rng(5)
    variances = []
    for _ in range(300):
        cells = generator.normal(size=(16, 100))
        replicates = (cells.sum(axis=0) - cells) / 15
        variances.append(two_way_stderr(cells.mean(axis=0), replicates, 50) ** 2)
    # k = l = 50 of variance 1/16 each, the AUC being moved by both sides
    assert np.mean(variances) == pytest.approx(2 / (16 * 50), rel=0.15)


@pytest.mark.usefixtures("one_core")
@pytest.mark.slow
@pytest.mark.parametrize(("unlearned", "retrained", "shift"), [(8, 13, 0.0), (16, 16, 0.0), (16, 16, 0.5)])
def test_the_standard_error_covers(unlearned: int, retrained: int, shift: float) -> None:
    results = [score(comparison(seed, unlearned, retrained, shift)) for seed in range(120)]
    values, stderrs = np.array([[result.value, result.stderr] for result in results], float).T
    truth = values.mean() if shift else 0.5
    assert 0.9 <= (np.abs(values - truth) <= 2 * stderrs).mean() <= 1
    assert 0.8 <= np.sqrt((stderrs**2).mean()) / values.std() <= 1.5


# The score


def test_value_and_target_like_for_like_by_hand() -> None:
    given = comparison(unlearned=8, retrained=13, shift=0.4)
    sides = {}
    for name in ("unlearned", "retrained"):
        confidences = getattr(given, name).confidences
        chosen = (confidences["forget"][:, given.members], confidences["test"][:, given.nonmembers])
        sides[name] = np.concatenate(chosen, axis=1).astype(float)
    labels = np.repeat([1, 0], PAIRS)
    halves = sides["retrained"][0:12:2], sides["retrained"][1:12:2]

    def auc(models: np.ndarray, out: np.ndarray) -> float:
        z = (models - out.mean(axis=0)) / out.std(axis=0, ddof=1)
        return float(np.mean([roc_auc_score(labels, scores_of_model) for scores_of_model in z]))

    result = score(given)
    assert result.value == pytest.approx(np.mean([auc(sides["unlearned"], half) for half in halves]), abs=1e-12)
    assert result.target == pytest.approx((auc(*halves) + auc(*halves[::-1])) / 2, abs=1e-12)
    assert (result.name, result.direction, result.reason) == ("lira_auc", "match_retrain", "")
    assert type(result.value) is type(result.stderr) is type(result.target) is float


def test_models_like_retrained_ones_are_within_noise_of_the_target() -> None:
    for seed in range(8):
        result = score(comparison(seed))
        assert abs(result.value - result.target) < 3 * result.stderr


def test_it_grows_with_what_is_remembered_and_falls_below_half_with_over_forgetting() -> None:
    values = [score(comparison(shift=shift)).value for shift in (-2.0, -0.5, 0.0, 0.5, 2.0)]
    assert values == sorted(values)
    assert values[0] < 0.15
    assert values[-1] > 0.85


def test_difficult_examples_are_measured_by_their_own_standard() -> None:
    """A forget set far harder than the test set misleads an attack on the loss, but not this one."""
    given = comparison()
    for side in ("unlearned", "retrained"):
        given = changed(given, side, lambda values: values - 10, "forget")
    result = score(given)
    assert result.value == pytest.approx(score(comparison()).value, abs=1e-5)


def test_the_order_of_models_within_the_halves_and_of_unlearned_ones_does_not_matter() -> None:
    given = comparison()
    turned = changed(given, "unlearned", lambda values: values[::-1])
    turned = changed(turned, "retrained", lambda values: values[[4, 5, 0, 1, 10, 11, 2, 3, 8, 9, 6, 7, 12]])
    for name in ("value", "target"):
        assert getattr(score(turned), name) == pytest.approx(getattr(score(given), name), abs=1e-12)


def test_the_order_of_members_does_not_matter() -> None:
    given = comparison()
    turned = dataclasses.replace(given, members=given.members[::-1], nonmembers=np.roll(given.nonmembers, 5))
    for name in ("value", "target", "stderr"):
        assert getattr(score(turned), name) == pytest.approx(getattr(score(given), name), abs=1e-12)


def test_inputs_are_left_alone_and_the_same_call_gives_the_same_numbers() -> None:
    given = comparison()
    before = copy.deepcopy(given)
    assert score(given) == score(given)
    for side in ("unlearned", "retrained"):
        for part in SIZES:
            np.testing.assert_array_equal(
                getattr(given, side).confidences[part], getattr(before, side).confidences[part]
            )


def test_extreme_and_constant_confidences_give_finite_scores() -> None:
    given = comparison()
    for change in (np.zeros_like, lambda values: np.where(values > 2, 3e38, -3e38).astype(np.float32)):
        extreme = changed(changed(given, "unlearned", change), "retrained", change)
        result = score(extreme)
        assert all(np.isfinite([result.value, result.stderr, result.target]))
    constant = score(changed(changed(given, "unlearned", np.zeros_like), "retrained", np.zeros_like))
    assert (constant.value, constant.target, constant.stderr) == (0.5, 0.5, 0.0)


def test_eight_models_against_many() -> None:
    result = score(comparison(unlearned=8, retrained=512))
    assert abs(result.value - result.target) < 3 * result.stderr


@pytest.mark.parametrize("sizes", [(7, 13), (8, 7), (1, 6)])
def test_without_a_population_there_is_a_reason(sizes: tuple[int, int]) -> None:
    result = score(comparison(0, *sizes))
    assert (result.value, result.stderr, result.target) == (None, None, None)
    assert f"not {sizes[0]} unlearned and {sizes[1]} retrained" in result.reason


def test_without_an_attack_there_is_its_reason() -> None:
    nobody = np.zeros(0, np.int64)
    given = dataclasses.replace(comparison(), members=nobody, nonmembers=nobody, attack_impossible="class 5 is gone")
    assert score(given) == Score("lira_auc", None, None, "match_retrain", reason="class 5 is gone")
