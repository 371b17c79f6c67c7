"""The forgetting score's noise: its ceiling, its interval and what it warns of, on simulated populations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from kit.scorers import _forgetting_noise, forgetting
from kit.scorers._forgetting_noise import points_among
from kit.scorers.forgetting import (
    ForgettingQuality,
    forgetting_quality,
    forgetting_score,
    guarded,
    logit_scaled_confidence,
    score_by_num_models,
)
from kit.types import PARTS, Comparison, Outputs, Score

Pair = tuple[np.ndarray, np.ndarray]


def simulated(
    generator: np.random.Generator,
    models: int,
    examples: int,
    *,
    shift: float = 0.0,
    spread: float = 1.0,
    shared: float = 0.0,
) -> Pair:
    """Confidences of unlearned and retrained models; `shared` is the part of the noise that examples have in common.

    The forget set is drawn anew as well: how hard an example is, and how far the unlearned models are off on it.
    """
    hardness, loading = generator.normal(3, 2, examples), generator.normal(size=examples)
    off = shift * generator.exponential(size=examples)

    def side(center: np.ndarray, width: float) -> np.ndarray:
        common = generator.normal(size=(models, 1)) * loading
        own = generator.normal(size=(models, examples))
        return center + 1.5 * width * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own)

    return side(hardness + off, spread), side(hardness, 1.0)


def test_the_score_is_that_of_all_models() -> None:
    unlearned, retrained = simulated(np.random.default_rng(0), 24, 30, shift=0.5)
    quality = forgetting_quality(unlearned, retrained)
    assert quality.score == forgetting_score(unlearned, retrained)
    np.testing.assert_array_equal(quality.epsilons, forgetting.example_epsilons(unlearned, retrained))
    low, high = quality.interval
    assert 0 <= low < quality.score < high <= 1
    assert high / quality.score == pytest.approx(quality.score / low)
    assert np.log(high / low) == pytest.approx(2 * stats.t.ppf(0.975, 15) * quality.stderr / quality.score)


@pytest.mark.usefixtures("one_core")
@pytest.mark.slow
def test_the_ceiling_is_the_score_of_fresh_retrained_models_at_half_their_number() -> None:
    generator = np.random.default_rng(1)
    hardness = generator.normal(3, 2, 40)
    fresh = [forgetting_score(*generator.normal(hardness, 1.5, (2, 16, 40))) for _ in range(60)]
    ceilings = []
    for _ in range(8):
        unlearned, retrained = generator.normal(hardness, 1.5, (2, 32, 40))
        ceilings.append(forgetting_quality(unlearned, retrained).ceiling)
    error = np.hypot(np.std(fresh) / np.sqrt(60), np.std(ceilings) / np.sqrt(8))
    assert abs(np.mean(ceilings) - np.mean(fresh)) < 4 * error
    assert 0.15 < np.mean(ceilings) < 0.24


def test_the_ceiling_does_not_depend_on_the_unlearned_models() -> None:
    unlearned, retrained = simulated(np.random.default_rng(2), 20, 25)
    first, second = forgetting_quality(unlearned, retrained), forgetting_quality(unlearned + 9, retrained)
    assert first.ceiling == second.ceiling > 0
    assert second.score == second.normalised == 0.0


def test_a_perfect_method_reaches_the_ceiling_and_a_shift_falls_below_it() -> None:
    generator = np.random.default_rng(3)
    values = [
        np.mean([forgetting_quality(*simulated(generator, 32, 20, shift=shift)).normalised for _ in range(count)])
        for shift, count in ((0.0, 6), (0.5, 2), (2.0, 2))
    ]
    assert values[0] == pytest.approx(1.0, abs=0.06)
    assert values[0] > values[1] > values[2]


def test_the_same_seed_gives_the_same_numbers_and_inputs_stay_as_they_were() -> None:
    unlearned, retrained = simulated(np.random.default_rng(4), 16, 20)
    before = unlearned.copy(), retrained.copy()
    first, same, second = (forgetting_quality(unlearned, retrained, seed=seed) for seed in (0, 0, 1))
    assert dataclasses.replace(first, epsilons=None) == dataclasses.replace(same, epsilons=None)
    assert first.score == second.score
    assert first.ceiling != second.ceiling
    np.testing.assert_array_equal(unlearned, before[0])
    np.testing.assert_array_equal(retrained, before[1])


@pytest.mark.parametrize("examples", [1, 2, 2000])
def test_any_number_of_examples(examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_forgetting_noise, "MOST_EXAMPLES_HALVED", 50)
    unlearned, retrained = simulated(np.random.default_rng(5), 8, examples)
    quality = forgetting_quality(unlearned, retrained, num_halves=3)
    assert all(np.isfinite([quality.score, quality.stderr, quality.ceiling, quality.normalised_stderr]))


# The interval


def covered(qualities: list[ForgettingQuality], truth: float) -> float:
    return float(np.mean([quality.interval[0] <= truth <= quality.interval[1] for quality in qualities]))


@pytest.mark.usefixtures("one_core")
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"shared": 0.0},
        {"shared": 0.5},
        {"shift": 0.7, "shared": 0.3},
        {"spread": 1.6, "shared": 0.6},
    ],
    ids=["as good as retrained", "examples move together", "a shift", "too wide"],
)
def test_the_interval_covers_the_score_of_a_fresh_population(settings: dict[str, float]) -> None:
    """The truth is the mean score of populations of this size, models and forget examples drawn anew."""
    generator = np.random.default_rng(6)
    truth = np.mean([forgetting_score(*simulated(generator, 24, 12, **settings)) for _ in range(200)])
    qualities = [forgetting_quality(*simulated(generator, 24, 12, **settings)) for _ in range(64)]
    assert 0.88 <= covered(qualities, float(truth)) <= 0.99
    spread = np.std([quality.score for quality in qualities])
    assert np.sqrt(np.mean([quality.stderr**2 for quality in qualities])) == pytest.approx(spread, rel=0.35)


def test_a_bootstrap_with_replacement_would_be_wrong() -> None:
    """Why the noise comes from halves: resampled models are fewer, and whoever looks for the luckiest finds others."""
    generator = np.random.default_rng(7)
    unlearned, retrained = simulated(generator, 64, 60)
    resampled = [
        forgetting_score(unlearned[generator.integers(0, 64, 64)], retrained[generator.integers(0, 64, 64)])
        for _ in range(20)
    ]
    assert np.mean(resampled) < 0.9 * forgetting_score(unlearned, retrained)


# Fewer models


def test_scores_by_number_of_models_are_means_over_disjoint_draws() -> None:
    unlearned, retrained = simulated(np.random.default_rng(8), 40, 20, shift=1.0)
    actual = score_by_num_models(unlearned, retrained, [8, 16, 40])
    assert list(actual) == [8, 16, 40]
    assert actual[40] == forgetting_score(unlearned, retrained)
    orders = [np.random.default_rng([0, side]).permutation(40) for side in range(2)]
    draws = [slice(0, 16), slice(16, 32)]
    expected = [forgetting_score(unlearned[orders[0][draw]], retrained[orders[1][draw]]) for draw in draws]
    assert actual[16] == np.mean(expected)


def test_few_models_flatter_bad_methods() -> None:
    generator = np.random.default_rng(9)
    unlearned, retrained = generator.normal(1, 1, (128, 40)), generator.normal(0, 1, (128, 40))
    actual = score_by_num_models(unlearned, retrained, [8, 32, 128])
    assert actual[8] > actual[32] + 0.01 > actual[128] + 0.02


# Scores of a comparison


def comparison(models: int, others: int, *, shift: float = 1.0, spread: float = 1.0) -> Comparison:
    generator = np.random.default_rng(10)
    sizes = dict(zip(PARTS, (50, 12, 20, 40), strict=True))
    labels = {part: np.zeros(size, int) for part, size in sizes.items()}
    hardness = {part: generator.normal(1, 2, size) for part, size in sizes.items()}

    def outputs(method: str, count: int, off: float, width: float) -> Outputs:
        margins = {
            part: hardness[part] + (off if part == "forget" else 0.0) + width * generator.normal(size=(count, size))
            for part, size in sizes.items()
        }
        logits = {part: np.stack([margin, np.zeros_like(margin)], axis=-1) for part, margin in margins.items()}
        return Outputs.of_logits(method, logits, labels, seconds=np.ones(count), seeds=np.arange(count))

    nothing = np.array([], int)
    return Comparison(
        outputs("method", models, shift, spread), outputs("retrain", others, 0.0, 1.0), nothing, nothing, "none", 1.0
    )


def by_name(given: Comparison) -> dict[str, Score]:
    return {score.name: score for score in forgetting.score(given)}


@pytest.mark.parametrize(("models", "others"), [(12, 12), (12, 20), (20, 12)])
def test_as_many_models_are_compared_as_both_sides_have(models: int, others: int) -> None:
    given = comparison(models, others)
    scores = by_name(given)
    sides = [outputs.confidences["forget"][:12].astype(float) for outputs in (given.unlearned, given.retrained)]
    assert scores["forgetting_score"].value == pytest.approx(forgetting_score(*sides), abs=1e-12)
    among = points_among(given.retrained.confidences["forget"].astype(float), 12)
    assert scores["forgetting_ceiling"].value == pytest.approx(among.mean(), abs=1e-12)
    normalised = scores["forgetting_score"].value / scores["forgetting_ceiling"].value
    assert scores["forgetting_score_normalised"].value == pytest.approx(normalised, abs=1e-12)


def test_the_share_of_the_ceiling_is_not_flattered_by_half_the_models() -> None:
    """It is the score over what as many retrained models get: a shift shows with all models as it does with twice."""
    generator = np.random.default_rng(14)
    unlearned, retrained, others = (generator.normal(off, 1.5, (32, 40)) for off in (1.5, 0.0, 0.0))
    quality = forgetting_quality(
        unlearned, retrained, among_retrained=points_among(np.concatenate([retrained, others]), 32)
    )
    ceiling = forgetting_score(others, retrained)
    flattered = forgetting_score(unlearned[:16], retrained[:16]) / forgetting_score(others[:16], retrained[:16])
    assert quality.normalised == pytest.approx(quality.score / ceiling, rel=0.15)
    assert flattered > 1.3 * quality.normalised


def test_a_ceiling_of_fewer_models_than_the_score_is_told() -> None:
    for others, sentences in ((16, 1), (31, 1), (32, 0)):
        warnings = by_name(comparison(16, others))["forgetting_score_normalised"].warnings
        assert len(warnings) == sentences
        assert all(f"what {others // 2} retrained models get against {others // 2} others" in line for line in warnings)


def test_the_competitions_score_has_the_ratios_of_mean_accuracies_unclipped() -> None:
    given = comparison(10, 10)
    better = dataclasses.replace(
        given,
        unlearned=dataclasses.replace(given.unlearned, correct={p: given.unlearned.correct[p] | True for p in PARTS}),
    )
    for compared in (given, better):
        scores = by_name(compared)
        ratio = 1.0
        for part in ("retain", "test"):
            ratio *= compared.unlearned.correct[part].mean() / compared.retrained.correct[part].mean()
        assert scores["competition_score"].value == pytest.approx(scores["forgetting_score"].value * ratio, abs=1e-12)
        assert scores["competition_score"].stderr > 0
    assert by_name(better)["competition_score"].value > by_name(better)["forgetting_score"].value


@pytest.mark.parametrize(("models", "others"), [(1, 30), (7, 30), (30, 7)])
def test_fewer_than_eight_models_have_no_score(models: int, others: int) -> None:
    for score in forgetting.score(comparison(models, others)):
        assert score.value is None
        assert "8" in score.reason


def test_few_models_and_models_that_are_all_alike_are_warned_of() -> None:
    assert any("512" in warning for warning in by_name(comparison(8, 8))["forgetting_score"].warnings)
    alike = by_name(comparison(8, 8, spread=1e-4))["forgetting_score"]
    assert alike.value == 0.0
    assert any("nearly identical" in warning for warning in alike.warnings)
    assert not any("nearly identical" in warning for warning in by_name(comparison(8, 8))["forgetting_score"].warnings)


def test_with_enough_models_that_differ_nothing_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "FEW_MODELS", 16)
    assert by_name(comparison(16, 16))["forgetting_score"].warnings == ()


def test_confidences_from_outputs_are_those_of_the_released_formula() -> None:
    generator = np.random.default_rng(11)
    for scale in (1.0, 30.0, 300.0):
        logits = scale * generator.normal(size=(3, 20, 5))
        labels = {"forget": generator.integers(0, 5, 20)}
        outputs = Outputs.of_logits("mine", {"forget": logits}, labels, seconds=np.ones(3), seeds=np.arange(3))
        expected = logit_scaled_confidence(logits, labels["forget"])
        np.testing.assert_allclose(guarded(outputs.confidences["forget"]), expected, rtol=1e-5, atol=1e-5)


def test_confidences_that_no_model_can_have_are_refused() -> None:
    unlearned, retrained = simulated(np.random.default_rng(12), 8, 3)
    for value in (np.nan, np.inf, 1e5):
        with pytest.raises(ValueError, match="logit_scaled_confidence"):
            forgetting_score(np.where(unlearned == unlearned[0, 0], value, unlearned), retrained)


def test_the_competitions_score_leaves_a_class_that_is_forgotten_altogether_out_of_the_test_accuracy() -> None:
    given = comparison(10, 10)
    labels = {part: array.copy() for part, array in given.unlearned.labels.items()}
    labels["forget"][:], labels["test"][:15] = 1, 1
    sides = [dataclasses.replace(side, labels=labels) for side in (given.unlearned, given.retrained)]
    scores = by_name(dataclasses.replace(given, unlearned=sides[0], retrained=sides[1]))
    ratio = sides[0].correct["retain"].mean() / sides[1].correct["retain"].mean()
    ratio *= sides[0].correct["test"][:, 15:].mean() / sides[1].correct["test"][:, 15:].mean()
    assert scores["competition_score"].value == pytest.approx(scores["forgetting_score"].value * ratio, abs=1e-12)
    assert scores["competition_score"].value != pytest.approx(by_name(given)["competition_score"].value, abs=1e-6)
