"""What unlearning costs: seconds over seconds without tracing, passes over passes, and none that nobody measured."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from kit import rules
from kit.scorers import efficiency
from kit.scorers.efficiency import mean_ratio
from kit.types import Comparison, Cost, Outputs, Retraining, Score

UNIT = Retraining(seconds=9.0, work=8.0, tracing=2.0, operations=1000, passes=500.0)


def outputs(method: str, *costs: Cost) -> Outputs:
    labels = {"test": np.array([0, 1])}
    logits = {"test": np.zeros((len(costs), 2, 2))}
    seconds = [cost.seconds for cost in costs]
    outputs_of_method = Outputs.of_logits(method, logits, labels, seconds=seconds, seeds=np.arange(len(costs)))
    return dataclasses.replace(outputs_of_method, costs=costs)


def scores(unlearned: Outputs, retrained: Outputs) -> dict[str, Score]:
    nobody = np.array([], int)
    result = efficiency.score(Comparison(unlearned, retrained, nobody, nobody, "not asked for", UNIT))
    assert [score.name for score in result] == [info.name for info in efficiency.SCORES]
    assert {score.direction for score in result} == {"down"}
    return {score.name: score for score in result}


def test_the_ratio_of_one_run_has_no_standard_error() -> None:
    assert mean_ratio(np.array([3.0]), 12.0) == (0.25, None)


def test_the_ratio_of_several_runs() -> None:
    seconds = np.array([1.0, 2.0, 4.0])
    value, stderr = mean_ratio(seconds, 5.0)
    assert value == pytest.approx((1 + 2 + 4) / 3 / 5, rel=1e-12)
    assert stderr == pytest.approx(stats.sem(seconds / 5), rel=1e-12)


def test_a_users_method_is_held_against_plain_keras_by_its_processors_seconds() -> None:
    """Whatever the clock says, which is another one's on a busy machine."""
    result = scores(
        outputs("mine", Cost(70.0, 3.0, 1.0, 1000), Cost(80.0, 5.0, 1.0, 1000)), outputs("retrain", Cost(1.0))
    )
    assert result["time_ratio"].value == pytest.approx((2 / 8 + 4 / 8) / 2)
    assert result["passes_ratio"].value is None
    assert "mine is none" in result["passes_ratio"].reason
    assert result["time_ratio_compiled"].value is None


def test_a_method_of_the_kit_is_held_against_the_kits_own_retraining() -> None:
    retrained = outputs("retrain", Cost(1.0, 1.5, passes=500.0), Cost(1.0, 2.5, passes=500.0))
    result = scores(outputs("finetune", Cost(0.5, 0.5, passes=50.0)), retrained)
    assert result["time_ratio"].value == pytest.approx(0.5 / 8)
    assert result["passes_ratio"].value == pytest.approx(0.1)
    assert result["time_ratio_compiled"].value == pytest.approx(0.5 / 2)


def test_passes_are_known_where_no_retrained_model_was_made() -> None:
    result = scores(outputs("finetune", Cost(0.5, 0.5, passes=50.0)), outputs("retrain", Cost(math.nan)))
    assert result["passes_ratio"].value == pytest.approx(0.1)
    assert result["time_ratio_compiled"].value is None
    assert result["time_ratio_compiled"].reason == "no retrained model was made in this run"


@pytest.mark.parametrize("costs", [[Cost(math.nan)] * 2, [Cost(1.0, 1.0, passes=9.0), Cost(math.nan)], [Cost(3.0)]])
def test_what_nobody_measured_has_no_ratio(costs: list[Cost]) -> None:
    """A stored model; a pack, whose seconds somebody else has told."""
    for score in scores(outputs("retrain", *costs), outputs("retrain", Cost(1.0, 1.0))).values():
        assert score.value is None
        assert "was not made in this run" in score.reason


# What is taken out for tracing


def test_tracing_is_taken_out_as_far_as_it_was_measured_here() -> None:
    """An operation may cost 1.5 times as much as in a retraining in plain Keras: here 3 ms."""
    assert UNIT.work_of(Cost(9.0, 5.0, tracing=2.5, operations=1000)) == pytest.approx(2.5)
    assert UNIT.work_of(Cost(9.0, 5.0, tracing=4.0, operations=1000)) == pytest.approx(2.0)
    assert UNIT.work_of(Cost(9.0, 5.0, tracing=4.0, operations=2000)) == pytest.approx(1.0)


def test_work_within_a_trace_is_counted() -> None:
    """Ten functions with one operation each, in whose first calls 4 s go into something else."""
    assert UNIT.work_of(Cost(9.0, 5.0, tracing=4.0, operations=10)) == pytest.approx(5 - 0.03)


def test_a_process_that_lies_of_its_traces_gains_a_bounded_time() -> None:
    lie = Cost(1e6, 1e6, tracing=1e9, operations=10**9)
    assert UNIT.traced_of(lie) == rules.MOST_TRACES * UNIT.tracing
    assert UNIT.work_of(lie) == 1e6 - rules.MOST_TRACES * UNIT.tracing


def test_no_more_is_taken_out_than_there_was() -> None:
    assert UNIT.work_of(Cost(1.0, 1.0, tracing=1.2, operations=10_000)) == 0


def test_without_tracing_nothing_is_taken_out() -> None:
    """On JAX, where it is not told apart: it is part of both sides."""
    unit = dataclasses.replace(UNIT, tracing=0.0, operations=0)
    assert unit.work_of(Cost(1.0, 1.0, tracing=0.5, operations=100)) == 1.0


def test_on_a_slower_processor_seconds_count_less() -> None:
    """The yardstick took 0.02 s beside the retraining, and 0.03 s beside the call."""
    unit = dataclasses.replace(UNIT, yardstick=0.02)
    assert unit.work_of(Cost(9.0, 6.0, tracing=1.5, operations=1000, yardstick=0.03)) == pytest.approx(4 - 1)
    assert unit.work_of(Cost(9.0, 6.0, yardstick=0.01)) == pytest.approx(12)
    assert unit.work_of(Cost(9.0, 6.0)) == unit.work_of(Cost(9.0, 6.0, yardstick=0.02)) == 6
    assert unit.work_of(Cost(9.0, 6.0, yardstick=9.0)) == 3, "by a factor of 2 at most"


def test_beside_an_accelerator_the_clock_is_the_measure() -> None:
    unit = dataclasses.replace(UNIT, by_the_clock=True)
    assert unit.work_of(Cost(7.0, 5.0, tracing=1.0, operations=1000)) == 6.0
    assert math.isnan(unit.work_of(Cost(math.nan)))
