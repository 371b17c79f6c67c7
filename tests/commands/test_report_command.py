"""`kit report`: a stored report again, and nothing half-written where it cannot be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_helpers import call, one_paragraph

import kit
from kit.commands import report as command
from kit.storage import files

RESULTS = files.data_folder() / "results" / "noisy-digits.json"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a run, at the place where `kit run` writes it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    rows = [row for row in kit.report.read_json(RESULTS).reports if not row.pretraining]
    folder = tmp_path / "runs" / "noisy-digits"
    kit.report.write_json(folder / "report.json", [rows[0], rows[4], rows[-1]])
    return folder


def test_without_options_the_table_is_printed_again(results: Path) -> None:
    printed = call("report", results)
    assert printed.code == 0, printed.err
    assert "noisy-digits, forget set random:0.1" in printed.out
    assert call("report").out == call("report", results / "report.json").out == printed.out


def test_a_page_is_written_and_its_path_is_the_last_line(results: Path) -> None:
    printed = call("report", results, "--html", "new folder/page.html")
    assert printed.code == 0, printed.err
    assert printed.out.splitlines()[-1] == str(Path("new folder", "page.html"))
    assert "<h1>noisy-digits, forget set random:0.1</h1>" in Path("new folder/page.html").read_text(encoding="utf-8")


def test_figures_are_written_in_both_formats(results: Path) -> None:
    printed = call("report", results, "--figures", "pictures")
    assert printed.code == 0, printed.err
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["tradeoff.png", "tradeoff.svg"]
    assert printed.out.split() == [str(Path("pictures", f"tradeoff.{kind}")) for kind in ("png", "svg")]


def test_of_several_runs_the_newest_is_taken(tmp_path: Path) -> None:
    places = [tmp_path / place for place in ("a/report.json", "a/later/report.json", "b/report.json")]
    for seconds, path in enumerate([places[0], places[2], places[1]]):
        files.write_json(path, {})
        os.utime(path, (seconds, seconds))
    assert command.newest(tmp_path) == tmp_path / "a" / "later"
    assert command.newest(tmp_path / "b") == tmp_path / "b"
    assert command.newest(places[0]) == places[0]


@pytest.mark.parametrize("damage", ["empty", "damaged", "mixed", "newer", "evidence"])
def test_bad_input_is_one_paragraph_and_nothing_is_written(results: Path, damage: str) -> None:
    path = results / "report.json"
    content = json.loads(path.read_text())
    if damage == "empty":
        path.unlink()
    elif damage == "damaged":
        path.write_text(path.read_text()[:1000])
    elif damage == "mixed":
        content["reports"][0]["split_sha256"] = "d" * 64
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "sha256"}))
    elif damage == "newer":
        content["score_version"] = "99.1"
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "sha256"}))
    else:
        (results / "evidence.json").write_text("{}")
    before = sorted(results.rglob("*"))
    one_paragraph(call("report", "runs", "--html", "runs/page.html"))
    assert sorted(results.rglob("*")) == before
    assert not Path("runs/page.html").exists()


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{")
    error = one_paragraph(call("report", tmp_path, "--html", tmp_path))
    assert f"--html '{tmp_path}' is a folder" in error
