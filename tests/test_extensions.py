"""What an installed package adds: a method, a scorer and a challenge, found, listed, run and scored; or refused."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_helpers import Result, call
from rich.console import Console

import kit
from kit.runs.store import population_folder
from kit.submission.entry import resolve

METHOD = '''
"""A method of another package."""

import keras

SEARCH_SPACE = {"strength": ("even", 0.0, 1.0)}


def unlearning(net, retain, forget, validation, *, strength: float = 0.5) -> keras.Model:
    """Scales the last layer's weights.

    The formula: `w *= 1 - strength`.

    Kind: from outside
    Cost: 0
    Data: none
    Source: this test.
    Differences: none.
    """
    for weight in net.layers[-1].weights:
        weight.assign(weight * (1 - strength))
    return net
'''
SCORER = '''
"""A score of another package."""

from kit.types import Score, ScoreInfo

SCORES = (ScoreInfo("mean_confidence", "match_retrain", "how sure it is", heading="sure\\nof it", table="runs"),)


def score(comparison):
    """Returns the mean confidence."""
    sides = [side.confidences["forget"].mean() for side in (comparison.unlearned, comparison.retrained)]
    return [Score("mean_confidence", float(sides[0]), None, "match_retrain", float(sides[1]))]
'''
CHALLENGE = '''
"""A challenge of another package."""

import numpy as np

from kit.challenges import Preset
from kit.types import Arrays, Recipe


def _load():
    generator = np.random.default_rng(0)
    y = np.arange(200) % 4
    return Arrays(generator.normal(size=(200, 5)) + y[:, np.newaxis], y)


PRESET = Preset("four heaps of points", _load, "mlp", Recipe(epochs=2, learning_rate=0.1), 32)
'''
ENTRY_POINTS = """
[kit.methods]
shrink_head = their_package.inner.shrink

[kit.scorers]
confidences = their_package.scores

[kit.challenges]
four-heaps = their_package.data:PRESET
"""
MARK = "raise SystemExit('the package itself was imported')\n"


def install(folder: Path, entry_points: str = ENTRY_POINTS, name: str = "their-package") -> Path:
    """Puts a package into a folder as an installer would, but for its list of files."""
    package = folder / "their_package"
    (package / "inner").mkdir(parents=True, exist_ok=True)
    for file, text in {
        "__init__.py": "",
        "inner/__init__.py": "",
        "inner/shrink.py": METHOD,
        "scores.py": SCORER,
        "data.py": CHALLENGE,
    }.items():
        (package / file).write_text(text)
    information = folder / f"{name.replace('-', '_')}-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (information / "entry_points.txt").write_text(entry_points)
    return folder


Run = Callable[..., Result]


@contextmanager
def found_in(packages: Path) -> Iterator[None]:
    """Has this process find the packages in a folder, and forget them afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(packages)
        try:
            yield
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == "their_package"]:
                del sys.modules[name]


@pytest.fixture
def kit_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `kit ARGUMENTS` where the packages in a folder are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(packages: Path, *arguments: str) -> Result:
        with found_in(packages):
            return call(*arguments)

    return run


def paragraph(text: str) -> str:
    """The only paragraph of an error output, checked against the grammar of errors."""
    (line,) = [line for line in text.splitlines() if line.strip()]
    message = re.sub(r"^(Note|Error): ", "", line)
    assert re.fullmatch(r"\S.{10,}?[.] Expected \S.{10,}?[.] \S.{8,}[.]", message)
    return message


def test_what_a_package_adds_is_listed_behind_the_kit_s_own(kit_with: Run, tmp_path: Path) -> None:
    packages = install(tmp_path / "site")
    (packages / "their_package" / "inner" / "__init__.py").write_text(MARK)  # methods are read, not imported
    listed = {}
    for what in ("methods", "challenges", "scorers"):
        done = kit_with(packages, "list", what, "--json", "-")
        assert (done.code, done.err) == (0, "")
        listed[what] = json.loads(done.out)
    assert list(listed["methods"])[-1] == "shrink_head"
    assert listed["methods"]["shrink_head"]["summary"] == "Scales the last layer's weights."
    assert listed["methods"]["shrink_head"]["kind"] == "from outside"
    assert list(listed["challenges"].items())[-1] == ("four-heaps", "four heaps of points")
    assert list(listed["scorers"].items())[-1] == ("mean_confidence", "match_retrain: how sure it is")
    explained = kit_with(packages, "explain", "shrink_head")
    assert "strength = 0.5" in explained.out
    assert "their_package/inner/shrink.py" in explained.out.replace("\n", "")
    # The same in a process of its own, which is told by the environment.
    command = [sys.executable, "-m", "kit", "list", "methods", "--json", "-"]
    environment = os.environ | {"PYTHONPATH": str(packages)}
    begun = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(begun.stdout) == listed["methods"]


@pytest.mark.slow
def test_their_method_runs_on_their_challenge_and_has_their_score(kit_with: Run, tmp_path: Path) -> None:
    packages = install(tmp_path / "site")
    done = kit_with(packages, "run", "shrink_head", "--challenge", "four-heaps", "--out", "runs", "--explain")
    assert done.code == 0, done.err
    assert "sure" in done.out
    assert "sure of it: how sure it is" in done.out
    report = tmp_path / "runs" / "four-heaps" / "latest" / "report.json"
    content = json.loads(report.read_text())
    rows = {row["method"]: row["scores"]["mean_confidence"] for row in content["reports"]}
    assert list(rows) == ["original", "shrink_head", "retrain"]
    assert rows["shrink_head"]["value"] < rows["original"]["value"]
    # Where the package is gone, its report is shown all the same, and its method is a typing error.
    shown = io.StringIO()
    reports = kit.report.read_json(report).reports
    kit.report.print_table(reports, Console(file=shown, width=120), explain=True)
    assert "mean confidence: of another version of the kit" in shown.getvalue()
    gone = kit_with(tmp_path, "run", "shrink_head", "--challenge", "four-heaps")
    assert gone.code == 2
    assert "There is no method 'shrink_head'" in gone.err


def test_stored_models_depend_on_the_text_of_their_method(tmp_path: Path) -> None:
    packages, original = install(tmp_path / "site"), SimpleNamespace(sha256="any")
    file = packages / "their_package" / "inner" / "shrink.py"
    text, folders = file.read_text(), []
    with found_in(packages):
        challenge = kit.load_challenge("four-heaps")
        for written in (text, text.replace("1 - strength", "1 - 2 * strength"), text):
            file.write_text(written)
            folders.append(population_folder(tmp_path / "runs", resolve("shrink_head"), challenge, original))
    before, changed, after = folders
    assert before == after != changed


@pytest.mark.parametrize(
    ("group", "what", "name"),
    [("methods", "method", "finetune"), ("scorers", "scorer", "accuracy"), ("challenges", "challenge", "digits")],
)
def test_a_name_of_the_kit_s_own_cannot_be_taken(
    kit_with: Run, tmp_path: Path, group: str, what: str, name: str
) -> None:
    packages = install(tmp_path / "site", f"[kit.{group}]\n{name} = their_package.inner.shrink\n")
    done = kit_with(packages, "list", group)
    assert done.code == 0
    message = paragraph(done.err)
    assert message.startswith(f"The {what} '{name}' of the installed package 'their-package 1.5' is left out: the kit")


def test_the_second_of_two_packages_cannot_take_a_name(kit_with: Run, tmp_path: Path) -> None:
    packages = install(tmp_path / "site")
    install(packages, "[kit.methods]\nshrink_head = another.module\n", name="zweitpaket")
    done = kit_with(packages, "list", "methods")
    message = paragraph(done.err)
    assert (
        "'zweitpaket 1.5' is left out: the installed package 'their-package 1.5' has a method of that name" in message
    )
    assert "shrink_head" in done.out


@pytest.mark.parametrize("name", ["Finetune", "my.py", "a/b", "_hidden"])
def test_what_is_no_name_is_refused(kit_with: Run, tmp_path: Path, name: str) -> None:
    packages = install(tmp_path / "site", f"[kit.methods]\n{name} = their_package.inner.shrink\n")
    assert f"'{name}' of the installed package" in paragraph(kit_with(packages, "list", "methods").err)


BROKEN = {
    "methods": [
        ("lost = their_package.nowhere", "has no file"),
        ("lost = no_package_at_all", "has no file"),
        ("bad = their_package.bad", "cannot be read (SyntaxError: "),
    ],
    "scorers": [
        ("lost = their_package.nowhere", "cannot be imported (ModuleNotFoundError: "),
        ("bad = their_package.bad", "cannot be imported (SyntaxError: "),
        ("empty = their_package", "declares no SCORES"),
        ("half = their_package.half", "defines no function 'score'"),
        ("twice = their_package.twice", "declares the score 'mia_auc', which is one of the kit's own"),
    ],
    "challenges": [
        ("lost = their_package.data:NOTHING", "cannot be imported (AttributeError: "),
        ("module = their_package.data", "is no kit.challenges.Preset"),
    ],
}


@pytest.mark.parametrize(
    ("group", "line", "words"), [(group, *case) for group, cases in BROKEN.items() for case in cases]
)
def test_a_broken_package_does_not_break_the_list(
    kit_with: Run, tmp_path: Path, group: str, line: str, words: str
) -> None:
    packages = install(tmp_path / "site", f"[kit.{group}]\n{line}\n")
    (packages / "their_package" / "bad.py").write_text("def\n")
    (packages / "their_package" / "half.py").write_text(SCORER.partition("def score")[0])
    (packages / "their_package" / "twice.py").write_text(SCORER.replace("mean_confidence", "mia_auc"))
    done = kit_with(packages, "list", group)
    assert done.code == 0
    assert {"methods": "finetune", "scorers": "mia_auc", "challenges": "digits"}[group] in done.out
    message = paragraph(done.err)
    assert words in message
    assert "'their-package 1.5'" in message
    assert "pip uninstall their-package" in message


@pytest.mark.parametrize(
    ("entry_points", "arguments"),
    [
        ("[kit.methods]\nlost = their_package.nowhere\n", ["explain", "lost"]),
        ("[kit.methods]\nlost = their_package.nowhere\n", ["run", "lost"]),
        ("[kit.scorers]\nlost = their_package.nowhere\n", ["run", "original"]),
        ("[kit.methods]\nempty = their_package.data\n", ["run", "empty"]),
        ("[kit.challenges]\nlost = their_package.nowhere:PRESET\n", ["run", "--challenge", "lost"]),
    ],
)
def test_using_what_is_broken_is_refused_in_a_paragraph(
    kit_with: Run, tmp_path: Path, entry_points: str, arguments: list[str]
) -> None:
    done = kit_with(install(tmp_path / "site", entry_points), *arguments)
    assert done.code == 2
    errors = done.err[done.err.index("Error: ") :]
    assert "of the installed package 'their-package 1.5'" in paragraph(errors)
