"""A user's files in the working folder hide no modules from the kit, here and in its processes."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import kit
from kit.engines.processes import Processes
from kit.machine import search_path

HIDDEN = ("enum", "joblib", "json", "keras", "numpy", "random", "rich", "scipy", "tensorflow", "typer", "typing")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with submissions of unlucky names."""
    for name in HIDDEN:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('hidden: ' + __name__)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*command: str, folder: Path, **changes: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=kept | changes, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["list", "methods"], ["list", "scorers"], ["data"]], ids=" ".join)
def test_commands_do_not_see_them(folder: Path, arguments: list[str]) -> None:
    assert len(start("-m", "kit", *arguments, folder=folder).splitlines()) > 2


def test_worker_processes_do_not_see_them(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine = Processes(1)
    try:
        assert sorted(engine.map(operator.add, 10, [1, 2])) == [(1, 11), (2, 12)]
    finally:
        engine.close()
    assert "hidden" not in capfd.readouterr().err
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_checkout_that_is_not_installed_runs_from_its_own_folder() -> None:
    """Without 'site', nothing but the working folder says where the kit is."""
    checkout = Path(kit.__file__).resolve().parent.parent
    libraries = sysconfig.get_path("purelib")
    assert "finetune" in start("-S", "-m", "kit", "list", "methods", folder=checkout, PYTHONPATH=libraries)


@pytest.mark.parametrize("first", ["", "FOLDER"])
def test_the_working_folder_leaves_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [first.replace("FOLDER", str(tmp_path)), "/other", str(tmp_path)])
    search_path.leave_working_folder()
    assert sys.path == ["/other", str(tmp_path)]  # the second was asked for, with PYTHONPATH for instance
    search_path.leave_working_folder()
    assert sys.path == ["/other", str(tmp_path)]


def test_where_the_kit_is_imported_from_goes_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Path(kit.__file__).resolve().parent.parent
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(sys, "path", [str(checkout), "/other"])
    search_path.leave_working_folder()
    assert sys.path == ["/other", str(checkout)]


def test_a_working_folder_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    before = list(sys.path)
    search_path.leave_working_folder()
    assert sys.path == before
