"""The kernel's lists of children hold what asking every process for its parent finds."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from kit.machine import process_tree

TREE = """
import subprocess, sys, threading
sleep = [sys.executable, "-S", "-c", "input()"]
children = [subprocess.Popen(sleep, stdin=subprocess.PIPE, start_new_session=True)]
thread = threading.Thread(target=lambda: children.append(subprocess.Popen(sleep, stdin=subprocess.PIPE)))
thread.start()
thread.join()
print(*[child.pid for child in children], flush=True)
input()
"""


@pytest.fixture
def parent() -> Iterator[tuple[int, set[int]]]:
    """A process with two children, one in a session of its own and one that a thread has started."""
    with subprocess.Popen([sys.executable, "-S", "-c", TREE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        children = {int(number) for number in process.stdout.readline().split()}
        yield process.pid, children
        process.kill()
    for number in children:
        psutil.Process(number).kill() if psutil.pid_exists(number) else None


@pytest.mark.parametrize("lists", [process_tree._LISTS, False])
def test_all_that_a_process_has_started_is_found(
    parent: tuple[int, set[int]], lists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, children = parent
    monkeypatch.setattr(process_tree, "_LISTS", lists)
    assert set(process_tree.descendants(number)) == children
    own = process_tree.descendants(os.getpid())
    assert {number, *children} <= set(own)
    assert own.index(number) < min(map(own.index, children))


@pytest.mark.parametrize("lists", [process_tree._LISTS, False])
def test_a_process_that_is_gone_has_started_nothing(lists: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    monkeypatch.setattr(process_tree, "_LISTS", lists)
    assert process_tree.descendants(gone.pid) == []


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the number of its system call")
def test_a_child_that_ends_without_a_signal_is_found() -> None:
    """As `clone` makes it, where the kernel's usual answer to whoever waits is that there is no child."""
    clone, read, write = 56, *os.pipe()
    pid = ctypes.CDLL(None).syscall(clone, 0, 0, 0, 0, 0)
    if pid == 0:
        os.read(read, 1)
        os._exit(0)
    try:
        assert pid in process_tree.descendants(os.getpid())
    finally:
        os.write(write, b"\n")
        os.waitid(os.P_PID, pid, os.WEXITED | 0x40000000)  # __WALL in Linux's wait.h
        os.close(read)
        os.close(write)
