"""A queue without a model: a clock that tests move, and work that writes down what it was asked to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.streams.leases import Batch, Leases
from kit.streams.policies import DAY
from kit.streams.request import NewRequest, Request
from kit.streams.store import Store

BEGINNING = 20_000 * DAY


@dataclass
class Hands:
    """A clock whose hands tests move."""

    now: float = BEGINNING

    def __call__(self) -> float:
        return self.now


@dataclass
class Ledger:
    """Work on a model that is a file of the names it knows. `done` counts how often each was forgotten."""

    path: Path
    step: Any = field(default=lambda _: None)

    def learnt(self) -> list[str]:
        return list(json.loads(self.path.read_text())["knows"])

    def times(self) -> dict[str, int]:
        return dict(json.loads(self.path.read_text())["times"])

    def write(self, knows: list[str], times: Mapping[str, int]) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps({"knows": knows, "times": times}))
        self.step("model written beside")
        temporary.replace(self.path)
        self.step("model replaced")

    def plan(self, batch: Batch) -> dict[str, Any]:
        assert {*batch.records} <= {*self.learnt()}, "the plan is made before anything is changed"
        return {"records": list(batch.records)}

    def forget(self, batch: Batch) -> dict[str, Any]:
        assert batch.plan is not None
        self.step("work begins")
        model, gone = json.loads(self.path.read_text()), set(batch.plan["records"])
        knows, times = model["knows"], model["times"]
        if gone & {*knows}:
            self.write([name for name in knows if name not in gone], times | {n: times.get(n, 0) + 1 for n in gone})
        return {"method": "ledger", "class": "exact"}

    def papers(self, batch: Batch, request: Request) -> dict[str, bytes]:
        return {f"receipt-{number}.json": name.encode() for number, name in enumerate(request.records)}

    def clean(self, batch: Batch) -> None:
        self.step("clean")


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:064x}" for number in numbers)


def asked(number: int, *records: int, clock: Hands | None = None, days: float = 30) -> NewRequest:
    now = BEGINNING if clock is None else clock.now
    return NewRequest(f"key-{number}", names(*(records or (number,))), now, now + days * DAY, "tests")


def leases(store: Store, owner: str = "machine/1/1.00", **changes: Any) -> Leases:
    return Leases(store, owner, "the officer", **({"may_be_alive": lambda _: True} | changes))
