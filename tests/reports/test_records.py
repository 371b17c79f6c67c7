"""Reports to JSON and back: nothing is lost, and a damaged file is refused in a paragraph that names the place."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_report import made, population

import kit
from kit.reports import records
from kit.storage import files
from kit.types import BrokenSubmission, FailedRun, InputError

STORED = sorted(
    path for path in (files.data_folder() / "results").glob("*.json") if not path.stem.startswith("tuning-")
)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_reports_survive_the_way_to_python_and_back(path: Path) -> None:
    record = records.read_json(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    again = json.loads(json.dumps(records.to_json(record.reports, record.failures)))
    unknown = {
        "cpu_seconds": None,
        "tracing_seconds": None,
        "num_originals": 1,
        "hyperparameters": {},
    }  # to old versions
    stored["reports"] = [unknown | row for row in stored["reports"]]
    for report, kept in zip(again["reports"], stored["reports"], strict=True):
        for name, score in report["scores"].items():  # what it has by default may be absent in an older file
            absent = score.keys() - kept["scores"][name].keys()
            report["scores"][name] = {key: value for key, value in score.items() if key not in absent}
            assert all(score[key] is None for key in absent)
    assert again == {key: stored[key] for key in again}
    assert records.from_json(again) == record


def test_a_report_with_all_that_a_report_can_have_comes_back_equal(tmp_path: Path) -> None:
    reports = (made("original"), population("finetune"), made("retrain"))
    failures = {"a": FailedRun("It failed."), "b": BrokenSubmission("signature", "It has no parameters.")}
    records.write_json(tmp_path / "report.json", reports, failures)
    record = records.read_json(tmp_path / "report.json")
    assert record.reports == reports
    assert [(name, type(failure), str(failure)) for name, failure in record.failures.items()] == [
        ("a", FailedRun, "It failed."),
        ("b", BrokenSubmission, "It has no parameters."),
    ]
    assert records.to_json(record.reports, record.failures) == records.to_json(reports, failures)


def test_the_public_name_reads_what_it_writes(tmp_path: Path) -> None:
    kit.report.write_json(tmp_path / "report.json", [made()])
    assert kit.report.read_json(tmp_path / "report.json").reports == (made(),)
    marked = b"\xef\xbb\xbf" + (tmp_path / "report.json").read_bytes()  # as an editor on Windows may save it
    (tmp_path / "report.json").write_bytes(marked)
    assert kit.report.read_json(tmp_path / "report.json").reports == (made(),)
    for name in kit.report.__all__:
        assert hasattr(kit.report, name)


def content() -> dict[str, Any]:
    return json.loads(json.dumps(records.to_json([made(), population("scrub")])))


def test_what_has_a_default_may_be_absent() -> None:
    older = content()
    for name in ("model", "recipe", "warnings", "pretraining", "facts"):
        for row in older["reports"]:
            del row[name]
    assert records.from_json(older).reports == (made(), population("scrub"))


def _score(report: dict[str, Any], name: str = "mia_auc") -> dict[str, Any]:
    return report["reports"][1]["scores"][name]


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no reports": (lambda report: report.pop("reports"), "The report has no 'reports'"),
    "reports are no list": (lambda report: report.update(reports={}), "is {}, not a list"),
    "a report is no object": (lambda report: report["reports"].insert(0, 3), "Number 1 of reports of the report is 3"),
    "a key is missing": (
        lambda report: report["reports"][1].pop("seed"),
        "Number 2 of reports of the report has no 's",
    ),
    "an unknown key": (lambda report: report["reports"][0].update(shoe=1), "has a key 'shoe'"),
    "a text for a number": (lambda report: report["reports"][0].update(seed="3"), 'is "3", not a whole number'),
    "true for a number": (lambda report: report["reports"][0].update(seed=True), "is true, not a whole number"),
    "a half for a whole": (lambda report: report["reports"][0].update(num_models=1.5), "is 1.5, not a whole number"),
    "a number for a text": (lambda report: report["reports"][0].update(method=7), "is 7, not a text"),
    "null for a text": (lambda report: report["reports"][0].update(method=None), "is null, not a text"),
    "NaN": (lambda report: _score(report).update(value=float("nan")), "is nan, not a finite number"),
    "an unknown direction": (lambda report: _score(report).update(direction="left"), 'is "left", not one of up, down'),
    "a band of one": (lambda report: _score(report).update(null_band=[0.1]), "is [0.1], not a list of 2"),
    "warnings are a text": (lambda report: _score(report).update(warnings="x"), 'is "x", not a list'),
    "another score's key": (
        lambda report: _score(report).update(name="mia_gap"),
        "has a score 'mia_gap' under the key",
    ),
    "scores are a list": (lambda report: report["reports"][0].update(scores=[]), "is [], not an object"),
    "a failure without reason": (lambda report: report["failures"].append({"method": "a"}), "has an entry without"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_in_a_paragraph_that_names_the_place(damage: str) -> None:
    damaged = copy.deepcopy(content())
    change, words = DAMAGES[damage]
    change(damaged)
    with pytest.raises(InputError) as error:
        records.from_json(damaged)
    message = str(error.value)
    assert words in message
    assert re.fullmatch(r"\S.{10,}?[.] Expected \S.{10,}?[.] \S.{8,}[.]", message)


@pytest.mark.parametrize("text", ["[]", "7", '"text"', "null"])
def test_json_that_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match="not an object"):
        records.read_json(tmp_path / "report.json")


@pytest.mark.parametrize("text", ["", "{", '{"a": 1} x'])
def test_a_file_that_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"cannot be read .* Expected a report.json of 'kit run'"):
        records.read_json(tmp_path / "report.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        records.read_json(tmp_path / "report.json")
