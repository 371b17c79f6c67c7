"""The choice of a method: on other examples than the records, and retraining where nothing else is near enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.requests import DeletionRequest, Plan, rehearsal
from kit.requests.rehearsal import FAR, NEAR, Choice, choose
from kit.runs.worker import Worker
from kit.submission.entry import Entry, resolve
from kit.toolbox import training
from kit.types import FailedRun, InputError


def silent(_: str) -> None:
    """Takes what is being done."""


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, request_of_six: DeletionRequest) -> Callable[..., Choice]:
    """Chooses among methods whose distances are given; nothing is trained."""

    def choose_among(distances: dict[str, Any], **settings: Any) -> Choice:
        def given(entry: Entry, _: object, __: object) -> list[float]:
            if isinstance(distances[entry.name], Exception):
                raise distances[entry.name]
            return distances[entry.name]

        monkeypatch.setattr(rehearsal, "_prepared", lambda *_: [])
        monkeypatch.setattr(rehearsal, "_distances", given)
        worker = Worker.__new__(Worker)
        worker.challenge = request_of_six.challenge
        return choose(worker, [resolve(name) for name in distances], Plan(**settings), silent)

    return choose_among


def test_the_nearest_wins(planted: Callable[..., Choice]) -> None:
    choice = planted({"finetune": [0.2, 0.21, 0.19], "scrub": [0.1, 0.11, 0.09], "ssd": [2.0, 2.1, 1.9]})
    assert choice.method == "scrub"
    assert [each.method for each in choice.tried] == ["retrain", "scrub", "finetune", "ssd"]
    assert "'scrub'" in choice.reason


def test_retraining_wins_where_nothing_is_near_enough(planted: Callable[..., Choice]) -> None:
    choice = planted({"finetune": [0.3, 0.31, 0.32], "scrub": [2.0, 2.1, 2.2]})
    assert choice.method == "retrain"
    assert "finetune" in choice.reason


def test_near_is_who_is_surely_near_and_not_who_was_lucky(planted: Callable[..., Choice]) -> None:
    choice = planted({"finetune": [-1.0, 1.1, 0.0], "scrub": [0.2, 0.2, 0.2]})
    assert choice.method == "scrub"
    assert choice.tried[1].method == "finetune" or choice.tried[0].method == "finetune"
    (lucky,) = (each for each in choice.tried if each.method == "finetune")
    assert lucky.distance < NEAR < lucky.high


def test_intervals_are_students(planted: Callable[..., Choice]) -> None:
    from scipy import stats

    values = [0.1, 0.4, 0.2, 0.35]
    (tried,) = (each for each in planted({"finetune": values}).tried if each.method == "finetune")
    ends = stats.t(3, loc=np.mean(values), scale=stats.sem(values)).interval(0.95)
    assert (tried.low, tried.high) == pytest.approx(ends)


@pytest.mark.parametrize("error", [FailedRun("NaN weights"), InputError("not for this task")])
def test_a_method_that_fails_costs_nobody_else_anything(planted: Callable[..., Choice], error: Exception) -> None:
    choice = planted({"finetune": error, "scrub": [0.1, 0.1, 0.1]})
    assert choice.method == "scrub"
    assert choice.failures == {"finetune": str(error)}


def test_who_is_far_off_in_the_first_rehearsal_is_left_out(planted: Callable[..., Choice]) -> None:
    choice = planted({"ssd": [FAR + 1], "scrub": [0.1, 0.1, 0.1]})
    assert "first rehearsal" in choice.left_out["ssd"]
    assert [each.method for each in choice.tried] == ["retrain", "scrub"]


def test_after_the_minutes_no_other_method_is_begun(planted: Callable[..., Choice]) -> None:
    choice = planted({"finetune": [0.1, 0.1], "scrub": [0.1, 0.1]}, minutes=-1.0)
    assert choice.method == "retrain"
    assert set(choice.left_out) == {"finetune", "scrub"}


def test_where_nothing_of_the_kind_can_be_drawn_retraining_is_chosen(
    request_of_six: DeletionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise rehearsal.drawing.NoSimilarExamples("no other class")

    monkeypatch.setattr(rehearsal.drawing, "draw", nothing)
    worker = Worker.__new__(Worker)
    worker.challenge = request_of_six.challenge
    choice = choose(worker, None, Plan(), silent)
    assert (choice.method, "no other class" in choice.reason) == ("retrain", True)


def test_candidates_start_from_a_finished_model_and_cost_less_than_retraining() -> None:
    challenge = kit.make_challenge("long", kit.Arrays(np.eye(3)[np.arange(90) % 3], np.arange(90) % 3))
    entries, left_out = rehearsal.candidates(challenge)
    costs = [rehearsal.cost_of(entry, challenge) for entry in entries]
    assert costs == sorted(costs)
    assert max(costs) < 1
    names = {entry.name for entry in entries}
    assert names | set(left_out) == set(kit.methods.built_in()) - {"original", "retrain"}
    assert {"sisa", "certified_removal"} <= set(left_out)
    short = kit.make_challenge("short", challenge.train, recipe=kit.Recipe(epochs=1))
    assert "finetune" in rehearsal.candidates(short)[1]


@pytest.mark.parametrize("settings", [{"rehearsals": 1}, {"retrained": 2}])
def test_too_few_rehearsals_are_refused(settings: dict[str, int], refused: Callable[..., str]) -> None:
    refused(lambda: Plan(**settings), "chance")


def test_stand_ins_are_kept_and_trained_again_only_where_they_are_damaged(
    request_of_six: DeletionRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an interruption: of what is there, nothing is trained again, and all has the bits that it had."""
    seeds: list[int] = []
    worker = Worker(request_of_six.challenge)

    def retrain(_: Entry, __: object, worker: Worker, *, seed: int) -> SimpleNamespace:
        seeds.append(seed)
        net, generator = worker.fresh_net(seed, reuse=True), np.random.default_rng(seed)
        net.set_weights([generator.normal(size=array.shape) for array in net.get_weights()])
        return SimpleNamespace(net=net)

    monkeypatch.setattr(rehearsal.run, "run_once", retrain)
    monkeypatch.setattr(rehearsal.references, "models", lambda *_: None)
    splits = rehearsal.drawing.draw(request_of_six.challenge, 2, 0)

    def weights(plan: Plan) -> list[list[np.ndarray]]:
        return [[*each.worker.original.weights] for each in rehearsal._prepared(worker, splits, plan)]

    plan = Plan(rehearsals=2, retrained=3, root=tmp_path)
    first = weights(plan)
    assert len(set(seeds)) == 2
    np.testing.assert_equal(weights(plan), first)
    assert len(seeds) == 2
    kept = sorted(tmp_path.rglob("stand-in-*.npz"))
    kept[0].write_bytes(kept[0].read_bytes()[:-10])
    kept[1].rename(kept[1].with_name("moved.npz"))
    kept[1].with_name("moved.npz").rename(kept[0].with_name(f"stand-in-{seeds[0]}.npz"))
    np.testing.assert_equal(weights(plan), first)
    assert len(seeds) > 2
    np.testing.assert_equal(weights(Plan(rehearsals=2, retrained=3)), first)
    weights(Plan(rehearsals=2, retrained=3, seed=1, root=tmp_path))
    assert len(set(seeds)) == 4


@pytest.mark.slow
def test_no_record_is_seen_by_anybody_in_the_rehearsals(
    request_of_six: DeletionRequest, few: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last column of x numbers the examples: what a method is handed and what trains is noted by it."""
    seen: dict[str, set[int]] = {"handed": set(), "trained on": set(), "asked of a model": set()}

    def note(place: str, x: Any) -> None:
        seen[place].update(np.rint(1000 * np.asarray(x)[:, 3]).astype(int).tolist())

    def spy(net: keras.Model, retain: Any, forget: Any, validation: Any) -> keras.Model:
        for data in (retain, forget, validation):
            for x, _ in data:
                note("handed", x)
        return net

    fit, begin = training.fit, Worker.__init__

    def fit_and_note(net: keras.Model, data: Any, *arguments: Any, **settings: Any) -> keras.Model:
        note("trained on", data.selection.arrays.x[data.selection.indices])
        return fit(net, data, *arguments, **settings)

    def begin_and_note(self: Worker, challenge: kit.Challenge, *arguments: Any, **settings: Any) -> None:
        note("asked of a model", challenge.train.x)
        begin(self, challenge, *arguments, **settings)

    worker = Worker(request_of_six.challenge)
    monkeypatch.setattr(training, "fit", fit_and_note)
    monkeypatch.setattr(Worker, "__init__", begin_and_note)
    choice = choose(worker, [resolve(spy)], few, silent)
    records = set(request_of_six.rows.tolist())
    retained = set(range(160)) - records
    assert seen["trained on"] == retained
    assert seen["handed"] == retained | set(range(160, 200))
    assert seen["asked of a model"] == retained
    assert choice.method == "retrain"  # who returns the model as it is has forgotten nothing
