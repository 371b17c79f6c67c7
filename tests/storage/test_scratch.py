"""Scratch folders: removed at the end, and those of killed processes by the next one, but never one that is in use."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from kit.storage.scratch import Scratch

HOUR_AGO = time.time() - 3600


def aged(path: Path) -> Path:
    os.utime(path, (HOUR_AGO, HOUR_AGO))
    return path


def left_by_a_killed_process(parent: Path, prefix: str = "kit-test-") -> Path:
    child = os.fork()
    if child == 0:
        (Scratch(prefix, parent).path / "large").write_bytes(b"x")
        os._exit(0)
    os.waitpid(child, 0)
    (folder,) = parent.glob(f"{prefix}*")
    return folder


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="whether a folder is in use cannot be told there")


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = left_by_a_killed_process(tmp_path)
    with Scratch("kit-test-", tmp_path):
        assert left.exists()  # it may be another process's, just made
    aged(left)
    with Scratch("kit-other-", tmp_path):
        assert left.exists()
    with Scratch("kit-test-", tmp_path) as folder:
        assert not left.exists()
        assert os.listdir(tmp_path) == [folder.path.name]
    assert os.listdir(tmp_path) == []


def test_one_that_is_in_use_stays_however_old(tmp_path: Path) -> None:
    with Scratch("kit-test-", tmp_path) as first:
        aged(first.path)
        with Scratch("kit-test-", tmp_path) as second:
            assert first.path.is_dir()
            assert first.path != second.path


def test_nothing_behind_a_link_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "kit-test-link").symlink_to(kept)
    os.utime(tmp_path / "kit-test-link", (HOUR_AGO, HOUR_AGO), follow_symlinks=False)
    with Scratch("kit-test-", tmp_path):
        assert (kept / "file").exists()
