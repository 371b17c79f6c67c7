"""What is found, held against SciPy, and against arrays in which the truth was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kit.requests.findings import Findings, Observations, difference, findings, people

STRATA = np.repeat([0, 1], [60, 40])
GROUPS = {"test": np.ones(100, bool), "class 0": STRATA == 0, "class 1": STRATA == 1}


def observed(
    generator: np.random.Generator, models: int, *, known: float, right: float = 0.9, records: int = 6
) -> Observations:
    """Models whose trainings differ by 0.5, and that know each record by `known`."""
    training = generator.normal(0, 0.5, (models, 1))
    statistic = known + training + generator.normal(0, 0.5, (models, records))
    return Observations(statistic.astype(np.float32), generator.random((models, len(STRATA))) < right)


def found(*, before: float, after: float, learnt: float = 4.0, seed: int = 0, **after_settings: float) -> Findings:
    generator = np.random.default_rng(seed)
    retrained, alike = observed(generator, 8, known=0.0), observed(generator, 8, known=learnt)
    original, unlearned = observed(generator, 1, known=before), observed(generator, 1, known=after, **after_settings)
    return findings(original, unlearned, retrained=retrained, learnt=alike, groups=GROUPS)


@pytest.mark.parametrize("comparisons", [1, 11])
def test_a_difference_is_the_prediction_interval_of_one_more_model(comparisons: int) -> None:
    models = np.array([0.3, 0.5, 0.9, 0.4])
    part = difference(1.0, models, least=0.0, comparisons=comparisons)
    spread = models.std(ddof=1) * np.sqrt(1 + 1 / 4)
    ends = stats.t(3, loc=1.0 - models.mean(), scale=spread).interval(1 - 0.05 / comparisons)
    assert part.value == pytest.approx(1.0 - models.mean())
    assert (part.low, part.high) == pytest.approx(ends)


def test_one_more_retrained_model_is_inside_of_nineteen_intervals_in_twenty() -> None:
    draws = np.random.default_rng(0).normal(size=(2000, 5))
    inside = np.mean([difference(float(each[0]), each[1:], least=0.0).inside for each in draws])
    assert inside == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 2000))


def test_models_that_agree_by_chance_are_not_taken_for_certain() -> None:
    assert difference(0.96, np.array([1.0, 1.0, 1.0]), least=0.02).inside
    assert not difference(0.5, np.array([1.0, 1.0, 1.0]), least=0.02).inside


@pytest.mark.parametrize(
    ("before", "after", "learnt", "verdict"),
    [
        (4.0, 0.0, 4.0, "forgotten"),
        (4.0, 4.0, 4.0, "remembered"),
        (4.0, -4.0, 4.0, "over-forgotten"),
        (0.0, 0.0, 0.0, "cannot tell"),
        (0.0, -4.0, 0.0, "over-forgotten"),
        (9.0, 0.0, 4.0, "doubtful reference"),
    ],
)
@pytest.mark.parametrize("records", [1, 40])
def test_verdicts_are_those_that_were_planted(
    before: float, after: float, learnt: float, verdict: str, records: int
) -> None:
    generator = np.random.default_rng(1)
    sides = [observed(generator, 1, known=known, records=records) for known in (before, after)]
    models = {
        name: observed(generator, 8, known=known, records=records)
        for name, known in (("retrained", 0), ("learnt", learnt))
    }
    assert findings(*sides, **models, groups=GROUPS).verdict == verdict


def test_an_original_of_another_accuracy_was_not_trained_by_the_recipe() -> None:
    generator = np.random.default_rng(0)
    retrained, learnt = observed(generator, 8, known=0), observed(generator, 8, known=4)
    original, unlearned = observed(generator, 1, known=4, right=0.4), observed(generator, 1, known=0)
    outcome = findings(original, unlearned, retrained=retrained, learnt=learnt, groups=GROUPS)
    assert not outcome.reproduction["test"].inside
    assert outcome.reproduction["confidence in the records"].inside
    assert outcome.verdict == "doubtful reference"


def test_what_is_lost_is_found_where_it_was_lost() -> None:
    generator = np.random.default_rng(0)
    sides = [observed(generator, models, known=0) for models in (1, 1, 8, 8)]
    sides[1].correct[:, STRATA == 1] = False
    outcome = findings(*sides[:2], retrained=sides[2], learnt=sides[3], groups=GROUPS)
    assert [group.name for group in outcome.harm if group.harmed] == ["test", "class 1"]
    whole = outcome.harm[0]
    assert (whole.examples, outcome.harm[2].examples) == (100, 40)
    assert whole.before == pytest.approx(sides[0].correct.mean())
    assert whole.after == pytest.approx(sides[1].correct.mean())
    assert whole.retrained == pytest.approx(sides[2].correct.mean())


def test_no_harm_is_found_in_retrained_models_themselves() -> None:
    assert not [group for seed in range(20) for group in found(before=0, after=0, seed=seed).harm if group.harmed]


def test_people_are_shown_what_scipy_says() -> None:
    generator = np.random.default_rng(0)
    original, unlearned, retrained = (observed(generator, models, known=1.0, records=3) for models in (1, 1, 5))
    rows = people(original, unlearned, retrained)
    statistic = retrained.statistic.astype(float)
    for record, row in enumerate(rows):
        assert row["loss_before"] == pytest.approx(-stats.logistic.logcdf(original.statistic[0, record]))
        losses = -stats.logistic.logcdf(statistic[:, record])
        assert row["loss_retrained"] == pytest.approx(losses.mean())
        assert (row["loss_retrained_least"], row["loss_retrained_largest"]) == pytest.approx(
            (losses.min(), losses.max())
        )
        scores = stats.zmap([unlearned.statistic[0, record]], statistic[:, record], ddof=1)
        assert row["attack_after"] == pytest.approx(scores[0])
        alone = [
            stats.zmap(statistic[[number], record], np.delete(statistic[:, record], number), ddof=1)[0]
            for number in range(5)
        ]
        assert row["attack_retrained_largest"] == pytest.approx(max(alone))


def test_certainties_do_not_outweigh_the_other_records() -> None:
    generator = np.random.default_rng(0)
    sides = [observed(generator, models, known=0) for models in (1, 1, 8, 8)]
    sides[0].statistic[0, 0] = np.finfo(np.float32).max
    outcome = findings(*sides[:2], retrained=sides[2], learnt=sides[3], groups=GROUPS)
    assert outcome.knowledge.before.value < 20 / 6 + 1.5


def test_a_single_model_says_nothing_of_luck() -> None:
    generator = np.random.default_rng(0)
    sides = [observed(generator, models, known=0) for models in (1, 1, 1, 8)]
    with pytest.raises(ValueError, match="two retrained models"):
        findings(*sides[:2], retrained=sides[2], learnt=sides[3], groups=GROUPS)
