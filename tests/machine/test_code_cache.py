"""Folders for compiled code: private, apart for each kind of machine, and swept of what is old."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kit.machine import code_cache, environment

MONTH = code_cache.MAX_AGE_SECONDS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def put(path: Path, days_ago: float = 0, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - days_ago * 86400,) * 2)
    return path


def test_only_the_owner_can_enter_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        folder = code_cache.folder("compiler-1")
    finally:
        os.umask(before)
    assert folder is not None
    assert home in folder.parents
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
    folder.chmod(0o755)  # to be read by others
    assert code_cache.folder("compiler-1") == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_there_is_none_where_others_can_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = code_cache.folder("compiler-1")
    assert folder is not None
    for part in (folder, folder.parent):
        for mode in (0o720, 0o702):
            part.chmod(mode)
            assert code_cache.folder("compiler-1") is None
        part.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert code_cache.folder("compiler-1") is None


def test_there_is_none_behind_a_link_or_on_a_disk_that_cannot_be_written(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    home.mkdir()
    (home / "compiled").symlink_to(tmp_path / "elsewhere")
    assert code_cache.folder("compiler-1") is None
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (home / "compiled").unlink()
    put(home / "compiled")  # a file
    assert code_cache.folder("compiler-1") is None


def machine(proc: Path, flags: str = "sse avx", card: str = "T4", driver: str = "550") -> str:
    put(proc / "cpuinfo").write_text(f"model name\t: P\ncpu MHz\t: {time.time()}\nflags\t\t: {flags}\n")
    put(proc / "driver" / "nvidia" / "version").write_text(driver)
    put(proc / "driver" / "nvidia" / "gpus" / "0" / "information").write_text(f"Model: \t {card}\nIRQ: {time.time()}\n")
    return code_cache.machine_tag(proc)


def test_each_compiler_and_kind_of_machine_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_cache.folder("compiler-1") == code_cache.folder("compiler-1") != code_cache.folder("compiler-2")
    proc = tmp_path / "proc"
    first = machine(proc)
    assert machine(proc) == first
    others = [machine(proc, flags="sse"), machine(proc, card="L4"), machine(proc, driver="560")]
    for name, value in (("XLA_FLAGS", "--xla_flag=1"), ("KIT_THREADS", "2")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            others.append(machine(proc))
    monkeypatch.setattr(environment, "machine", lambda: {"processor": "another"})
    others.append(machine(proc))
    assert len({first, *others}) == 7
    assert code_cache.machine_tag(tmp_path / "empty") == code_cache.machine_tag(tmp_path / "none")


def test_what_nobody_uses_for_a_month_goes_and_the_rest_stays() -> None:
    folder = code_cache.folder("compiler-1")
    assert folder is not None
    above = folder.parent
    old = [put(folder / "old", 31), put(above / "compiler-0" / "deep" / "old", 40)]
    young = [put(folder / "young", 29), put(above / "compiler-0" / "young")]
    read = put(folder / "read", 50)
    os.utime(read, (time.time(), time.time() - 50 * 86400))
    os.utime(put(above / "gone" / "x", 31).parent, (0, 0))
    assert code_cache.folder("compiler-1") == folder
    assert [path.exists() for path in (*old, *young, read)] == [False, False, True, True, True]
    os.utime(above / "gone", (0, 0))  # what was removed from it is its last change
    code_cache.folder("compiler-1")
    assert not (above / "gone").exists()
    assert folder.exists()


def test_of_too_much_the_longest_unused_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "MAX_BYTES", 25)
    folder = code_cache.folder("compiler-1")
    assert folder is not None
    for number in range(4):
        put(folder / f"{number}", days_ago=number, size=10)
    code_cache.folder("compiler-1")
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1"]


def test_what_links_lead_to_is_left_alone(tmp_path: Path) -> None:
    folder = code_cache.folder("compiler-1")
    assert folder is not None
    kept = put(tmp_path / "elsewhere" / "old", 90)
    (folder / "link").symlink_to(kept.parent)
    code_cache.folder("compiler-1")
    assert kept.exists()
