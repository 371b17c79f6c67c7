"""Near matches of mistyped paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kit.storage import files, near_paths
from kit.storage.near_paths import did_you_mean_path, files_beside
from kit.types import InputError

ADVICE = "Check the path."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("mine.npz", "requests.csv", "data/mine.npz", "data/model.keras"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mien.npz", "mine.npz"),
        ("mine.nzp", "mine.npz"),
        ("Requests.CSV", "requests.csv"),
        ("./mine.npy", "mine.npz"),
        ("data/mine.np", "data/mine.npz"),
        ("dta/mine.npz", "data/mine.npz"),
    ],
)
def test_a_slip_is_answered_with_the_path_that_was_meant(folder: Path, typed: str, meant: str) -> None:
    if typed == "Requests.CSV" and Path(typed).exists():
        pytest.skip("this file system does not tell capitals from small letters")
    hint = did_you_mean_path(Path(typed), ADVICE)
    assert f"'{meant}'" in hint
    assert hint.startswith("Did you mean '")
    assert Path(meant).exists()


@pytest.mark.parametrize(
    "typed", ["quite another.txt", "dta/other.npz", "nowhere/at/all.npz", "", "mine.npz/x", "x" * 300]
)
def test_what_is_like_nothing_there_is_answered_with_other_advice(folder: Path, typed: str) -> None:
    assert did_you_mean_path(Path(typed), ADVICE) == ADVICE


def test_an_absolute_path_is_answered_with_one(folder: Path) -> None:
    assert did_you_mean_path(folder / "mien.npz", ADVICE) == f"Did you mean '{folder / 'mine.npz'}'?"


def test_a_name_that_moves_the_cursor_is_not_shown(folder: Path) -> None:
    (folder / "theirs\x1b[2J.npz").write_text("")
    assert did_you_mean_path(Path("theirs[2J.npz"), ADVICE) == ADVICE
    assert files_beside(Path("x"), [".npz"]) == ["mine.npz"]


def test_a_large_folder_is_not_read_to_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_paths, "_MOST_ENTRIES", 1)
    assert len(files_beside(Path("x"), ["", ".npz", ".csv"])) <= 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read here")
def test_a_folder_that_cannot_be_read_has_no_near_matches(folder: Path) -> None:
    (folder / "data").chmod(0)
    assert did_you_mean_path(Path("data/mien.npz"), ADVICE) == ADVICE
    (folder / "data").chmod(0o700)


def test_a_required_file_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file 'mien.npz'. Expected it. Did you mean 'mine.npz'\?"):
        files.require_file(Path("mien.npz"), "Expected it.")
