"""What a power cut may not undo is on the disk before it is relied upon."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.storage import durable, files
from kit.storage.files import CannotWrite


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The inodes that were forced to the disk, and those that were renamed, in their order."""
    seen: list[tuple[str, int]] = []
    forced, renamed = os.fsync, os.replace

    def fsync(handle: int) -> None:
        forced(handle)
        seen.append(("on the disk", os.fstat(handle).st_ino))

    def replace(source: str, target: str) -> None:
        renamed(source, target)
        seen.append(("renamed", os.stat(target).st_ino))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return seen


def test_a_file_is_on_the_disk_before_its_name_and_its_folder_after(tmp_path: Path, steps: list) -> None:
    path = tmp_path / "new" / "file"
    with durable.atomic_write(path) as stream:
        stream.write(b"content")
    file, folder, above = (place.stat().st_ino for place in (path, path.parent, tmp_path))
    assert steps == [("on the disk", file), ("renamed", file), ("on the disk", folder), ("on the disk", above)]
    steps.clear()
    with files.atomic_write(path) as stream:
        stream.write(b"content")
    assert [step for step, _ in steps] == ["renamed"], "what can be made again does not wait"


def test_a_tree_is_on_the_disk_with_all_its_names(tmp_path: Path, steps: list) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three"):
        (tmp_path / name).write_text(name)
    durable.sync_tree(tmp_path)
    assert {inode for _, inode in steps} == {place.stat().st_ino for place in (tmp_path, *tmp_path.rglob("*"))}


@pytest.mark.parametrize("fails", ["file", "folder"])
def test_a_disk_that_fails_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    forced: Callable[[int], None] = os.fsync

    def fsync(handle: int) -> None:
        if os.path.isdir(f"/dev/fd/{handle}") == (fails == "folder"):
            raise OSError(5, "Input/output error")
        forced(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(CannotWrite, match="Input/output error"), durable.atomic_write(tmp_path / "file") as stream:
        stream.write(b"content")
    assert (tmp_path / "file").exists() == (fails == "folder")
