"""The tables of methods in the documentation are what the stored reports say, and hold every method of the folder."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

import kit
from benchmarks import results
from kit import methods, rules
from kit.reports import budget, markdown, records

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_reports_are_of_the_kits_methods_on_split_0(challenge: str) -> None:
    """One that was not evaluated yet has a row that says so, see below."""
    reports = results.read(challenge)
    evaluated = {report.method for report in reports}
    assert {"finetune", *rules.LANDMARKS} <= evaluated <= set(methods.built_in())
    assert all(report.split_seed == 0 and report.seed == 0 for report in reports)


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_reports_are_read_as_they_were_written(challenge: str) -> None:
    reports = results.read(challenge)
    again = json.loads(json.dumps(records.to_json(reports)))
    assert list(records.from_json(again).reports) == list(reports)


def block(name: str) -> str:
    """What stands in the documentation between the comments that name a block."""
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    return re.search(rf"<!-- {name}: begin.*?-->(.*?)<!-- {name}: end -->", page, re.DOTALL)[1]


def test_results_are_current_the_documentation_shows_them() -> None:
    """After a change of methods: python -m benchmarks.update_readme kinds methods"""
    assert results.shown(list(results.CHALLENGES)) in block("methods")
    assert results.kinds() in block("kinds")


@pytest.mark.parametrize("name", methods.built_in())
def test_results_are_current_the_documentation_lists_each_method(name: str) -> None:
    link = f"(../kit/methods/{name}.py)"
    assert link in block("methods")
    assert (link in block("kinds")) == (name != "original")


def test_a_method_that_was_not_evaluated_yet_has_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in = methods.built_in()
    monkeypatch.setattr(methods, "built_in", lambda: (*built_in, "of_the_future"))
    tables = results.shown(list(results.CHALLENGES))
    rows = [
        line
        for line in tables.splitlines()
        if line.startswith("|  | [of_the_future](../kit/methods/of_the_future.py) |")
    ]
    assert len(rows) == len(results.CHALLENGES)
    for row in rows:
        assert row.count("|") in {line.count("|") for line in tables.splitlines() if line.startswith("|  | method")}
        assert row.split("|")[3].strip() == "not evaluated yet"


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_a_table_of_other_hyperparameters_than_the_present_ones_says_so(
    challenge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that was changed after the evaluation would make the table untrue."""
    content = json.loads(results.stored(challenge).read_text())
    monkeypatch.setattr(results, "of_challenge", lambda _: content["hyperparameters"])
    assert results.OTHER_SETTINGS not in results.shown([challenge])
    monkeypatch.setattr(results, "of_challenge", lambda _: content["hyperparameters"] | {"ssd": {"alpha": 0.123}})
    assert results.OTHER_SETTINGS in results.shown([challenge])


def test_a_method_over_its_budget_is_marked() -> None:
    reports = results.read("noisy-digits")
    over = [report for report in reports if budget.is_over(report) and report.method != "retrain"]
    assert over
    for report in reports:
        line = markdown.row("", report, ["competition_score"])
        assert line.endswith(" ! |") == (report in over)


def test_what_is_nearer_than_the_baseline_is_bold() -> None:
    """Not what noise may have put there: the same distances with wide errors are all in plain type."""
    reports = [
        dataclasses.replace(report, scores={**report.scores, "retraining_distance": distance(value, stderr)})
        for report, value, stderr in zip(some_reports(), (4.0, 1.0, 3.9), (0.1, 0.1, 0.1), strict=True)
    ]
    table = markdown.methods_table(reports)
    assert re.findall(r"\*\*(\d\.\d\d) ±", table) == ["1.00"]
    wide = [
        dataclasses.replace(report, scores={**report.scores, "retraining_distance": distance(value, 2.0)})
        for report, value in zip(reports, (4.0, 1.0, 3.9), strict=True)
    ]
    assert "**1.00" not in markdown.methods_table(wide)


def some_reports() -> list[kit.Report]:
    by_method = {report.method: report for report in results.read("noisy-digits")}
    return [by_method[name] for name in ("finetune", "scrub", "salun")]


def distance(value: float, stderr: float) -> kit.Score:
    return kit.Score("retraining_distance", value, stderr, "down")
