"""A mistyped path, of whatever option, is answered with the one that was most likely meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from cli_helpers import call, one_paragraph

FILES = (
    "mine.npz", "table.csv", "requests.csv", "rows.npy", "model.keras", "model.weights.h5", "recipe.toml", "layers.py",
    "resnet.pth", "pack.zip", "certificate.json", "results/report.json", "images/keep.txt",
)  # fmt: skip
COMMANDS = {
    "run --challenge mien.npz": "mine.npz",
    "run --challenge mine.nzp": "mine.npz",
    "run --challenge tabel.csv": "table.csv",
    "run --challenge mine.npz --forget request.csv": "requests.csv",
    "run --challenge mine.npz --forget rows.npx": "rows.npy",
    "run --challenge mine.npz --model modle.keras": "model.keras",
    "run --challenge mine.npz --model model.keras --weights modle.weights.h5": "model.weights.h5",
    "run --challenge mine.npz --model model.keras --recipe recipes.toml": "recipe.toml",
    "run --challenge mine.npz --model model.keras --custom-objects layer.py": "layers.py",
    "run layres.py": "layers.py",
    "run layers.yp": "layers.py",
    "validate layres.py": "layers.py",
    "report result": "results",
    "report results/reports.json": "results/report.json",
    "leaderboard result": "results",
    "data mnist --folder image": "images",
    "check-pack pak.zip": "pack.zip",
    "convert-weights resnt.pth --model resnet18 --output x.npz": "resnet.pth",
    "verify certifcate.json": "certificate.json",
    "unlearn --model model.keras --data mien.npz --forget requests.csv --output u.keras": "mine.npz",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistyped_path_is_answered_with_a_near_match(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(folder)
    error = one_paragraph(call(*shlex.split(command)))
    assert f"Did you mean {COMMANDS[command]}?" in error.replace("'", "")
