"""The seconds of children: of those that live, and of those that have ended."""

from __future__ import annotations

import subprocess
import sys

from kit.machine.cpu_seconds import Stopwatch

SPINS = "sum(range(20_000_000))"


def test_a_child_counts_alive_and_ended() -> None:
    stopwatch = Stopwatch()
    with subprocess.Popen(
        [sys.executable, "-c", f"{SPINS}; print(flush=True); import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alive = stopwatch.seconds()
    assert alive > 0.05
    assert stopwatch.seconds() >= alive
