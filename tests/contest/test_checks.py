"""The validator as a function: what it returns, what it cuts from a large challenge, how it projects the time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import guests
import numpy as np
import pytest
from retrainings import taking

import kit
from kit.contest import budget_check, validate
from kit.runs import timing
from kit.runs.worker import Worker
from kit.submission.answers import Imported, Returned
from kit.submission.contained import Limits
from kit.submission.entry import Entry
from kit.submission.handover import Inputs
from kit.types import Challenge, Cost, Problem


def noise(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))
    guests.fork_them(monkeypatch)


@pytest.fixture
def inputs(small_challenge: Challenge) -> Inputs:
    return Worker(small_challenge).inputs(Entry("mine"))


def test_a_small_challenge_is_not_cut(inputs: Inputs) -> None:
    assert budget_check.reduced(inputs, len(inputs.arrays["retain_y"])) is inputs


@pytest.mark.parametrize("size", [1, 50, 100])
def test_a_large_challenge_is_cut_in_proportion(inputs: Inputs, size: int) -> None:
    before = {name: array.copy() for name, array in inputs.arrays.items()}
    cut, again = budget_check.reduced(inputs, size), budget_check.reduced(inputs, size)
    total = len(inputs.arrays["retain_y"])
    for part in ("retain", "forget", "validation"):
        whole, kept = len(inputs.arrays[f"{part}_y"]), len(cut.arrays[f"{part}_y"])
        assert kept == max(1, round(whole * size / total))
        assert len(cut.arrays[f"{part}_x"]) == kept
        pairs = {(x.tobytes(), int(y)) for x, y in zip(cut.arrays[f"{part}_x"], cut.arrays[f"{part}_y"], strict=True)}
        assert pairs <= {
            (x.tobytes(), int(y)) for x, y in zip(inputs.arrays[f"{part}_x"], inputs.arrays[f"{part}_y"], strict=True)
        }
    for name, array in inputs.arrays.items():
        np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(cut.arrays.get(name), again.arrays.get(name))


class Pretended:
    """A contained process whose call takes 0.5 s and 2 ms for each retain example, and 9 s by the clock."""

    imported, output_bytes = Imported(), 0

    def __init__(self, source: Any, inputs: Inputs, limits: Limits, *, sandboxed: bool) -> None:
        self.inputs, self.outcome = inputs, {"peak_memory": 1 << 29}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def run(self, seed: int) -> Returned:
        generator = np.random.default_rng(seed)
        weights = tuple(
            (array + generator.normal(0, 0.01, array.shape)).astype(array.dtype) for array in self.inputs.weights
        )
        seconds = 0.5 + 0.002 * len(self.inputs.arrays["retain_y"])
        return Returned(weights, Cost(9.0, seconds), {})


@pytest.mark.parametrize("most", [100, 10_000], ids=["projected", "measured"])
def test_the_time_on_the_whole_challenge_is_projected_from_two_sizes(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(validate, "Contained", Pretended)
    monkeypatch.setattr(budget_check, "MAX_EXAMPLES", most)
    monkeypatch.setattr(validate, "outputs_problem", lambda *_: "")
    outcomes = {outcome.name: outcome for outcome in validate.examine(noise, small_challenge)}
    seconds = 0.5 + 0.002 * len(small_challenge.split.retain)
    assert outcomes["time_budget"].status == "PASS"
    assert f"{seconds:.2f} s, {seconds / 10:.2f} of a retraining" in outcomes["time_budget"].message
    assert ("will take about" in outcomes["time_budget"].message) == (most == 100)
    assert "0.5 GiB" in outcomes["memory"].message


@pytest.mark.parametrize(("seconds", "status"), [(0.1, "PASS"), (1.9, "PASS"), (2.5, "WARN"), (3.1, "FAIL")], ids=str)
def test_the_time_budget_is_a_fifth_of_a_retraining(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch, seconds: float, status: str
) -> None:
    run = Pretended.run
    monkeypatch.setattr(Pretended, "run", lambda self, seed: Returned(run(self, seed).weights, Cost(9.0, seconds), {}))
    monkeypatch.setattr(validate, "Contained", Pretended)
    monkeypatch.setattr(validate, "outputs_problem", lambda *_: "")
    statuses = {outcome.name: outcome.status for outcome in validate.examine(noise, small_challenge)}
    assert statuses["time_budget"] == status


@pytest.mark.parametrize(
    ("seconds", "processes", "status"),
    [
        ([1.9, 9.0, 9.0], 1, "PASS"),
        ([3.5, 1.0, 1.5], 3, "PASS"),
        ([3.5, 2.5, 1.0], 3, "WARN"),
        ([2.5, 1.0, 3.5], 3, "WARN"),
        ([2.5, 2.1, 9.0], 2, "WARN"),
        ([3.5, 4.0, 1.0], 2, "FAIL"),
        ([6.5, 1.0, 1.0], 1, "FAIL"),
    ],
    ids=["within", "busy once", "busy twice", "three verdicts", "near", "over", "far over"],
)
def test_what_is_over_the_budget_is_measured_again_until_two_agree_and_the_median_counts(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch, seconds: list[float], processes: int, status: str
) -> None:
    started: list[Pretended] = []

    class Measured(Pretended):
        def __enter__(self) -> Self:
            started.append(self)
            return self

        def run(self, seed: int) -> Returned:
            return Returned(super().run(seed).weights, Cost(9.0, seconds[len(started) - 1]), {})

    monkeypatch.setattr(validate, "Contained", Measured)
    monkeypatch.setattr(validate, "outputs_problem", lambda *_: "")
    outcomes = {outcome.name: outcome for outcome in validate.examine(noise, small_challenge)}
    assert (outcomes["time_budget"].status, len(started)) == (status, processes)
    message, median = outcomes["time_budget"].message, np.median(seconds[:processes]) / 10
    assert f"takes {median * 10:.2f} s, {median:.2f} of a retraining" in message
    assert (f"median of {processes} measurements" in message) == (processes > 1)


def test_every_outcome_is_announced_once_and_in_the_end_there_is_one_for_each(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validate, "Contained", Pretended)
    announced: list[validate.Checked] = []
    outcomes = validate.examine(noise, small_challenge, announce=announced.append)
    assert [outcome.name for outcome in outcomes] == list(validate.CHECKS)
    assert sorted(announced, key=lambda outcome: outcome.name) == sorted(outcomes, key=lambda outcome: outcome.name)


def test_a_submission_cannot_tell_by_its_seeds_that_it_is_examined(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    run = Pretended.run
    monkeypatch.setattr(Pretended, "run", lambda self, seed: seeds.append(seed) or run(self, seed))
    monkeypatch.setattr(validate, "Contained", Pretended)
    for _ in range(2):
        validate.examine(noise, small_challenge)
    assert len(seeds) == 6
    assert len(set(seeds)) == 4  # of each examination two, of which it repeats the second
    assert max(seeds) > 1 << 20  # small ones could be told from a population's


def test_only_warnings_and_failures_are_problems() -> None:
    statuses = ("PASS", "WARN", "FAIL", "SKIP")
    checked = [validate.Checked(f"check_{status}", status, "told") for status in statuses]  # type: ignore[arg-type]
    assert validate.problems(checked) == [Problem("check_WARN", "WARN", "told"), Problem("check_FAIL", "FAIL", "told")]


def test_a_wrong_signature_is_told_without_a_run(small_challenge: Challenge) -> None:
    def renamed(model: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return model

    (problem,) = kit.validate(renamed, challenge=small_challenge)
    assert (problem.check, problem.level) == ("signature", "FAIL")


def test_a_function_that_cannot_be_handed_over_is_told(small_challenge: Challenge, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:

        def writes(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
            log.write("hello")
            return net

        (problem,) = kit.validate(writes, challenge=small_challenge)
    assert (problem.check, problem.level) == ("imports", "FAIL")


@pytest.mark.slow
def test_a_function_of_this_session_is_run_and_judged(small_challenge: Challenge, refused: Callable[..., str]) -> None:
    assert kit.validate(noise, challenge=small_challenge) == []

    def forgets_to_return(net: Any, retain: Any, forget: Any, validation: Any) -> None:
        net.set_weights([array * 1.01 for array in net.get_weights()])

    (problem,) = kit.validate(forgets_to_return, challenge=small_challenge)
    assert problem.check == "returns_model"
    assert "although it has changed 'net'" in problem.message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["finetune"])
def test_a_built_in_method_is_ready(name: str, small_challenge: Challenge) -> None:
    assert kit.validate(name, challenge=small_challenge) == []
