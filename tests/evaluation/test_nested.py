"""Several originals: one population of all their models, and errors that hold the luck of an original."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kit.evaluation.nested import nested_scores, pooled, with_originals
from kit.scorers._resampling import NUM_GROUPS, halves
from kit.types import PARTS, Challenge, InputError, Outputs, Score


def outputs(num_models: int, start: float = 0.0, *, draws: bool = True) -> Outputs:
    """Confidences that say which original (hundreds) and which run (ones) they are of."""
    confidences = start + np.arange(num_models)[:, np.newaxis] * draws + np.zeros((1, 3))
    logits = np.stack([np.zeros_like(confidences), confidences], axis=-1)[:16]
    return Outputs(
        "mine",
        dict.fromkeys(PARTS, confidences),
        dict.fromkeys(PARTS, confidences > 0),
        dict.fromkeys(PARTS, np.ones(3)),
        np.arange(num_models),
        np.arange(num_models),
        dict.fromkeys(PARTS, logits),
        {"masked": start + np.arange(num_models)},
    )


def mean_score(values: np.ndarray) -> Score:
    """The mean of runs, (originals, runs), with the error that it has where all are independent."""
    return Score("accuracy", float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size)), "up")


@pytest.mark.parametrize("num_originals", [2, 3, 4, 5, 8])
def test_models_of_all_originals_are_one_population_and_every_field_goes_with_its_model(num_originals: int) -> None:
    together, originals = pooled([outputs(20, 100.0 * number) for number in range(num_originals)])
    expected = 100.0 * originals + together.seeds
    assert sorted(expected) == sorted(100.0 * o + r for o in range(num_originals) for r in range(20))
    for part in PARTS:
        np.testing.assert_array_equal(together.confidences[part], np.repeat(expected[:, np.newaxis], 3, 1))
        np.testing.assert_array_equal(together.correct[part], together.confidences[part] > 0)
        np.testing.assert_array_equal(together.logits[part][..., 1], together.confidences[part][:16])
    np.testing.assert_array_equal(together.facts["masked"], expected)
    np.testing.assert_array_equal(together.seconds, together.seeds)
    np.testing.assert_array_equal([cost.seconds for cost in together.costs], together.seeds)


@pytest.mark.parametrize("num_originals", [2, 4])
def test_halves_and_groups_of_the_jackknife_hold_all_originals_alike(num_originals: int) -> None:
    together, originals = pooled([outputs(32, 100.0 * number) for number in range(num_originals)])
    for half in halves(together.num_models):
        assert set(np.bincount(originals[half])) == {32 // 2}
    groups = [originals[group::NUM_GROUPS] for group in range(NUM_GROUPS)]
    assert max(np.bincount(group, minlength=num_originals).max() for group in groups) < 32 * num_originals / NUM_GROUPS


def test_one_original_is_left_as_it_is() -> None:
    alone = outputs(5)
    together, originals = pooled([alone])
    assert together is alone
    assert originals.tolist() == [0] * 5


def test_copies_from_a_method_that_draws_nothing_do_not_pass_for_a_population() -> None:
    together, originals = pooled([outputs(6, 100.0 * number, draws=False) for number in range(3)])
    assert together.confidences["test"][:, 0].tolist() == [0.0, 100.0, 200.0]
    assert originals.tolist() == [0, 1, 2]
    one_draws, _ = pooled([outputs(6, draws=False), outputs(6, 100.0)])
    assert one_draws.num_models == 12


def test_the_added_error_of_a_mean_is_that_of_the_originals_means() -> None:
    values = np.random.default_rng(0).normal(size=(5, 7)) + np.random.default_rng(1).normal(size=(5, 1))
    without = [{"accuracy": mean_score(np.delete(values, number, 0))} for number in range(5)]
    score = mean_score(values)
    nested = nested_scores({"accuracy": score}, without)["accuracy"]
    assert score.stderr is not None
    assert nested.stderr == pytest.approx(math.hypot(score.stderr, values.mean(1).std(ddof=1) / math.sqrt(5)))
    assert nested.value == score.value
    assert nested.interval is not None
    assert nested.interval[0] + nested.interval[1] == pytest.approx(2 * values.mean())
    reach = float(stats.t.ppf(0.975, 4)) * values.mean(1).std(ddof=1) / math.sqrt(5)
    assert nested.interval[1] - values.mean() == pytest.approx(math.hypot(1.959964 * score.stderr, reach))


@pytest.mark.parametrize("num_originals", [3, 4, 8])
def test_intervals_cover_the_mean_over_originals_where_those_without_do_not(num_originals: int) -> None:
    generator, covered, covered_without = np.random.default_rng(2), 0, 0
    for _ in range(1000):
        values = generator.normal(0, 1, (num_originals, 1)) + generator.normal(0, 1, (num_originals, 32))
        score = mean_score(values)
        without = [{"s": mean_score(np.delete(values, number, 0))} for number in range(num_originals)]
        low, high = nested_scores({"s": score}, without)["s"].interval or (0.0, 0.0)
        covered += low <= 0 <= high
        covered_without += abs(score.value or 0.0) < 1.96 * (score.stderr or 0.0)
    assert 930 <= covered <= 980
    assert covered_without < 600


def test_a_gap_keeps_its_sides_and_gets_the_luck_of_the_originals() -> None:
    score = Score("gap", 0.5, 0.2, "match_retrain", 0.1, interval=(0.2, 0.9), gap_stderr=0.1, gap_interval=(0.3, 0.6))
    without = [{"gap": Score("gap", value, 0.2, "match_retrain", 0.1)} for value in (0.4, 0.5, 0.6)]
    nested, luck = nested_scores({"gap": score}, without)["gap"], math.sqrt(2 / 3 * 0.02)
    reach = float(stats.t.ppf(0.975, 2)) * luck
    assert nested.stderr == pytest.approx(math.hypot(0.2, luck))
    assert nested.gap_stderr == pytest.approx(math.hypot(0.1, luck))
    assert nested.interval == pytest.approx((0.5 - math.hypot(0.3, reach), 0.5 + math.hypot(0.4, reach)))
    assert nested.gap_interval == pytest.approx((0.4 - math.hypot(0.1, reach), 0.4 + math.hypot(0.2, reach)))


def test_what_cannot_be_computed_is_left_and_what_is_not_known_is_said() -> None:
    none, ratio = Score("s", None, None, "up", reason="too few models"), Score("s", 0.2, None, "down")
    assert nested_scores({"s": none}, [{"s": none}] * 2)["s"] == none
    assert nested_scores({"s": ratio}, [{"s": ratio}] * 2)["s"] == ratio
    known = Score("s", 0.2, 0.1, "up")
    partly = nested_scores({"s": known}, [{"s": none}, {"s": known}])["s"]
    assert (partly.stderr, partly.interval) == (0.1, None)
    assert "spread between originals is not known" in partly.warnings[0]


def test_originals_are_trained_alike_with_the_next_seeds(small_challenge: Challenge) -> None:
    first = small_challenge.training_seed
    several = with_originals(small_challenge, 3)
    assert [challenge.training_seed for challenge in several] == [first, first + 1, first + 2]
    assert {challenge.split.sha256 for challenge in several} == {small_challenge.split.sha256}
    with pytest.raises(InputError, match="0 originals were asked for"):
        with_originals(small_challenge, 0)
