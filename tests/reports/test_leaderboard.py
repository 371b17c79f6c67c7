"""Leaderboards: what is refused, shared places, and names that stay text in every form."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import call, one_paragraph
from rich.console import Console
from scipy import stats

import kit
from kit.reports import leaderboard as boards
from kit.reports import leaderboard_files, records
from kit.rules import LANDMARKS, SCORE_VERSION
from kit.storage import folders
from kit.types import InputError, Report, Score

STORED = Path(__file__).parents[2] / "data" / "results" / "noisy-digits.json"
HOSTILE = "<script>alert(1)</script>|=cmd\x1b[2J\n[a](b)*c*"


def made(method: str, value: float | None, stderr: float | None = 0.01, **changes: Any) -> Report:
    """A report of one model with a mean distance to retraining, by which single models are ranked."""
    scores = {"average_gap": Score("average_gap", value, stderr, "down", reason="" if value is not None else "none")}
    common: dict[str, Any] = {
        **{"challenge": "digits", "seed": 0, "num_models": 1, "num_retrained": 512, "split": "random:0.1"},
        **{"split_seed": 0, "split_sha256": "5" * 64, "data_sha256": "d" * 64, "data_source": ""},
        **{"weights_sha256": "w" * 64, "seconds": 1.0, "reference_seconds": 10.0, "scores": scores},
        **{"score_version": SCORE_VERSION, "versions": {}, "machine": {}, "model": "mlp", "recipe": {"epochs": 3}},
    }
    return Report(method=method, **(common | changes))


def board(*reports: Report) -> boards.Leaderboard:
    return boards.of_reports(reports, [f"run {number}" for number in range(len(reports))], advice="Choose.")


def places(*reports: Report) -> dict[str, int | None]:
    return {row.method: row.place for row in board(*reports).rows}


# Places


def test_equal_scores_share_a_place_as_scipy_has_it() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        values = generator.integers(0, 5, 9) / 10
        reports = [made(f"method_{number}", float(value)) for number, value in enumerate(values)]
        expected = stats.rankdata(values, method="min")
        assert places(*reports) == {f"method_{number}": place for number, place in enumerate(expected)}


def test_what_looks_the_same_shares_a_place_and_what_has_no_score_has_none() -> None:
    reports = [made("a", 0.10001), made("b", 0.10002), made("c", 0.1002), made("d", None)]
    assert places(*reports) == {"a": 1, "b": 1, "c": 3, "d": None}


def test_landmarks_stand_apart_and_marks_are_those_of_the_ranking() -> None:
    shown = board(
        *(made("original", 0.5), made("retrain", 0.0), made("a", 0.10), made("b", 0.11), made("c", 0.5)),
    )
    assert [(row.method, row.place) for row in shown.landmarks] == [("original", None), ("retrain", None)]
    assert [(row.method, row.near_best) for row in shown.rows] == [("a", False), ("b", True), ("c", False)]


def test_the_same_report_twice_is_one_row_of_the_newest_run_and_another_result_is_another() -> None:
    again = made("a", 0.1)
    shown = board(made("a", 0.1), made("retrain", 0.0), again, made("retrain", 0.0), made("a", 0.3, seed=1))
    assert [(row.method, row.results) for row in shown.rows] == [("a", "run 2"), ("a", "run 4")]
    assert [row.results for row in shown.landmarks] == ["run 3"]


def test_the_shipped_results_are_ranked_as_in_the_readme() -> None:
    reports = records.read_json(STORED).reports
    shown = board(*reports)
    methods = [report for report in reports if report.method not in LANDMARKS]
    values = {report.method: report.scores["retraining_distance"].value for report in methods}
    assert shown.criterion == "retraining_distance"
    assert [row.report.method for row in shown.rows] == sorted(values, key=lambda name: values[name])
    title = "noisy-digits, forget set random:0.1 (split seed 0), 128 models of each"
    assert f"{title}, score version {reports[0].score_version}" in shown.title


# What is refused

OTHERS: Mapping[str, Mapping[str, Any]] = {
    "score version": {"score_version": "1.2"},
    "challenge": {"challenge": "mnist"},
    "forget set": {"split": "random:0.2"},
    "rows of the forget set": {"split_sha256": "6" * 64},
    "data": {"data_sha256": "e" * 64},
    "model": {"model": "convnet"},
    "recipe": {"recipe": {"epochs": 4}},
    "number of models": {"num_models": 8},
    "original model": {"weights_sha256": "v" * 64},
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_cannot_be_compared_is_not_mixed(what: str) -> None:
    with pytest.raises(InputError, match=f"The reports differ in their {what}: .*'a' in 'run 0'.*'b' in 'run 1'"):
        board(made("a", 0.1), made("b", 0.2, **OTHERS[what]))


def test_rows_of_another_training_and_fewer_retrained_models_are_no_other_problem() -> None:
    rows = [made("sisa", 0.1, pretraining="sisa", weights_sha256="v" * 64, model="ensemble"), made("b", 0.2)]
    assert places(*rows, made("retrain", 0.0, num_models=4)) == {"sisa": 1, "b": 2}


@pytest.mark.parametrize("version", ["99.0", f"{SCORE_VERSION}.1", f"{SCORE_VERSION}9", "next", ""])
def test_a_newer_version_is_not_ranked(version: str) -> None:
    with pytest.raises(InputError, match="which is what this kit can rank"):
        board(made("a", 0.1, score_version=version))


@pytest.mark.parametrize("reports", [[], [made("original", 0.1), made("retrain", 0.0)]])
def test_without_a_method_there_is_no_leaderboard(reports: list[Report]) -> None:
    with pytest.raises(InputError, match="Expected the reports of at least one method"):
        board(*reports)


# Its forms


class Page(html.parser.HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_needs_nothing_else_and_hostile_names_are_text() -> None:
    name = HOSTILE.replace("\x1b", "?").replace("\n", "?")
    text = leaderboard_files.to_html(board(made(HOSTILE, 0.1), made("b", 0.2), made("retrain", 0.0)))
    page = Page(text)
    assert set(page.tags).isdisjoint({"script", "link", "img", "iframe", "a"})
    assert page.attributes.isdisjoint({"src", "href", "onclick", "onload"})
    assert "url(" not in text
    assert "@import" not in text
    assert name in page.texts
    assert page.tags.count("svg") == 3
    for number in ("0.1000", "0.0800 to 0.1200"):
        assert number in text


def test_markdown_keeps_its_columns_whatever_a_method_is_called() -> None:
    text = leaderboard_files.to_markdown(board(made(HOSTILE, 0.1), made("b", 0.2), made("retrain", 0.0)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3
    assert {line.replace("\\|", "").count("|") for line in lines} == {11}
    assert "<script>" not in text
    assert "\\[a\\](b)\\*c\\*" in text


def test_a_spreadsheet_gets_numbers_and_no_formulas() -> None:
    text = leaderboard_files.to_csv(board(made("=1+1", 0.1), made("b", None, None)))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["method"] for row in rows] == ["'=1+1", "b"]
    assert [float(rows[0][name]) for name in ("average_gap", "low", "high")] == pytest.approx([0.1, 0.08, 0.12])
    assert [rows[1][name] for name in ("place", "average_gap", "stderr", "low")] == [""] * 4


def test_every_row_keeps_its_name_in_a_narrow_terminal() -> None:
    reports = records.read_json(STORED).reports
    for width in (40, 60, 80, 120, 200):
        shown = io.StringIO()
        leaderboard_files.print_leaderboard(board(*reports), Console(file=shown, width=width))
        lines = shown.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        for report in reports:
            assert report.method[:8] in shown.getvalue()
        if width >= 80:
            assert len([line for line in lines if " to " in line]) >= len(reports) - len(LANDMARKS)


def test_a_data_frame_has_the_rows_in_their_order() -> None:
    reports = records.read_json(STORED).reports
    table = kit.leaderboard(reports)
    shown = board(*reports)
    assert table["method"].tolist() == [row.method for row in shown.rows]
    assert table["place"].tolist() == [row.place for row in shown.rows]
    values = [row.report.scores["retraining_distance"].value for row in shown.rows]
    assert table["retraining_distance"].tolist() == values
    assert (table["low"] <= table["retraining_distance"]).all()
    assert {"forget_accuracy", "mia_gap"} <= set(table.select_dtypes("float"))
    assert "results" not in table


def test_a_report_as_a_data_frame_has_a_row_for_each_score() -> None:
    report = next(report for report in records.read_json(STORED).reports if report.method == "finetune")
    table = report.to_frame()
    assert table.index.tolist() == list(report.scores)
    for name, score in report.scores.items():
        assert table.at[name, "value"] == score.value or (score.value is None and np.isnan(table.at[name, "value"]))
        if score.bounds is not None:
            assert (table.at[name, "low"], table.at[name, "high"]) == score.bounds


def test_without_pandas_both_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for call_it in (made("a", 0.1).to_frame, lambda: kit.leaderboard([made("a", 0.1)])):
        with pytest.raises(InputError, match=r"pandas is not installed. Expected .* pip install pandas"):
            call_it()


# A report and JSON


def test_a_report_goes_to_json_and_back() -> None:
    for report in records.read_json(STORED).reports[:3]:
        assert Report.from_json(report.to_json()) == report
        assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_under_a_wrong_name_or_without_a_key_is_refused() -> None:
    with pytest.raises(InputError, match="has no 'challenge'"):
        Report.from_json({})
    with pytest.raises(InputError, match="has a score 'b' under the key 'a'"):
        made("a", 0.1, scores={"a": Score("b", 0.1, None, "up")})


# The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def store(name: str, *reports: Report, root: Path = Path("runs")) -> Path:
    with folders.fresh(root, reports[0].challenge, [name]) as results:
        records.write_json(results / folders.REPORT, reports)
    return results


def test_the_methods_of_all_runs_are_ranked_and_written(folder: Path) -> None:
    store("a", made("a", 0.2), made("retrain", 0.0))
    second = store("b", made("b", 0.1), made("retrain", 0.0))
    files = ("--html", "page/board.html", "--markdown", "board.md", "--csv", "board.csv", "--json", "board.json")
    result = call("leaderboard", *files)
    assert (result.code, result.err) == (0, "")
    rows = [line.split()[:2] for line in result.out.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert rows == [["1", "b"], ["2", "a"]]
    content = json.loads((folder / "board.json").read_text())
    assert [(row["place"], row["method"]) for row in content] == [(1, "b"), (2, "a")]
    assert content[0]["results"] == str(second)
    for name in ("page/board.html", "board.md", "board.csv"):
        assert str(second) in (folder / name).read_text()
    for option, start in (("--csv", "place,method,"), ("--markdown", "**digits"), ("--json", "[\n {")):
        piped = call("leaderboard", option, "-")
        assert piped.out.startswith(start)
        assert "digits, forget set" in piped.err


def test_runs_on_two_problems_are_refused_until_one_is_chosen(folder: Path) -> None:
    store("a", made("a", 0.2))
    store("b", made("b", 0.1, challenge="mnist", split="class:3"))
    error = one_paragraph(call("leaderboard", "--html", "board.html"))
    assert "differ in their challenge: digits (1 report, such as 'a' in" in error
    assert "choose with --challenge, --forget, --split-seed or --num-models" in error
    for chosen in (("--challenge", "mnist"), ("--forget", "class:3"), ("runs/mnist",), ("runs/mnist/latest",)):
        assert "mnist, forget set class:3" in call("leaderboard", *chosen).out
    assert "is of --challenge cifar" in one_paragraph(call("leaderboard", "--challenge", "cifar"))
    assert sorted(path.name for path in folder.iterdir()) == ["runs"]


def test_landmarks_stay_beside_methods_that_are_chosen_by_their_number_of_models(folder: Path) -> None:
    store("a", made("a", 0.2, num_models=8), made("b", 0.2), made("retrain", 0.0, num_models=4))
    shown = call("leaderboard", "--num-models", "8").out
    assert "8 models of each" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.strip().startswith(("1", "retrain"))] == [
        "1",
        "retrain",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no report in 'runs'"),
        ("{", "cannot be read"),
        ('{"score_version": "1.0", "reports": 7, "failures": []}', "is 7, not a list"),
        ('{"score_version": "9.0", "reports": [{"later": 1}], "failures": []}', "9.0"),
    ],
)
def test_what_cannot_be_read_is_one_paragraph_and_nothing_is_written(
    folder: Path, content: str | None, says: str
) -> None:
    (folder / "runs" / "digits" / "1").mkdir(parents=True)
    if content is not None:
        (folder / "runs" / "digits" / "1" / "report.json").write_text(content)
    assert says in one_paragraph(call("leaderboard", "--html", "board.html", "--csv", "board.csv"))
    assert [path.name for path in folder.iterdir()] == ["runs"]


def test_a_name_is_no_command_to_the_terminal(folder: Path) -> None:
    store("a", replace(made(HOSTILE, 0.2), challenge="digits"))
    shown = call("leaderboard")
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert "<script>alert(1)" in shown.out
