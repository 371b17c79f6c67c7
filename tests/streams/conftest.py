from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from queues import Hands, Ledger, names

from kit.streams.store import Store

RECORDS = 60


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is room: what a killed process has written stays, and no test cuts the power.

    On a disk nine tenths of the seconds of a queue are waits for it, and two thirds of the processor's.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 2**30:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            yield Path(folder)
    else:
        yield tmp_path


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
