"""The kit's criterion against a computation of its own, and planted cheats: in the order that the truth demands."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable

import numpy as np
import pytest

from kit.rules import HARM
from kit.scorers import distance as family
from kit.scorers.distance import distance, retraining_distance
from kit.types import PARTS, Comparison, Outputs, Retraining

SIZES = {"retain": 400, "forget": 80, "validation": 100, "test": 100}
NUM_RETRAINED = 64
UNIT = Retraining(seconds=1.0, work=1.0, tracing=0.0, operations=0, passes=1.0)
COUNTS = pytest.mark.parametrize("count", [1, 16, 128])

_SPLIT = np.random.default_rng(0)
HARDNESS = {part: _SPLIT.normal(2, 3, size) for part, size in SIZES.items()}
SCALE = {part: np.exp(_SPLIT.normal(0, 0.4, size)) for part, size in SIZES.items()}
# What training on the forget set did: all of it is known, and most of it was not before.
TRACE = np.maximum(0, 6 - HARDNESS["forget"])
# Retain is known by heart, as by models that train to the end.
HARDNESS["retain"] = np.abs(HARDNESS["retain"]) + 4


def outputs(margins: dict[str, np.ndarray]) -> Outputs:
    labels = {part: np.zeros(size, np.int32) for part, size in SIZES.items()}
    count = len(margins["forget"])
    correct = {part: margin > 0 for part, margin in margins.items()}
    return Outputs("method", margins, correct, labels, np.ones(count), np.arange(count))


def trained(count: int, seed: int, *, left: float = 0.0, luck: float = 1.0) -> dict[str, np.ndarray]:
    """Margins of models, with a share of the trace left; a share of a training's luck, some of it in common."""
    generator, margins = np.random.default_rng([1, seed]), {}
    for part in PARTS:
        noise = generator.normal(0, 0.4, (count, 1)) + generator.normal(0, 0.9, (count, SIZES[part]))
        margins[part] = HARDNESS[part] + luck * SCALE[part] * noise
    margins["forget"] = margins["forget"] + left * TRACE
    return margins


def of_one_original(count: int, seed: int, left: float, luck: float) -> dict[str, np.ndarray]:
    """Models of one original: its luck is in all of them."""
    original, runs = trained(1, 99), trained(count, seed, left=left, luck=luck)
    return {part: runs[part] + np.sqrt(1 - luck**2) * (original[part] - HARDNESS[part]) for part in PARTS}


def retraining(count: int) -> dict[str, np.ndarray]:
    return trained(count, 2)


def halfway(count: int) -> dict[str, np.ndarray]:
    return of_one_original(count, 3, left=0.5, luck=0.5)


def original(count: int) -> dict[str, np.ndarray]:
    return of_one_original(count, 4, left=1.0, luck=0.0)


def noisy(count: int, sigma: float = 1.5) -> dict[str, np.ndarray]:
    """Noise on the original's weights: margins shrink a little, spread, and the model errs here and there."""
    generator = np.random.default_rng(5)
    return {
        part: 0.9 * margins + sigma * SCALE[part] * generator.normal(size=margins.shape)
        for part, margins in original(count).items()
    }


def constant(count: int) -> dict[str, np.ndarray]:
    """Ten classes, the same logits for each."""
    return {part: np.full((count, size), -np.log(9)) for part, size in SIZES.items()}


def overforgetting(count: int) -> dict[str, np.ndarray]:
    return of_one_original(count, 6, left=-1.5, luck=0.3)


def destroyed(count: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(7)
    return {part: generator.normal(-3, 30, (count, size)) for part, size in SIZES.items()}


Cheat = Callable[[int], dict[str, np.ndarray]]
CHEATS: tuple[Cheat, ...] = (original, noisy, constant, overforgetting, destroyed)
RETRAINED = outputs(trained(NUM_RETRAINED, 1))


def reached(method: Cheat, count: int) -> float:
    return retraining_distance(outputs(method(count)), RETRAINED)


@COUNTS
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: str(cheat.__name__))
def test_no_cheat_stands_above_a_method_that_is_nearer_to_retraining(cheat: Cheat, count: int) -> None:
    assert reached(retraining, count) < reached(halfway, count) < reached(cheat, count)


@COUNTS
def test_the_worst_are_those_that_no_longer_work(count: int) -> None:
    """And noise alone, which forgets nothing and harms, does not improve on the original that it is added to."""
    broken = min(reached(constant, count), reached(destroyed, count))
    assert max(reached(cheat, count) for cheat in (original, noisy, overforgetting)) < broken
    assert broken > 0.8 / HARM


@COUNTS
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("method", [halfway, original, overforgetting], ids=lambda method: str(method.__name__))
def test_noise_around_what_a_method_says_gains_nothing(method: Cheat, count: int, sigma: float) -> None:
    """Of whatever size, on whatever examples: nothing comes nearer by it."""
    generator, margins, parts = np.random.default_rng(8), method(count), ("forget", "validation")
    before, distances = distance(outputs(margins), RETRAINED).trace, []
    for _ in range(20):  # that the luck of one noise is none of the method's
        noise = {part: sigma * SCALE[part] * generator.normal(size=margins[part].shape) for part in parts}
        noisy_margins = margins | {part: margins[part] + noise[part] for part in parts}
        distances.append(distance(outputs(noisy_margins), RETRAINED).trace)
    assert np.mean(distances) > before - 0.05 - 0.02 * before


@COUNTS
@pytest.mark.parametrize("factor", [0.9, 0.8, 0.6, 0.4])
def test_a_softer_softmax_does_not_pass_for_forgetting(count: int, factor: float) -> None:
    """It makes the forget set less certain, and everything else as well: it is no nearer than who forgot half."""
    softer = {part: factor * margins for part, margins in original(count).items()}
    assert retraining_distance(outputs(softer), RETRAINED) > reached(halfway, count)


@COUNTS
def test_the_luck_of_one_original_is_no_trace(count: int) -> None:
    """It is in all models, on all examples: of the distance of the means it is 1, as of any retrained model."""
    distances = []
    for seed in range(40):
        same = {part: np.repeat(margins, count, axis=0) for part, margins in trained(1, 300 + seed).items()}
        distances.append(distance(outputs(same), RETRAINED).trace)
    assert abs(np.mean(distances)) < 0.12


@pytest.mark.parametrize("count", [1, 2, 3, 4, 16, 128])
@pytest.mark.parametrize("num_retrained", [3, 6, 64])
def test_retraining_is_at_0_with_any_number_of_models(count: int, num_retrained: int) -> None:
    distances = [
        retraining_distance(outputs(trained(count, 100 + seed)), outputs(trained(num_retrained, 900 + seed)))
        for seed in range(30)
    ]
    assert abs(np.mean(distances)) < 0.12


@pytest.mark.parametrize("method", [halfway, original, noisy, overforgetting], ids=lambda method: str(method.__name__))
def test_the_distance_does_not_depend_on_the_number_of_models(method: Cheat) -> None:
    """But for chance: what single models show on average is what many show at once."""
    margins = method(64)
    single = [
        retraining_distance(outputs({part: margins[part][[model]] for part in PARTS}), RETRAINED) for model in range(64)
    ]
    assert retraining_distance(outputs(margins), RETRAINED) == pytest.approx(np.mean(single), abs=0.12, rel=0.02)


def test_the_trace_is_that_of_a_computation_of_its_own() -> None:
    """By loops: each example's mean and variance, each model's square, and what retrained models are off each other."""
    ours, theirs = outputs(noisy(5)), outputs(trained(7, 1))

    def off(part: str, models: np.ndarray) -> list[float]:
        reference = theirs.confidences[part].astype(np.float64)
        variance = np.mean([statistics.variance(reference[:, example]) for example in range(SIZES[part])])
        means = [statistics.fmean(reference[:, example]) for example in range(SIZES[part])]
        return [statistics.fmean((model.astype(np.float64) - means) ** 2) / variance for model in models]

    forget, unseen = (statistics.fmean(off(part, ours.confidences[part])) - 1 / 7 for part in ("forget", "validation"))
    among = [value * 7 / 6 for value in off("validation", theirs.confidences["validation"])]
    chance = statistics.fmean([max(0.0, value - 1) for value in among]) / np.sqrt(5)
    parts = distance(ours, theirs)
    assert parts.trace == pytest.approx(forget - min(1, unseen) - chance, rel=1e-9)
    assert parts.total == parts.trace + parts.lost


def test_accuracy_counts_where_it_is_lost_beyond_the_noise_of_retraining() -> None:
    """Of a single model and of many; what a method's own runs differ by excuses nothing, and a gain earns nothing."""
    theirs = trained(16, 1)
    for count in (1, 16):
        for part in ("retain", "validation"):
            margins = trained(count, 2) | {kept: np.ones((count, SIZES[kept])) for kept in ("retain", "validation")}
            assert distance(outputs(margins), outputs(theirs)).lost == 0
            broken = (count + 1) // 2
            margins[part][:broken] = -1
            expected = np.mean([accuracy.mean() for accuracy in theirs[part] > 0]) - (1 - broken / count)
            lost = distance(outputs(margins), outputs(theirs)).lost
            assert ((expected - 0.1) / HARM) ** 2 < lost <= (expected / HARM) ** 2


def test_the_test_set_is_not_looked_at() -> None:
    ours, theirs = outputs(halfway(4)), outputs(trained(8, 1))
    without = [
        dataclasses.replace(
            side,
            confidences={part: side.confidences[part] for part in PARTS if part != "test"},
            correct={part: side.correct[part] for part in PARTS if part != "test"},
            labels={part: side.labels[part] for part in PARTS if part != "test"},
        )
        for side in (ours, theirs)
    ]
    assert retraining_distance(*without) == retraining_distance(ours, theirs)


def test_margins_without_limit_give_a_finite_distance() -> None:
    margins = {part: np.full((4, size), -3e38) for part, size in SIZES.items()}
    assert np.isfinite(retraining_distance(outputs(margins), RETRAINED))


def test_too_few_retrained_models_are_refused_and_give_a_reason() -> None:
    two = outputs(trained(2, 1))
    with pytest.raises(ValueError, match="3 retrained ones or more"):
        retraining_distance(RETRAINED, two)
    empty = np.array([], np.int64)
    (score,) = family.score(Comparison(RETRAINED, two, empty, empty, "", UNIT))
    assert score.value is None
    assert score.reason == "how retrained models vary shows from 3 on, not 2"
