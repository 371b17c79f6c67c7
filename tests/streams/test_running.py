"""A queue is served by its policy, one owner at a time; a death at any step loses nothing and does nothing twice."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from queues import Hands, Ledger, asked, leases, names

from kit.streams import database, evidence, owners, policies
from kit.streams.leases import Busy, Leases, LostLease
from kit.streams.policies import DAY
from kit.streams.request import Refused
from kit.streams.running import serve
from kit.streams.store import Store
from kit.types import FailedRun, InputError


def fill(store: Store, known: frozenset[str], count: int, *, clock: Hands | None = None, days: float = 30) -> None:
    for number in range(count):
        store.add(asked(number, clock=clock, days=days), known)


def served(store: Store, work: Ledger, policy: str, **changes: Any) -> list[list[int]]:
    done = serve(leases(store, **changes), work, policies.named(policy))
    return [[request.number for request in each.batch.requests] for each in done]


@pytest.mark.parametrize(
    ("policy", "batches"),
    [("at-once", [[1], [2], [3], [4], [5]]), ("every:2", [[1, 2], [3, 4]]), ("every:9", []), ("period:7", [])],
)
def test_batches_are_those_of_the_policy(
    store: Store, known: frozenset[str], ledger: Ledger, policy: str, batches: list[list[int]]
) -> None:
    fill(store, known, 5)
    assert served(store, ledger, policy) == batches
    gone = {number - 1 for batch in batches for number in batch}
    assert {*ledger.learnt()} == known - {*names(*gone)}
    assert store.settled_records() == sorted(names(*gone))
    assert store.counts() == {"waiting": 5 - len(gone), "at work": 0, "done": len(gone)}


def test_the_nearest_deadline_is_served_first(store: Store, known: frozenset[str], ledger: Ledger) -> None:
    for number, days in enumerate([30, 10, 20]):
        store.add(asked(number, days=days), known)
    assert served(store, ledger, "deadline") == [[2], [3], [1]]


@pytest.mark.parametrize(("policy", "days"), [("every:9", 23), ("period:100", 23), ("period:7", 7)])
def test_what_waits_is_begun_in_time(
    store: Store, known: frozenset[str], ledger: Ledger, clock: Hands, policy: str, days: float
) -> None:
    """Seven days before the deadline, or at the tick."""
    fill(store, known, 3)
    begins = (clock.now // (days * DAY) + 1) * days * DAY if policy == "period:7" else clock.now + days * DAY
    clock.now = begins - 1
    assert served(store, ledger, policy) == []
    clock.now = begins
    assert served(store, ledger, policy) == [[1, 2, 3]]


@pytest.mark.parametrize(
    "text", ["", "sometimes", "every", "every:0", "every:x", "period:-1", "period:nan", "at-once:3"]
)
def test_there_is_no_such_policy(text: str) -> None:
    with pytest.raises(InputError, match="There is no policy"):
        policies.named(text)


def test_the_evidence_says_who_decided_what(store: Store, known: frozenset[str], ledger: Ledger, clock: Hands) -> None:
    fill(store, known, 3)
    clock.now += 31 * DAY
    served(store, ledger, "every:3")
    content = evidence.read(store, 2)
    assert content["decision"] == {"policy": "every:3", "reason": "3 of 3 waiting requests", "by": "the officer"}
    assert content["request"]["missed"] is True
    assert [event["kind"] for event in content["history"]] == ["received", "begun"]
    page = (evidence.place(store, 2) / evidence.STATEMENT).read_text()
    for words in ("# Request 2", "by the officer", "after the deadline", "## What is not covered", "backups"):
        assert words in page
    assert evidence.zipped(store, 2) == evidence.zipped(store, 2)


def test_receipts_are_handed_over_once(store: Store, known: frozenset[str], ledger: Ledger) -> None:
    store.add(asked(1, 3, 4), known)
    served(store, ledger, "at-once")
    assert evidence.hand_over(store, 1, "the officer") == 2
    assert not list(evidence.place(store, 1).glob("receipt-*"))
    assert evidence.read(store, 1)["request"]["number"] == 1
    with pytest.raises(InputError, match="has no receipts"):
        evidence.hand_over(store, 1, "the officer")


def test_evidence_that_was_changed_shows(store: Store, known: frozenset[str], ledger: Ledger) -> None:
    fill(store, known, 2)
    with pytest.raises(Refused, match="it has no evidence yet"):
        evidence.read(store, 1)
    served(store, ledger, "at-once")
    path = evidence.place(store, 1) / evidence.INDEX
    whole = path.read_text()
    for damaged in (whole.replace("the officer", "an officer"), whole[:-9], "", json.dumps([])):
        path.write_text(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            evidence.read(store, 1)
    path.write_bytes((evidence.place(store, 2) / evidence.INDEX).read_bytes())
    with pytest.raises(InputError, match="that of request 2"):
        evidence.read(store, 1)
    path.write_text(whole)
    (path.parent / "receipt-0.json").write_text("another")
    with pytest.raises(InputError, match="does not have the sha256"):
        evidence.read(store, 1)


class Fails(Ledger):
    """Work that cannot be done."""

    def forget(self, batch: Any) -> dict[str, Any]:
        raise FailedRun("The disk is full.")


def test_requests_whose_work_fails_wait_again(store: Store, known: frozenset[str], ledger: Ledger) -> None:
    fill(store, known, 2)
    with pytest.raises(FailedRun, match="The disk is full"):
        served(store, Fails(ledger.path), "every:2")
    assert store.counts() == {"waiting": 2, "at work": 0, "done": 0}
    assert [event.kind for event in store.events_of(1)] == ["received", "begun", "given back"]
    assert served(store, ledger, "every:2") == [[1, 2]]


def test_one_owner_works_at_a_time(store: Store, known: frozenset[str], clock: Hands) -> None:
    fill(store, known, 1)
    first, second = leases(store, "machine/1/1.00"), leases(store, "machine/2/1.00")
    policy = policies.named("at-once")
    batch = first.begin(policy)
    assert batch is not None
    clock.now += first.seconds - 1
    with pytest.raises(Busy, match="machine/1"):
        second.begin(policy)
    first.renew(batch)
    clock.now += first.seconds - 1
    with pytest.raises(Busy):
        second.begin(policy)
    clock.now += 1
    taken = second.begin(policy)
    assert taken is not None
    assert (taken.number, taken.token, taken.requests) == (batch.number, 2, batch.requests)
    for write in (first.renew, lambda old: first.planned(old, {}), lambda old: first.finish(old, {})):
        with pytest.raises(LostLease):
            write(batch)
    second.finish(taken, {})
    with pytest.raises(LostLease):
        second.finish(taken, {})
    assert store.get(1).state == "done"


def test_an_owner_that_has_ended_is_not_waited_for(store: Store, known: frozenset[str]) -> None:
    fill(store, known, 1)
    ended = owners.this_process().rpartition("/")[0] + "/1.00"
    assert leases(store, ended).begin(policies.named("at-once")) is not None
    other = leases(store, owners.this_process(), may_be_alive=owners.may_be_alive)
    assert other.begin(policies.named("at-once")) is not None


def test_a_lease_is_renewed_while_the_work_goes_on(store: Store, known: frozenset[str], clock: Hands) -> None:
    fill(store, known, 1)
    mine = leases(store, seconds=0.03)
    batch = mine.begin(policies.named("at-once"))
    assert batch is not None
    clock.now += 100
    with mine.kept(batch):
        for _ in range(1000):
            (until,) = store.connection.execute("SELECT until FROM batches").fetchone()
            if until >= clock.now:
                return
            time.sleep(0.01)
    pytest.fail("the lease was not renewed")


class Killed(BaseException):
    """Stands for kill -9."""


class Steps:
    """Counts what a process does, and ends it at a step."""

    def __init__(self, last: int | None) -> None:
        self.count, self.last, self.dead = 0, last, False
        self.connections: list[sqlite3.Connection] = []

    def __call__(self, _: object = None) -> None:
        if self.dead or self.count == self.last:
            self.dead = True
            raise Killed
        self.count += 1

    def close(self) -> None:
        """A process that is dead has no connection."""
        for connection in self.connections:
            connection.close()
        gc.collect(1)  # a statement that was not read to its end keeps its connection's lock, on Python 3.13


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> list[Steps]:
    """The steps of the process that runs now: before and after each statement of SQL and each file put in place."""
    running: list[Steps] = [Steps(None)]
    connect, replace = sqlite3.connect, os.replace

    class Mortal(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            running[0]()
            cursor = super().execute(*arguments)
            running[0]()
            return cursor

    def connected(*given: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*given, factory=Mortal, **more)
        running[0].connections.append(connection)
        return connection

    def replaced(*arguments: Any) -> None:
        running[0]()
        replace(*arguments)
        running[0]()

    monkeypatch.setattr(database.sqlite3, "connect", connected)
    monkeypatch.setattr(evidence.os, "replace", replaced)
    return running


def live(folder: Path, steps: Steps, clock: Hands, known: frozenset[str]) -> None:
    """What a process does: send two requests and serve them, whatever was done before it."""
    work = Ledger(folder / "model.json", steps)
    with Store(folder / "requests", clock) as store:
        for number in range(2):
            store.add(asked(number, number, number + 10), known)
        # The one before has died, so nobody asks whether it may be alive.
        list(serve(leases(store, may_be_alive=lambda _: False), work, policies.named("every:2")))


def test_a_death_at_any_step_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, killer: list[Steps], clock: Hands, known: frozenset[str]
) -> None:
    def lives(folder: Path, *deaths: int | None) -> int:
        folder.mkdir()
        Ledger(folder / "model.json").write(sorted(known), {})
        for death in deaths:
            killer[0] = steps = Steps(death)
            if death is None:
                live(folder, steps, clock, known)
            else:
                with pytest.raises(Killed):
                    live(folder, steps, clock, known)
                steps.close()
        killer[0] = Steps(None)
        with Store(folder / "requests", clock) as store:
            gone = names(0, 1, 10, 11)
            work = Ledger(folder / "model.json")
            assert work.times() == dict.fromkeys(gone, 1)
            assert {*work.learnt()} == known - {*gone}
            assert store.counts() == {"waiting": 0, "at work": 0, "done": 2}
            assert [event.kind for event in store.history()].count("settled") == 2
            assert [event.kind for event in store.history()].count("received") == 2
            for number in (1, 2):
                assert evidence.read(store, number)["outcome"]["method"] == "ledger"
            assert store.connection.execute("SELECT count(plan) FROM batches").fetchone() == (0,)
        return steps.count

    total = lives(tmp_path / "whole", None)
    assert total > 100
    chosen = np.random.default_rng(0).permutation(total)[:30]  # all of them are a slow test
    for death in map(int, chosen):
        lives(tmp_path / f"dies-{death}", death, None)
    for death in map(int, chosen[:5]):
        lives(tmp_path / f"dies-twice-{death}", death, min(death // 2, 30), None)  # a second life may be short


@pytest.mark.slow
def test_a_death_at_each_step(in_memory: Path, killer: list[Steps], clock: Hands, known: frozenset[str]) -> None:
    death = 0
    while True:
        folder = in_memory / f"{death}"
        folder.mkdir()
        Ledger(folder / "model.json").write(sorted(known), {})
        killer[0] = steps = Steps(death)
        with contextlib.suppress(Killed):
            live(folder, steps, clock, known)
        steps.close()
        killer[0] = Steps(None)
        live(folder, killer[0], clock, known)
        with Store(folder / "requests", clock) as store:
            assert store.counts()["done"] == 2
            assert Ledger(folder / "model.json").times() == dict.fromkeys(names(0, 1, 10, 11), 1)
            for number in (1, 2):
                evidence.read(store, number)
        if not steps.dead:
            break
        death += 1
    assert death > 100


def test_evidence_is_on_the_disk_before_its_request_is_settled(
    store: Store, known: frozenset[str], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk: set[int] = set()
    forced, finish = os.fsync, Leases.finish

    def fsync(handle: int) -> None:
        forced(handle)
        on_disk.add(os.fstat(handle).st_ino)

    def finishing(self: Leases, *arguments: Any) -> None:
        folder = evidence.place(store, 1)
        places = [folder, folder.parent, *folder.iterdir()]
        assert len(places) == 5
        assert {place.stat().st_ino for place in places} <= on_disk
        finish(self, *arguments)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Leases, "finish", finishing)
    store.add(asked(1), known)
    assert served(store, ledger, "at-once") == [[1]]
