"""Ten thousand requests, and the processes that serve them killed two hundred times, whenever it happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from queues import Ledger, names

from kit.streams import evidence
from kit.streams.store import Store

REQUESTS, KILLS, TOGETHER = 10_000, 200, 25


@pytest.mark.slow
def test_none_is_lost_none_is_done_twice_and_none_is_without_evidence(in_memory: Path) -> None:
    everything = names(*range(REQUESTS))
    Ledger(in_memory / "model.json").write(list(everything), {})
    command = [sys.executable, Path(__file__).with_name("lives.py"), in_memory, REQUESTS, TOGETHER, KILLS]
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([*map(str, command)], env=surroundings, capture_output=True, text=True, check=False)
    assert killed.returncode == 0, killed.stderr
    assert int(killed.stdout) == KILLS, "all of them came while there was something to do"
    with Store(in_memory / "requests", time.time) as store:
        assert store.counts() == {"waiting": 0, "at work": 0, "done": REQUESTS}
        settled = [event.request for event in store.history() if event.kind == "settled"]
        assert sorted(settled) == list(range(1, REQUESTS + 1))
        assert store.settled_records() == sorted(everything)
        for number in range(1, REQUESTS + 1):
            assert evidence.read(store, number)["request"]["number"] == number
    work = Ledger(in_memory / "model.json")
    assert work.learnt() == []
    assert work.times() == dict.fromkeys(everything, 1)
