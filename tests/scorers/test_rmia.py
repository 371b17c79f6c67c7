"""RMIA against its formula written out, its direction, and what it is compared with."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kit.scorers import rmia
from kit.scorers.rmia import rmia_scores
from kit.types import Comparison, Outputs, Score

SIZES = {"retain": 10, "forget": 34, "validation": 60, "test": 47}
PAIRS = 30


def comparison(seed: int = 0, unlearned: int = 8, retrained: int = 13, shift: float = 0.0) -> Comparison:
    generator = np.random.default_rng(seed)
    difficulty = {part: generator.normal(1, 1.5, size) for part, size in SIZES.items()}

    def population(models: int, advantage: float) -> Outputs:
        skill = 0.2 * generator.normal(size=(models, 1))
        confidences = {
            part: difficulty[part] + skill + generator.normal(size=(models, size)) for part, size in SIZES.items()
        }
        confidences["forget"] += advantage
        correct = {part: values > 0 for part, values in confidences.items()}
        labels = {part: np.zeros(size, int) for part, size in SIZES.items()}
        return Outputs("some", confidences, correct, labels, np.ones(models), np.arange(models))

    members, nonmembers = (generator.permutation(SIZES[part])[:PAIRS] for part in ("forget", "test"))
    return Comparison(population(unlearned, shift), population(retrained, 0.0), members, nonmembers, "", 1.0)


def score(given: Comparison) -> Score:
    (only,) = rmia.score(given)
    return only


def probability(confidences: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-confidences.astype(float)))


def by_hand(
    x: np.ndarray, out_x: np.ndarray, z: np.ndarray, out_z: np.ndarray, a: float = 0.33, gamma: float = 2.0
) -> np.ndarray:
    actual = np.zeros(x.shape)
    for model, example in np.ndindex(x.shape):
        ratios = [
            probability(values[model]) / (0.5 * ((1 + a) * probability(out).mean(axis=0) + 1 - a))
            for values, out in ((x, out_x), (z, out_z))
        ]
        actual[model, example] = np.mean(ratios[0][example] / ratios[1] > gamma)
    return actual


@pytest.mark.parametrize(("a", "gamma"), [(0.33, 2.0), (0.0, 1.0), (1.0, 1.3)])
def test_scores_are_the_formula_written_out(a: float, gamma: float) -> None:
    generator = np.random.default_rng(1)
    arrays = [generator.normal(size=shape) for shape in ((3, 11), (5, 11), (3, 17), (5, 17))]
    np.testing.assert_allclose(rmia_scores(*arrays, offline_a=a, gamma=gamma), by_hand(*arrays, a, gamma))
    if (a, gamma) == (0.33, 2.0):
        np.testing.assert_array_equal(rmia_scores(*arrays), by_hand(*arrays))


def test_higher_means_member() -> None:
    generator = np.random.default_rng(2)
    out_x, z, out_z = np.zeros((5, 3)), generator.normal(size=(1, 50)), np.zeros((5, 50))
    actual = rmia_scores(np.array([[-3.0, 0.0, 4.0]]), out_x, z, out_z, gamma=1.0)[0]
    assert actual[0] < actual[1] < actual[2]


def test_a_gain_counts_more_where_models_without_the_example_are_unsure() -> None:
    x, out_x = np.array([[2.0, 2.0]]), np.array([[2.0, -2.0], [2.0, -2.0]])
    actual = rmia_scores(x, out_x, np.linspace(-2, 2, 41)[np.newaxis], np.zeros((2, 41)), gamma=1.0)[0]
    assert actual[0] < actual[1]


def test_an_equal_ratio_does_not_dominate() -> None:
    assert rmia_scores(np.zeros((1, 1)), np.zeros((2, 1)), np.zeros((1, 4)), np.zeros((2, 4)), gamma=1.0) == 0


def test_value_and_target_like_for_like_by_hand() -> None:
    given = comparison(shift=0.5)
    sides = {}
    for name in ("unlearned", "retrained"):
        confidences = getattr(given, name).confidences
        chosen = np.concatenate(
            [confidences["forget"][:, given.members], confidences["test"][:, given.nonmembers]], axis=1
        )
        sides[name] = (chosen, confidences["validation"])
    labels = np.repeat([1, 0], PAIRS)

    def auc(models: tuple[np.ndarray, ...], out: tuple[np.ndarray, ...]) -> float:
        result = by_hand(models[0], out[0], models[1], out[1])
        return float(np.mean([roc_auc_score(labels, scores_of_model) for scores_of_model in result]))

    halves = [tuple(array[start:12:2] for array in sides["retrained"]) for start in (0, 1)]
    result = score(given)
    assert result.value == pytest.approx(np.mean([auc(sides["unlearned"], half) for half in halves]), abs=1e-12)
    assert result.target == pytest.approx((auc(*halves) + auc(*halves[::-1])) / 2, abs=1e-12)
    assert (result.name, result.direction, result.reason) == ("rmia_auc", "match_retrain", "")
    assert type(result.value) is type(result.stderr) is type(result.target) is float


def test_models_like_retrained_ones_are_within_noise_of_the_target() -> None:
    for seed in range(8):
        result = score(comparison(seed))
        assert abs(result.value - result.target) < 3 * result.stderr


def test_it_grows_with_what_is_remembered() -> None:
    values = [score(comparison(shift=shift)).value for shift in (-2.0, -0.5, 0.0, 0.5, 2.0, 4.0)]
    assert values == sorted(values)
    assert values[0] < 0.35
    assert values[-1] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_standard_error_covers(shift: float) -> None:
    results = [score(comparison(seed, 16, 16, shift)) for seed in range(80)]
    values, stderrs = np.array([[result.value, result.stderr] for result in results], float).T
    # The validation set is drawn afresh with the rest, and its luck is in the standard error too little to matter.
    assert 0.9 <= (np.abs(values - values.mean()) <= 2 * stderrs).mean() <= 1
    assert 0.8 <= np.sqrt((stderrs**2).mean()) / values.std() <= 1.4


def test_orders_do_not_matter_and_inputs_are_left_alone() -> None:
    given, before = comparison(), copy.deepcopy(comparison())
    turned = dataclasses.replace(given, members=given.members[::-1], nonmembers=np.roll(given.nonmembers, 5))
    z_order, models = np.random.default_rng(3).permutation(60), np.array([2, 1, 0, 3, 6, 5, 4, 7])

    def reorder(outputs: Outputs, models: np.ndarray) -> Outputs:
        confidences = {part: array[models] for part, array in outputs.confidences.items()}
        confidences["validation"] = confidences["validation"][:, z_order]
        return dataclasses.replace(outputs, confidences=confidences)

    turned = dataclasses.replace(
        turned, unlearned=reorder(given.unlearned, models), retrained=reorder(given.retrained, np.arange(13))
    )
    assert score(turned).value == pytest.approx(score(given).value, abs=1e-12)
    assert score(turned).target == pytest.approx(score(given).target, abs=1e-12)
    assert score(given) == score(given)
    for part in SIZES:
        np.testing.assert_array_equal(given.unlearned.confidences[part], before.unlearned.confidences[part])
        np.testing.assert_array_equal(given.retrained.confidences[part], before.retrained.confidences[part])


def test_extreme_and_constant_confidences_give_finite_scores() -> None:
    def fill(outputs: Outputs, value: float) -> Outputs:
        filled = {part: np.where(array > 1, value, -value) for part, array in outputs.confidences.items()}
        return dataclasses.replace(outputs, confidences=filled)

    given = comparison()
    for value in (0.0, 1e38, 50.0):
        result = score(
            dataclasses.replace(given, unlearned=fill(given.unlearned, value), retrained=fill(given.retrained, value))
        )
        assert all(np.isfinite([result.value, result.stderr, result.target]))
        if value == 0:
            assert (result.value, result.stderr, result.target) == (0.5, 0.0, 0.5)


def test_eight_models_against_many() -> None:
    result = score(comparison(0, 8, 512))
    assert abs(result.value - result.target) < 3 * result.stderr


@pytest.mark.parametrize("sizes", [(7, 13), (8, 7), (1, 6)])
def test_without_a_population_or_an_attack_there_is_a_reason(sizes: tuple[int, int]) -> None:
    result = score(comparison(0, *sizes))
    assert (result.value, result.stderr, result.target) == (None, None, None)
    assert f"not {sizes[0]} unlearned and {sizes[1]} retrained" in result.reason
    nobody = np.zeros(0, np.int64)
    gone = dataclasses.replace(comparison(), members=nobody, nonmembers=nobody, attack_impossible="class 5 is gone")
    assert score(gone).reason == "class 5 is gone"


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3), (2, 4), (2, 5), (2, 5)),
        ((2, 3), (2, 3), (2, 5), (2, 6)),
        ((2, 3), (4, 3), (3, 5), (4, 5)),
        ((2, 3), (4, 3), (2, 5), (5, 5)),
        ((2, 3), (4, 3), (2, 0), (4, 0)),
        ((3,), (4, 3), (2, 5), (4, 5)),
    ],
)
def test_what_does_not_belong_together_is_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(
        ValueError, match=r"Expected \(models, examples\), .* none of them empty\. Pass the same models"
    ):
        rmia_scores(*map(np.zeros, shapes))


@pytest.mark.parametrize("settings", [{"offline_a": -0.1}, {"offline_a": 1.1}, {"gamma": 0.0}, {"gamma": float("nan")}])
def test_settings_outside_their_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Expected 0 <= offline_a <= 1 and gamma > 0. The defaults are 0.33 and 2.0"):
        rmia_scores(*[np.zeros((2, 2))] * 4, **settings)
