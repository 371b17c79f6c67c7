"""Locks between processes: one at a time, gone with their process, and no file left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kit.storage import locks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")


def test_a_second_one_is_told_or_waits(tmp_path: Path) -> None:
    """Of one process, two open files of a lock exclude each other as those of two processes do."""
    path, waits = tmp_path / ".lock", list[str]()
    with locks.held(path, on_wait=None):
        with pytest.raises(locks.Busy), locks.held(path, on_wait=None):
            pass
        stop = RuntimeError("told that it has to wait")
        with pytest.raises(RuntimeError, match="told"), locks.held(path, on_wait=lambda: (_ for _ in ()).throw(stop)):
            pass
    with locks.held(path, on_wait=lambda: waits.append("")):
        assert waits == []
    assert os.listdir(tmp_path) == []


def test_who_waited_for_a_file_that_is_gone_locks_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    first = locks.held(path, on_wait=None)
    first.__enter__()
    before = path.stat().st_ino

    def let_go() -> None:
        first.__exit__(None, None, None)

    with locks.held(path, on_wait=let_go):
        with pytest.raises(locks.Busy), locks.held(path, on_wait=None):
            pass
        assert path.is_file()
        assert path.stat().st_ino != before or os.listdir(tmp_path) == [".lock"]


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    handle = os.fork()
    if handle == 0:
        lock = locks.held(tmp_path / ".lock", on_wait=None)
        lock.__enter__()
        os._exit(0)  # killed while it held it
    os.waitpid(handle, 0)
    assert (tmp_path / ".lock").exists()
    with locks.held(tmp_path / ".lock", on_wait=None):
        pass
