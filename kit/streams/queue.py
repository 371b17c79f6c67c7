"""The queue of a certified model: its door, and serving it as a task of the kit's engines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.proofs import classes, commitment, signatures
from kit.proofs.salts import Salts
from kit.streams import methods, owners, policies
from kit.streams.database import FOLDER
from kit.streams.leases import Leases
from kit.streams.release import Ticks
from kit.streams.request import NewRequest, Request, month_after
from kit.streams.running import Served, serve
from kit.streams.store import Clock, Store
from kit.streams.tombstones import Key, Register
from kit.types import Challenge


@dataclass(frozen=True)
class Asked:
    """What is asked of a queue at its door.

    Args:
        keys: of idempotency, one a request.
        rows: for each request, rows of the training examples.
        received: UTC seconds; None for now.
        deadline: the same; None for a month of the calendar after that.
        requester: who took them in.
    """

    keys: Sequence[str]
    rows: Sequence[np.ndarray]
    received: float | None
    deadline: float | None
    requester: str


@dataclass(frozen=True)
class Door:
    """Where requests come in.

    Args:
        store: the queue.
        register: of the training examples.
        known: tombstones of what may be asked for.
    """

    store: Store
    register: Register
    known: frozenset[str]

    @classmethod
    def of(cls, folder: Path, challenge: Challenge, store: Store) -> Door:
        """Returns the door of the queue in a certified model's folder, which is made at first use.

        Args:
            folder: of the certified model.
            challenge: its data.
            store: the queue.

        Raises:
            InputError: the salts, or the key of the tombstones, are damaged.
        """
        return cls.at(folder, Register.over(Key.of(store.folder), commitment.contents(challenge.train)), store)

    @classmethod
    def at(cls, folder: Path, register: Register, store: Store) -> Door:
        """Returns the door, where the register is there already.

        Args:
            folder: of the certified model.
            register: of the training examples.
            store: the queue.

        Raises:
            InputError: the salts, or the key of the tombstones, are missing or damaged.
        """
        return cls(store, register, _known(folder, Key.read(store.folder), store.requested_records()))

    def add(self, asked: Asked) -> list[tuple[Request, bool]]:
        """Takes requests in, one after the other, and says of each whether it is new.

        Args:
            asked: the requests.

        Returns:
            Each request, and whether it is new: False where its key was sent before.

        Raises:
            Refused: one is not taken; those before it are.
        """
        added = []
        for key, rows in zip(asked.keys, asked.rows, strict=True):
            received = self.store.clock() if asked.received is None else asked.received
            deadline = month_after(received) if asked.deadline is None else asked.deadline
            records = self.register.named([int(row) for row in rows])
            added.append(self.store.add(NewRequest(key, records, received, deadline, asked.requester), self.known))
        return added


@dataclass(frozen=True)
class Serving:
    """How queues are served, for whatever process does it.

    Args:
        folders: of certified models.
        challenges: of each, by name or file.
        policy: see `kit.streams.policies.named`.
        slack: seconds before a deadline.
        method: see `kit.streams.methods`.
        by: who decided so.
        key: file of the signing key; None for this home's.
        constant: see `kit.streams.work.OnTrail`.
        padded: seconds from tick to tick, at which alone answers leave; 0 for at once.
    """

    folders: Sequence[Path]
    challenges: Sequence[str]
    policy: str
    slack: float
    method: str
    by: str
    key: Path | None = None
    constant: bool = False
    padded: float = 0.0

    def check(self) -> None:
        """Checks names; `InputError` where one is wrong."""
        policies.named(self.policy, self.slack)
        methods.require_usable(self.method)
        Ticks(self.padded).check()
        if self.constant and self.method != methods.CHEAPEST:
            classes.require_constant(self.method)


def serve_folder(
    order: Serving,
    number: int,
    clock: Clock,
    announce: Callable[[str], None] = lambda _: None,
    settled: Callable[[Served], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Serves what is due in one queue, and returns a line a batch: plain values.

    Args:
        order: see there.
        number: which of its folders.
        clock: tells UTC seconds.
        announce: is told what is being done.
        settled: is told of each batch.
    """
    from kit.machine import quiet

    with quiet.quiet_tensorflow(False):
        from kit import challenges
        from kit.runs import process
        from kit.streams.work import OnTrail

        process.prepare()
    folder, signer = order.folders[number], signatures.signer(order.key)
    with Store.existing(folder / FOLDER, clock) as store:
        challenge = challenges.load_challenge(order.challenges[number], announce=announce)
        ticks, own = Ticks(order.padded), Key.read(store.folder)
        work = OnTrail(folder, challenge, signer, own, order.method, announce, order.constant, ticks, store.now)
        leases = Leases(store, owners.this_process(), order.by)
        lines = []
        for served in serve(leases, work, policies.named(order.policy, order.slack), announce, ticks):
            settled(served)
            lines.append(_line(folder, served))
    return lines


def _line(folder: Path, served: Served) -> dict[str, Any]:
    numbers = [request.number for request in served.batch.requests]
    outcome = {name: served.outcome[name] for name in ("method", "class", "deleted", "report")}
    return {"folder": str(folder), "batch": served.batch.number, "requests": numbers, **outcome}


def serve_task(order: Serving, number: int) -> list[dict[str, Any]]:
    """Serves one queue by the clock on the wall: a task of the kit's engines.

    Args:
        order: see `serve_folder`.
        number: which of its folders.
    """
    return serve_folder(order, number, time.time)


def _known(folder: Path, key: Key, requested: Sequence[str]) -> frozenset[str]:
    """Returns the tombstones of what a certified model has learnt, and of what it was asked to forget.

    Args:
        folder: of the model.
        key: of the tombstones.
        requested: tombstones of all requests' records.

    Raises:
        InputError: there is no certified model, or its salts are damaged.
    """
    return frozenset(key.names(map(bytes, Salts.read(folder).contents))) | {*requested}
