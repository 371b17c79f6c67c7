"""Processes that serve a queue, killed one after another, until one is left to finish: `kill_them` says how many died.

A script: each process is forked from this one, which has the libraries that the kit's queue needs and nothing of the
kit itself; an interpreter of its own would be most of what its life costs. A process imports the kit as it begins, and
may be killed in that too.
"""

from __future__ import annotations

import os
import signal
import sqlite3  # noqa: F401
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import psutil  # noqa: F401


def serve_all(folder: Path, requests: int, together: int) -> None:
    """Sends all requests again, as who was not answered does, and serves them, by work that writes what it does."""
    from queues import Ledger, asked, names

    from kit.streams import owners, policies
    from kit.streams.leases import Leases
    from kit.streams.running import serve
    from kit.streams.store import Store

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


def forked(folder: Path, requests: int, together: int) -> tuple[int, int]:
    """Returns the number of a process that serves the queue, and the end of a pipe with what it prints."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.dup2(writing, sys.stdout.fileno())
            os.close(reading)
            os.close(writing)
            serve_all(folder, requests, together)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    return process, reading


def kill_them(folder: Path, requests: int, together: int, kills: int) -> int:
    """Returns how many were killed before one finished: in the import, as requests come in, in the work, anywhere."""
    generator, killed = np.random.default_rng(0), 0
    while True:
        process, output = forked(folder, requests, together)
        if killed < kills:
            at_work = generator.random() < 0.7
            if at_work:
                os.read(output, 1)
            time.sleep(float(generator.exponential(0.01 if at_work else 0.03)))
            os.kill(process, signal.SIGKILL)
        while os.read(output, 1 << 16):
            pass
        os.close(output)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code == 0:
            return killed
        assert code == -signal.SIGKILL, code
        killed += 1


if __name__ == "__main__":
    print(kill_them(Path(sys.argv[1]), *map(int, sys.argv[2:])))
