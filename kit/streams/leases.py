"""Leases: one batch at work at a time, of one owner, until it is finished, given back, or its owner is gone.

An owner renews its lease while it works. Where it was killed, or its machine is lost, the next one takes the batch over
and gets a higher token; the old one, should it be alive after all, can write nothing more with its own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kit.streams import owners
from kit.streams.database import transaction, translated
from kit.streams.history import Event
from kit.streams.policies import Policy
from kit.streams.request import Request, shown
from kit.streams.store import Store
from kit.types import FailedRun

SECONDS = 900.0
_RENEWALS = 3


class Busy(FailedRun):
    """Another process is at work on the queue."""


class LostLease(FailedRun):
    """The batch was taken over by another process: what this one did is not written."""


@dataclass(frozen=True)
class Decision:
    """Why a batch was begun: by which policy, for which reason, by whom."""

    policy: str
    reason: str
    by: str


@dataclass(frozen=True)
class Batch:
    """Requests that are served by one training.

    Args:
        number: of the batch.
        token: of the lease.
        requests: in their order.
        decision: see there.
        begun: when, by the queue's time; a takeover changes nothing.
        plan: what was written down before the work began; None where it was not.
    """

    number: int
    token: int
    requests: tuple[Request, ...]
    decision: Decision
    begun: float
    plan: Mapping[str, Any] | None = None

    @property
    def records(self) -> tuple[str, ...]:
        """The tombstones of all requests' records."""
        return tuple(sorted(name for request in self.requests for name in request.records))


@dataclass(frozen=True)
class Leases:
    """The batches of a queue, for one owner.

    Args:
        store: the queue.
        owner: this process, or who it works for.
        by: the person or office that decided so, for the evidence.
        seconds: how long a lease lasts without being renewed.
        may_be_alive: says of an owner whether it may still be at work.
    """

    store: Store
    owner: str
    by: str
    seconds: float = SECONDS
    may_be_alive: Callable[[str], bool] = owners.may_be_alive

    def begin(self, policy: Policy) -> Batch | None:
        """Begins what is due, or takes over what was left; None where nothing is due.

        Args:
            policy: says which requests are due.

        Raises:
            Busy: another owner is at work.
        """
        with translated(self.store.path), transaction(self.store.connection):
            now = self.store.time()
            row = self._execute("SELECT number, owner, until FROM batches WHERE ended IS NULL").fetchone()
            if row is not None:
                number, owner, until = row
                return self._taken_over(number, owner, until, now)
            waiting = self.store.waiting()
            chosen = policy.batch(waiting, now)
            if not chosen:
                return None
            reason = f"{len(chosen)} of {len(waiting)} waiting requests"
            decision = {"policy": policy.name, "reason": reason, "by": self.by}
            cursor = self._execute(
                "INSERT INTO batches (token, owner, until, decision) VALUES (1, ?, ?, ?)",
                self.owner,
                now + self.seconds,
                json.dumps(decision),
            )
            number = cursor.lastrowid or 0
            for request in chosen:
                self.store.change(request.number, batch=number, settled=None)
                text = f"{policy.name}: {reason}, by {self.by}"
                self.store.record(Event(now, "begun", request.number, number, text))
            return self._get(number)

    def _taken_over(self, number: int, owner: str, until: float, now: float) -> Batch:
        if owner != self.owner and now < until and self.may_be_alive(owner):
            raise Busy(
                f"'{owner}' is at work on the queue until {shown(until)}, or renews that. Expected one process at a "
                "time. Wait for it, or end it first; a batch that is left is taken over then."
            )
        self._execute(
            "UPDATE batches SET owner = ?, token = token + 1, until = ? WHERE number = ?",
            self.owner,
            now + self.seconds,
            number,
        )
        batch = self._get(number)
        for request in batch.requests:
            self.store.record(Event(now, "taken over", request.number, number, f"from {owner}, which ended"))
        return batch

    def renew(self, batch: Batch) -> None:
        """Makes the lease last from now on; `LostLease` where it is another's.

        Args:
            batch: of this owner.
        """
        with self._as_owner(batch) as now:
            self._execute("UPDATE batches SET until = ? WHERE number = ?", now + self.seconds, batch.number)

    def planned(self, batch: Batch, plan: Mapping[str, Any]) -> Batch:
        """Writes down what the work begins with, for whoever has to tell later how far it came.

        Args:
            batch: of this owner.
            plan: plain values.

        Raises:
            LostLease: the batch is another's.
        """
        with self._as_owner(batch):
            self._execute("UPDATE batches SET plan = ? WHERE number = ?", json.dumps(plan), batch.number)
        return self._get(batch.number)

    def finish(self, batch: Batch, outcome: Mapping[str, Any]) -> None:
        """Settles all requests of a batch, and erases its plan, by which records could be found in the log.

        Args:
            batch: of this owner, with all its evidence in place.
            outcome: plain values, as in the evidence.

        Raises:
            LostLease: the batch is another's.
        """
        with self._as_owner(batch) as now:
            self._execute(
                "UPDATE batches SET plan = NULL, outcome = ?, ended = ? WHERE number = ?",
                json.dumps(outcome),
                now,
                batch.number,
            )
            for request in batch.requests:
                self.store.change(request.number, batch=batch.number, settled=now)
                late = " after its deadline" if now > request.deadline else ""
                self.store.record(Event(now, "settled", request.number, batch.number, f"evidence complete{late}"))

    def give_back(self, batch: Batch, reason: str) -> None:
        """Lets a batch's requests wait again, as its work failed; `LostLease` where it is another's.

        Args:
            batch: of this owner.
            reason: what went wrong, for the history.
        """
        with self._as_owner(batch) as now:
            outcome = json.dumps({"failed": reason})
            self._execute(
                "UPDATE batches SET plan = NULL, outcome = ?, ended = ? WHERE number = ?", outcome, now, batch.number
            )
            for request in batch.requests:
                self.store.change(request.number, batch=None, settled=None)
                self.store.record(Event(now, "given back", request.number, batch.number, reason))

    @contextmanager
    def kept(self, batch: Batch) -> Iterator[None]:
        """Renews the lease again and again while the block runs, in a thread with a connection of its own.

        Args:
            batch: of this owner.
        """
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self.seconds / _RENEWALS):
                try:
                    with Store(self.store.folder, self.store.clock) as store:
                        Leases(store, self.owner, self.by, self.seconds, self.may_be_alive).renew(batch)
                except LostLease:  # the owner is told when it writes
                    return
                except FailedRun:  # a disk that is full, a lock: the next time maybe
                    continue

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _get(self, number: int) -> Batch:
        token, decision, plan = self._execute(
            "SELECT token, decision, plan FROM batches WHERE number = ?", number
        ).fetchone()
        numbers = self._execute("SELECT number FROM requests WHERE batch = ? ORDER BY number", number).fetchall()
        requests = tuple(self.store.get(row[0]) for row in numbers)
        events = self.store.events_of(requests[0].number)
        begun = next(event.at for event in events if (event.kind, event.batch) == ("begun", number))
        plan = json.loads(plan) if plan else None
        return Batch(number, token, requests, Decision(**json.loads(decision)), begun, plan)

    @contextmanager
    def _as_owner(self, batch: Batch) -> Iterator[float]:
        """Gives the queue's time in a transaction that only the owner of the lease gets into."""
        with translated(self.store.path), transaction(self.store.connection):
            now = self.store.time()
            row = self._execute("SELECT token FROM batches WHERE number = ? AND ended IS NULL", batch.number).fetchone()
            if row is None or row[0] != batch.token:
                raise LostLease(
                    f"Batch {batch.number} was taken over by another process while this one worked on it. Expected one "
                    "owner. Nothing is lost: the other one goes on. Look with 'kit requests list'."
                )
            yield now

    def _execute(self, statement: str, *values: Any) -> Any:
        return self.store.connection.execute(statement, values)
