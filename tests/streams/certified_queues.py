"""A queue on a certified model, as tests drive it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from queues import BEGINNING, Hands, leases

import kit
from kit.proofs import commitment
from kit.proofs.salts import Salts
from kit.proofs.signatures import Signer
from kit.proofs.trail import Trail
from kit.proofs.trainings import Plain
from kit.streams import methods, policies
from kit.streams.database import FOLDER
from kit.streams.queue import Asked, Door
from kit.streams.running import serve
from kit.streams.store import Store
from kit.streams.tombstones import Key
from kit.streams.work import OnTrail


@dataclasses.dataclass(frozen=True)
class Queue:
    """A queue on a copy of a certified model."""

    folder: Path
    challenge: kit.Challenge
    signer: Signer
    clock: Hands

    def store(self) -> Store:
        return Store(self.folder / FOLDER, self.clock)

    def add(self, key: str, rows: Sequence[int]) -> None:
        with self.store() as store:
            asked = Asked([key], [np.array(rows)], BEGINNING, None, "tests")
            Door.of(self.folder, self.challenge, store).add(asked)

    def serve(self, policy: str = "at-once", method: str = methods.CHEAPEST, **changes: Any) -> list[dict[str, Any]]:
        with self.store() as store:
            work = OnTrail(self.folder, self.challenge, self.signer, Key.read(store.folder), method, **changes)
            mine = leases(store, may_be_alive=lambda _: False)
            return [dict(served.outcome) for served in serve(mine, work, policies.named(policy))]

    def trail(self) -> Trail:
        return Trail.read(self.folder, self.signer.verifier)


def assert_trained_without(queue_: Queue, gone: set[int]) -> None:
    """The model's bits are those of a training, done here, on all records but these."""
    challenge, trail_ = queue_.challenge, queue_.trail()
    contents = [row.tobytes() for row in commitment.contents(challenge.train)]
    rest = [row for row in range(len(contents)) if row not in gone]
    salts = Salts.read(queue_.folder)
    assert sorted(map(bytes, salts.contents)) == sorted(contents[row] for row in rest)
    rows = [rest.pop([contents[row] for row in rest].index(content)) for content in map(bytes, salts.contents)]
    settings = trail_.training.predicate["settings"]
    seed = trail_.training.predicate["seed"]
    expected = Plain(challenge, challenge.train.take(np.array(rows)), seed, settings).train().trained.weights
    assert [array.tobytes() for array in trail_.weights()] == [array.tobytes() for array in expected]
