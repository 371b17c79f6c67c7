"""What is stored costs no TensorFlow: commands in processes that tell what they imported."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import processes
import pytest

from kit.storage import folders

HEAVY = {"tensorflow", "keras"}
SLOW = HEAVY | {"sklearn", "scipy", "matplotlib"}
# Ends as the command does, with the names of the modules on the last line of the error output.
COMMAND = """
import sys
from kit import __main__
code = 0
try:
    __main__.main()
except SystemExit as ending:
    code = ending.code
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""

Kit = Callable[..., set[str]]
RUN, EVALUATE = ("run", "finetune"), ("evaluate", "finetune", "--num-models", "8")
OPTIONS = ("--challenge", "table.npz", "--recipe", "short.toml", "--forget", "class:1")


@pytest.fixture
def kit_command(tmp_path: Path) -> Kit:
    """Runs a command in a process of its own, and returns what that has imported."""

    def call(*arguments: str) -> set[str]:
        command = [sys.executable, "-c", COMMAND, *arguments]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
        return set(finished.stderr.splitlines()[-1].split())

    return call


@pytest.fixture(scope="module")
def first_time(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str]], Path]:
    """A folder in which a command has run once, for a small table of a user's whose models train in no time."""

    @functools.cache
    def run(command: Sequence[str]) -> Path:
        folder = tmp_path_factory.mktemp(command[0])
        generator, labels = np.random.default_rng(0), np.arange(240) % 3
        x = (generator.normal(size=(240, 6)) + labels[:, np.newaxis]).astype(np.float32)
        np.savez(folder / "table.npz", x=x, y=labels)
        (folder / "short.toml").write_text("epochs = 1\n")
        engine = ("--engine", "serial") if command == EVALUATE else ()
        finished = processes.run("kit", *command, *OPTIONS, *engine, folder=folder)
        assert finished.returncode == 0, finished.stderr
        return folder

    return run


@pytest.fixture
def copied(first_time: Callable[[Sequence[str]], Path], tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Copies such a folder to where the test's commands run, and returns where the results are."""

    def copy(command: Sequence[str]) -> Path:
        shutil.copytree(first_time(command), tmp_path, dirs_exist_ok=True)
        return tmp_path / "runs" / "table"

    return copy


def answer(folder: Path) -> object:
    """What the newest of the results say and show."""
    results = folders.below(folder)[-1]
    content = json.loads((results / "report.json").read_text())
    return content["reports"], [(results / name).read_bytes() for name in ("evidence.json", "report.html")]


@pytest.mark.slow
@pytest.mark.parametrize("command", [RUN, EVALUATE], ids=["run finetune", "evaluate finetune"])
def test_a_second_time_no_model_is_made(
    kit_command: Kit, copied: Callable[[Sequence[str]], Path], command: Sequence[str]
) -> None:
    folder = copied(command)
    first, records = answer(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("done.json")}
    assert len(records) > 1
    assert list(folder.rglob("report.html"))
    modules = kit_command(*command, *OPTIONS)
    assert modules.isdisjoint(SLOW)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("done.json")} == records
    assert len(folders.below(folder)) == 2
    assert answer(folder) == first


@pytest.mark.slow
def test_a_damaged_picture_or_score_is_made_again(kit_command: Kit, copied: Callable[[Sequence[str]], Path]) -> None:
    folder = copied(RUN)
    first = answer(folder)
    for path in [path for path in (folder / "scores").rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes()[:20])
    modules = kit_command(*RUN, *OPTIONS)
    assert modules.isdisjoint(HEAVY)
    assert {"sklearn", "matplotlib"} <= modules
    assert len(folders.below(folder)) == 2
    assert answer(folder) == first
