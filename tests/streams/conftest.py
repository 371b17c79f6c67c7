from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queues import Hands, Ledger, names

from kit.streams.store import Store

RECORDS = 60


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def store(tmp_path: Path, clock: Hands) -> Iterator[Store]:
    with Store(tmp_path / "requests", clock) as opened:
        yield opened


@pytest.fixture
def known() -> frozenset[str]:
    return frozenset(names(*range(RECORDS)))


@pytest.fixture
def ledger(tmp_path: Path, known: frozenset[str]) -> Ledger:
    work = Ledger(tmp_path / "model.json")
    work.write(sorted(known), {})
    return work
