"""Answers that leave at ticks, and work that is the same each time: what the times of a queue tell then."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from queues import BEGINNING, Hands, Ledger, asked, leases

import kit
from benchmarks import queue_timing
from benchmarks.queue_timing import Seen, Serving
from kit.methods import sisa
from kit.proofs import classes
from kit.runs import process
from kit.streams import evidence, policies
from kit.streams.queue import Serving as Served
from kit.streams.release import Ticks
from kit.streams.running import serve
from kit.streams.store import Store
from kit.types import InputError, Recipe


@dataclasses.dataclass
class Slow(Ledger):
    """Work that takes as long as the first record's number says."""

    hands: Hands = dataclasses.field(default_factory=Hands)

    def forget(self, batch):  # type: ignore[no-untyped-def]
        self.hands.now += float(int(batch.records[0], 16))
        return super().forget(batch)


def test_requests_are_settled_at_the_next_tick_after_their_batch_began(
    store: Store, known: frozenset[str], clock: Hands, ledger: Ledger
) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        clock.now += seconds

    clock.now += 17.5
    for number in (1, 20, 30, 45):
        store.add(asked(number), known)
    work = Slow(ledger.path, hands=clock)
    batches = [served.batch for served in serve(leases(store), work, policies.named("at-once"), ticks=Ticks(30, sleep))]
    seen = [store.get(batch.requests[0].number).settled - batch.begun for batch in batches]  # type: ignore[operator]
    assert seen == [30, 30, 60, 60], "work that ends at a tick waits for the next one"
    assert naps == [29, 10, 30, 15]
    assert evidence.read(store, 1)["request"]["settled"] == "2024-10-04T00:00:47Z"


def test_a_clock_that_is_set_back_while_it_is_waited_for(store: Store, clock: Hands) -> None:
    moves = iter([-50.0, 140.0])

    def sleep(_: float) -> None:
        clock.now += next(moves)

    Ticks(90, sleep).wait(BEGINNING, clock)
    assert next(moves, None) is None, "it goes on waiting"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_ticks_that_are_none(seconds: float) -> None:
    with pytest.raises(InputError, match="Correct --padded"):
        Ticks(seconds).check()


@pytest.mark.parametrize("method", ["certified_removal", "noisy_clipped_finetune"])
def test_constant_work_is_refused_where_a_method_has_none(method: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no constant work"):
        Served((tmp_path,), ("digits",), "at-once", 0.0, method, "tests", constant=True).check()
    classes.require_constant("retrain")


@pytest.mark.slow
def test_what_the_times_of_a_queue_tell_of_slices(
    small_challenge: kit.Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all when served plainly, by settlement and by log; nothing when padded, or with constant work."""
    # Of eight records placed at random, all may be in shards that differ more than their slices do.
    monkeypatch.setattr(sisa, "_drawn", lambda seed: (seed, b"places of the test"))
    process.prepare()
    challenge = dataclasses.replace(small_challenge, recipe=Recipe(epochs=2, learning_rate=0.05))
    results: dict[str, tuple[Seen, np.ndarray]] = {}

    def keep(how: Serving, result: Seen, late: np.ndarray) -> None:
        results[how.name] = result, late

    queue_timing.measured(challenge, np.arange(8), 4, tmp_path, keep)
    values = {name: [leak and leak.value for leak in seen.leaks(late)] for name, (seen, late) in results.items()}
    assert min(values["plain"]) > 0.9, "shards of a few records differ in size, by which times overlap a little"
    assert [values[name] for name in ("padded", "constant", "batched, constant", "batched, padded")] == [[0.5, 0.5]] * 4
    settled = {name: seen.settled for name, (seen, _) in results.items()}
    assert len({*settled["plain"].tolist()}) > 1
    assert {*settled["padded"].tolist()} == {2 * settled["plain"].max()}
    assert not results["padded"][0].signed.any(), "the log has the time at which the batch began"
    assert len(settled["batched"]) == 2
