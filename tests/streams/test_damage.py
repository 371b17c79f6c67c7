"""Files of a queue, damaged at random: read as they were written or told of in a paragraph, never as something else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from queues import Hands, Ledger, asked, leases

from kit.streams import evidence, policies, tokens
from kit.streams.database import FOLDER, NAME
from kit.streams.running import serve
from kit.streams.store import Store
from kit.streams.tokens import Tokens
from kit.streams.tombstones import Key
from kit.types import FailedRun, InputError

FLIPS = {NAME: 150}  # each opens a database; of the other files it is twice that


@pytest.fixture
def folder(tmp_path: Path, clock: Hands, known: frozenset[str], ledger: Ledger) -> Path:
    """A queue of three requests, of which two are settled, in one file: nothing is left in the write-ahead log."""
    place = tmp_path / FOLDER
    with Store(place, clock) as store:
        for number in range(3):
            store.add(asked(number), known)
        list(serve(leases(store), ledger, policies.named("every:2")))
    Key.of(place)
    tokens.issue(place, "the desk")
    return place


def read_queue(place: Path, clock: Hands) -> object:
    with Store.existing(place, clock) as store:
        return store.requests(), store.history(), store.now(), [evidence.read(store, number) for number in (1, 2)]


READ: dict[str, Callable[[Path, Hands], Any]] = {
    NAME: read_queue,
    "tombstones.key": lambda place, _: Key.read(place).secret,
    tokens.NAME: lambda place, _: Tokens.read(place).holders,
    "evidence/0001/evidence.json": read_queue,
    "evidence/0002/receipt-0.json": read_queue,
}


@pytest.mark.parametrize("name", READ)
def test_damage_shows(folder: Path, clock: Hands, name: str, tmp_path: Path) -> None:
    whole, generator, errors = READ[name](folder, clock), np.random.default_rng(0), []
    content = (folder / name).read_bytes()
    count = FLIPS.get(name, 2 * FLIPS[NAME])
    for number in range(count):
        damaged = bytearray(content)
        if number % 5 == 0:
            damaged = damaged[: generator.integers(len(content))]
        else:
            place = int(generator.integers(len(content)))
            damaged[place] ^= 1 << int(generator.integers(8))
        (folder / name).write_bytes(damaged)
        for left in folder.glob(f"{NAME}-*"):
            left.unlink()
        try:
            assert READ[name](folder, clock) == whole
        except (InputError, FailedRun) as error:
            errors.append(str(error))
    assert len(errors) > count / 10
    assert not [error for error in errors if "\n" in error or " Expected " not in error]
    (folder / name).write_bytes(content)
    assert READ[name](folder, clock) == whole
    shutil.rmtree(tmp_path, ignore_errors=True)
