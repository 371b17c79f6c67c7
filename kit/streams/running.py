"""Serving a queue: batch after batch, each planned, worked at, evidenced and settled; a kill anywhere is gone on from.

| killed | what the next one finds | what it does |
|---|---|---|
| before the batch is begun | waiting requests | begins it |
| before the plan is written | a batch without a plan | makes the plan: the model is as it was |
| in the work, or before its tick | plan and model | asks the work how far it came, and goes on |
| before the last of the evidence | a model without the records | files the evidence again |
| after that | settled requests | nothing |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kit.streams import evidence
from kit.streams.leases import Batch, Leases
from kit.streams.policies import Policy
from kit.streams.release import AT_ONCE, Ticks
from kit.streams.request import Request
from kit.types import FailedRun, InputError


class Work(Protocol):
    """What is done to a model. All of it may be called again after a kill."""

    def plan(self, batch: Batch) -> Mapping[str, Any]:
        """Returns, before anything is changed, by what `forget` can tell later whether it was done.

        Args:
            batch: without a plan.

        Returns:
            Plain values, which are written down before `forget` is called.
        """

    def forget(self, batch: Batch) -> Mapping[str, Any]:
        """Has the model forget the records of a planned batch, unless it has; returns what the evidence says of it.

        Args:
            batch: with its plan.

        Returns:
            Plain values, `method` and `class` among them.
        """

    def papers(self, batch: Batch, request: Request) -> Mapping[str, bytes]:
        """Returns the files that belong to a request, by name: certificate, receipts.

        Args:
            batch: that was worked at.
            request: one of it.
        """

    def clean(self, batch: Batch) -> None:
        """Removes what `papers` was made of, once all requests are settled.

        Args:
            batch: that is settled.
        """


@dataclass(frozen=True)
class Served:
    """A batch that was settled, and what came of it."""

    batch: Batch
    outcome: Mapping[str, Any]


def serve(
    leases: Leases,
    work: Work,
    policy: Policy,
    announce: Callable[[str], None] = lambda _: None,
    ticks: Ticks = AT_ONCE,
) -> Iterator[Served]:
    """Serves what is due, and yields each batch once its requests are settled.

    Args:
        leases: of the queue.
        work: on the model.
        policy: says what is due.
        announce: is told what is being done.
        ticks: when answers leave.

    Raises:
        Busy: another process is at work on the queue.
        LostLease: another process has taken the batch over meanwhile.
        InputError, FailedRun: the work's own; its requests wait again.
    """
    while (batch := leases.begin(policy)) is not None:
        count = len(batch.requests)
        announce(f"batch {batch.number}: {count:,} requests, {len(batch.records):,} records ({batch.decision.policy})")
        with leases.kept(batch):
            try:
                if batch.plan is None:
                    batch = leases.planned(batch, work.plan(batch))
                outcome = work.forget(batch)
            except (InputError, FailedRun) as error:
                leases.give_back(batch, str(error))
                raise
            ticks.wait(batch.begun, leases.store.now)
            for request in batch.requests:
                evidence.file(leases.store, batch, request, outcome, work.papers(batch, request))
        leases.finish(batch, outcome)
        work.clean(batch)
        yield Served(batch, outcome)
