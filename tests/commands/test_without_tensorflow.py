"""What is stored, and what is refused, costs no TensorFlow: each command in a process that tells what it imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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

Kit = Callable[..., tuple[subprocess.CompletedProcess[str], set[str]]]


@pytest.fixture
def kit_command(tmp_path: Path) -> Kit:
    def call(*arguments: str, code: int = 0) -> tuple[subprocess.CompletedProcess[str], set[str]]:
        command = [sys.executable, "-c", COMMAND, *arguments]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert finished.returncode == code, finished.stderr
        return finished, set(finished.stderr.splitlines()[-1].split())

    return call


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A small table of a user's, whose models train in a fraction of a second."""
    generator, labels = np.random.default_rng(0), np.arange(240) % 3
    x = (generator.normal(size=(240, 6)) + labels[:, np.newaxis]).astype(np.float32)
    np.savez(tmp_path / "table.npz", x=x, y=labels)
    (tmp_path / "short.toml").write_text("epochs = 1\n")
    return "table.npz"


def answer(folder: Path) -> object:
    content = json.loads((folder / "report.json").read_text())
    return content["reports"], sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("command", [["run", "finetune"], ["evaluate", "finetune", "--num-models", "8"]])
def test_a_second_time_no_model_is_made(kit_command: Kit, table: str, tmp_path: Path, command: list[str]) -> None:
    options = ["--challenge", table, "--recipe", "short.toml", "--forget", "class:1"]
    kit_command(*command, *options)
    folder = tmp_path / "runs" / "table"
    first, pictures = answer(folder), {path: path.read_bytes() for path in folder.glob("*.png")}
    records = {path: path.stat().st_mtime_ns for path in folder.rglob("done.json")}
    assert len(records) > 1
    assert pictures
    _, modules = kit_command(*command, *options)
    assert modules.isdisjoint(SLOW)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("done.json")} == records
    assert answer(folder) == first
    assert {path: path.read_bytes() for path in folder.glob("*.png")} == pictures


def test_a_damaged_picture_or_score_is_made_again(kit_command: Kit, table: str, tmp_path: Path) -> None:
    options = ["run", "finetune", "--challenge", table, "--recipe", "short.toml"]
    kit_command(*options)
    folder = tmp_path / "runs" / "table"
    first, pictures = answer(folder), {path: path.read_bytes() for path in folder.glob("*.png")}
    for path in [*pictures, *(folder / "scores").iterdir()]:
        path.write_bytes(path.read_bytes()[:20])
    _, modules = kit_command(*options)
    assert modules.isdisjoint(HEAVY)
    assert {"sklearn", "matplotlib"} <= modules
    assert answer(folder) == first
    assert {path: path.read_bytes() for path in folder.glob("*.png")} == pictures


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--challenge", "noisy-digit"], "Did you mean noisy-digits"),
        (["evaluate", "--challenge", "nothing.npz"], "no file 'nothing.npz'"),
        (["pretrain", "noisy-digit"], "Did you mean noisy-digits"),
        (["run", "--forget", "class:99"], "No training example has the class '99'"),
        (["run", "--forget", "missing.npy"], "missing.npy"),
        (["run", "--forget", "sometimes"], "The forget set 'sometimes' is unknown"),
        (["run", "finetun"], "Did you mean finetune"),
        (["run", "missing.py"], "There is no file 'missing.py'"),
        (["evaluate", "finetune", "missing.py"], "There is no file 'missing.py'"),
        (["validate", "missing.py"], "There is no file 'missing.py'"),
        (["run", "--recipe", "missing.toml"], "missing.toml"),
        (["run", "--precision", "float16"], "no precision 'float16'"),
        (["run", "--model", "resnet19"], "There is no model 'resnet19'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_name_is_refused_before_anything_large_is_imported(
    kit_command: Kit, arguments: list[str], says: str
) -> None:
    finished, modules = kit_command(*arguments, code=2)
    assert says in " ".join(finished.stderr.split())
    assert modules.isdisjoint(SLOW)
