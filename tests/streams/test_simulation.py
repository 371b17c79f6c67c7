"""The simulation against closed forms of queues, a recursion of its own kind, and truths that were planted."""

from __future__ import annotations

import numpy as np
import pytest

from kit.streams import arrivals, costs, policies, simulation
from kit.streams.arrivals import Bursts, Poisson, Regular
from kit.streams.costs import ByCost, Retraining, Sharded
from kit.streams.policies import DAY, AtOnce, EarliestDeadline, EveryK, EveryPeriod
from kit.streams.simulation import Setting, simulate
from kit.types import InputError


def lindley(received: np.ndarray, service: float) -> np.ndarray:
    """How long each waits at one server of fixed service, first come, first served (Lindley 1952)."""
    waits = np.zeros(len(received))
    for number in range(1, len(received)):
        waits[number] = max(0.0, waits[number - 1] + service - (received[number] - received[number - 1]))
    return waits


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_one_server_with_fixed_service_is_the_closed_form_of_its_queue(load: float) -> None:
    """M/D/1: the mean wait is `load * service / (2 (1 - load))`."""
    service = 0.02 * DAY
    setting = Setting(Poisson(load * DAY / service), Retraining(), service, days=20.0)
    streams = [simulate(setting, AtOnce(), seed) for seed in range(12)]
    wait = simulation.estimates(streams)["wait"]
    expected = load * service / (2 * (1 - load)) / DAY
    # That each stream begins with an empty queue is below the error at these loads.
    assert wait.stderr is not None
    assert abs(wait.mean - expected) < 4 * wait.stderr
    assert wait.stderr < 0.15 * expected
    busy = simulation.estimates(streams)["busy"]
    assert busy.mean == pytest.approx(load, abs=4 * (busy.stderr or 0))


@pytest.mark.parametrize("process", [Poisson(30.0), Bursts(30.0, 5.0), Regular(30.0)])
def test_each_wait_is_that_of_lindleys_recursion(process: arrivals.Arrivals) -> None:
    setting = Setting(process, Retraining(), 0.03 * DAY, days=10.0)
    stream = simulate(setting, AtOnce(), 3)
    assert len(stream.received) > 100
    np.testing.assert_allclose(stream.begun - stream.received, lindley(stream.received, 0.03 * DAY), atol=1e-3)


def test_the_nearest_deadline_is_first_come_first_served_where_all_have_the_same_time() -> None:
    setting = Setting(Poisson(40.0), Retraining(), 0.02 * DAY, days=10.0)
    first, second = (simulate(setting, policy, 0) for policy in (AtOnce(), EarliestDeadline()))
    np.testing.assert_array_equal(first.settled, second.settled)


def test_overload_misses_deadlines_and_batches_save_it() -> None:
    setting = Setting(Poisson(2.0), Retraining(), DAY, days=100.0, deadline=10.0)
    alone, together = (simulate(setting, policy, 0).numbers() for policy in (AtOnce(), EveryK(4, slack=2 * DAY)))
    assert alone["missed"] > 0.5
    assert together["missed"] == 0.0
    assert together["trainings"] < 0.3 * alone["trainings"]


def test_every_k_takes_k_and_what_is_left_before_its_deadline() -> None:
    setting = Setting(Regular(1.0), Retraining(), 60.0, days=10.0, deadline=30.0)
    stream = simulate(setting, EveryK(4, slack=5 * DAY), 0)
    assert [int((stream.begun == begin).sum()) for begin in sorted({*stream.begun})] == [4, 4, 2]
    assert max(stream.begun) == pytest.approx(8.5 * DAY + 25 * DAY)
    assert stream.numbers()["missed"] == 0.0


def test_a_period_begins_at_its_ticks() -> None:
    setting = Setting(Poisson(3.0), Retraining(), 60.0, days=60.0, deadline=100.0)
    stream = simulate(setting, EveryPeriod(7 * DAY, slack=0.0), 0)
    assert {float(begin) % (7 * DAY) for begin in stream.begun} == {0.0}
    assert (stream.begun - stream.received).max() <= 7 * DAY


def test_all_are_served_once_whatever_the_policy() -> None:
    for policy in map(policies.named, ("at-once", "every:7", "period:3", "deadline")):
        for process in (Poisson(5.0), Bursts(5.0, 10.0)):
            stream = simulate(Setting(process, Sharded(4, 4), 3600.0, days=50.0), policy, 1)
            assert not np.isnan(stream.settled).any()
            assert (stream.begun >= stream.received).all()
            assert (stream.settled > stream.begun).all()


def test_exposure_is_the_time_in_which_a_record_waits() -> None:
    received, settled = np.array([0.0, 1.0, 4.0]) * DAY, np.array([2.0, 3.0, 5.0]) * DAY
    stream = simulation.Simulated(received, received, settled, DAY, ("retrain",) * 3, 0.0)
    numbers = stream.numbers()
    assert (numbers["exposed"], numbers["record_days"], numbers["missed"]) == (4 / 5, 5.0, 2 / 3)


def brute_force(shards: int, slices: int, places: list[tuple[int, int]]) -> float:
    """The share of all steps that are done again, slice by slice: slice j of a shard is learnt with all before it."""
    steps = again = 0
    for shard in range(shards):
        touched = False
        for number in range(slices):
            touched = touched or (shard, number) in places
            steps += number + 1
            again += (number + 1) * touched
    return again / steps


@pytest.mark.parametrize(("shards", "slices", "records"), [(1, 4, 1), (3, 4, 2), (4, 4, 16), (5, 1, 3)])
def test_sisas_share_is_that_of_its_steps(shards: int, slices: int, records: int) -> None:
    for seed in range(20):
        method, share = Sharded(shards, slices).cost(records, np.random.default_rng(seed))
        generator = np.random.default_rng(seed)
        rows, columns = generator.integers(shards, size=records), generator.integers(slices, size=records)
        places = list(zip(rows.tolist(), columns.tolist(), strict=True))
        assert method == "sisa"
        assert share == pytest.approx(brute_force(shards, slices, places))


def test_by_cost_goes_down_the_ladder_and_begins_anew_with_a_retraining() -> None:
    generator = np.random.default_rng(0)
    service = ByCost(Sharded(2, 2), budget=3)
    methods = [service.cost(records, generator)[0] for records in (1, 2, 1, 1, 1_000, 3, 1)]
    assert methods == ["certified", "certified", "sisa", "sisa", "retrain", "certified", "sisa"]
    assert service.anew().cost(3, generator)[0] == "certified"


@pytest.mark.parametrize("text", ["", "poisson", "poisson:0", "poisson:x", "bursts:3", "bursts:3:0.5", "regular:inf"])
def test_there_are_no_such_arrivals(text: str) -> None:
    with pytest.raises(InputError, match="There are no arrivals"):
        arrivals.named(text)


@pytest.mark.parametrize("text", ["", "sisa", "sisa:4", "sisa:0x4", "by-cost:4x4", "by-cost:4x4:-1", "retrain:1"])
def test_there_is_no_such_service(text: str) -> None:
    with pytest.raises(InputError, match="There is no service"):
        costs.named(text)


def test_arrivals_come_as_often_as_they_should() -> None:
    for process in (Poisson(20.0), Bursts(20.0, 4.0)):
        counts = [len(process.times(10.0, np.random.default_rng(seed))) for seed in range(200)]
        spread = np.std(counts) / np.sqrt(len(counts))
        assert abs(np.mean(counts) - 200) < 4 * spread
        assert (np.var(counts) > 2 * np.mean(counts)) == isinstance(process, Bursts)
