"""A process with no children is not searched for any, and with some, of whatever kind, it is."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from kit.machine.cpu_seconds import Stopwatch

SPINS = "sum(range(20_000_000))"


@contextmanager
def searches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts how often the books of all processes are searched for children."""
    found: list[int] = []
    children = psutil.Process.children

    def counted(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
        found.append(process.pid)
        return children(process, recursive)

    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "children", counted)
        yield found


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_who_has_no_children_does_not_search_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    if psutil.Process().children():
        pytest.skip("something that ran before has left a process here")
    with searches(monkeypatch) as found:
        Stopwatch().seconds()
        assert not found
        with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE):
            Stopwatch()
        assert found


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


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the number of its system call")
def test_a_child_that_ends_without_a_signal_is_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `clone` makes it, where the kernel's usual answer to whoever waits is that there is no child."""
    clone, read, write = 56, *os.pipe()
    pid = ctypes.CDLL(None).syscall(clone, 0, 0, 0, 0, 0)
    if pid == 0:
        os.read(read, 1)
        os._exit(0)
    try:
        with searches(monkeypatch) as found:
            Stopwatch()
        assert found
    finally:
        os.write(write, b"\n")
        os.waitid(os.P_PID, pid, os.WEXITED | 0x40000000)
        os.close(read)
        os.close(write)
