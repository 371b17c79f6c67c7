"""Ten thousand requests, and the processes that serve them killed two hundred times, whenever it happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from queues import Ledger, names

from kit.streams import evidence
from kit.streams.store import Store

REQUESTS, KILLS, TOGETHER = 10_000, 200, 25
# Sends all requests again, as who was not answered does, and serves them, by work that writes what it does.
LIFE = """
import sys, time
from pathlib import Path
from queues import Ledger, asked, names
from kit.streams import owners, policies
from kit.streams.leases import Leases
from kit.streams.running import serve
from kit.streams.store import Store

folder, requests, together = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
known = frozenset(names(*range(requests)))
with Store(folder / "requests", time.time) as store:
    for number in range(sum(store.counts().values()) - 1, requests):  # the last one is sent again
        if number >= 0:
            store.add(asked(number), known)
            if number % 500 == 0:
                print("took in", number, flush=True)
    leases = Leases(store, owners.this_process(), "the officer")
    for served in serve(leases, Ledger(folder / "model.json"), policies.named(f"every:{together}")):
        print("served", served.batch.number, flush=True)
"""


@pytest.mark.slow
def test_none_is_lost_none_is_done_twice_and_none_is_without_evidence(tmp_path: Path) -> None:
    everything = names(*range(REQUESTS))
    Ledger(tmp_path / "model.json").write(list(everything), {})
    command = [sys.executable, "-c", LIFE, str(tmp_path), str(REQUESTS), str(TOGETHER)]
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    generator, kills = np.random.default_rng(0), 0
    while True:
        with subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if kills < KILLS:  # in the import, while requests come in, in the work, between files
                if generator.random() < 0.7:
                    process.stdout.read(1)
                time.sleep(float(generator.exponential(0.03)))
                process.send_signal(signal.SIGKILL)
            process.stdout.read()
        code = process.returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills == KILLS, "all of them came while there was something to do"
    with Store(tmp_path / "requests", time.time) as store:
        assert store.counts() == {"waiting": 0, "at work": 0, "done": REQUESTS}
        settled = [event.request for event in store.history() if event.kind == "settled"]
        assert sorted(settled) == list(range(1, REQUESTS + 1))
        assert store.settled_records() == sorted(everything)
        for number in range(1, REQUESTS + 1):
            assert evidence.read(store, number)["request"]["number"] == number
    work = Ledger(tmp_path / "model.json")
    assert work.learnt() == []
    assert work.times() == dict.fromkeys(everything, 1)
