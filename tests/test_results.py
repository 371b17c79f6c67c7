"""The tables of methods in the documentation are what the stored reports say, and hold every method of the folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import results
from kit import methods, rules
from kit.reports import markdown, records

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_reports_and_differences_belong_together(challenge: str) -> None:
    """Of the kit's methods only; one that was not evaluated yet has a row that says so, see below."""
    reports, differences = results.read(challenge)
    evaluated = {report.method for report in reports}
    assert {"finetune", *rules.LANDMARKS} <= evaluated <= set(methods.built_in())
    assert all(report.split_seed == 0 and report.seed == 0 for report in reports)
    compared = evaluated - {"finetune", *rules.LANDMARKS} if results.CHALLENGES[challenge] is None else set()
    assert set(differences) == compared


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_reports_are_read_as_they_were_written(challenge: str) -> None:
    reports, _ = results.read(challenge)
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
    monkeypatch.setattr(results, "hyperparameters", lambda _: content["hyperparameters"])
    assert results.OTHER_SETTINGS not in results.shown([challenge])
    monkeypatch.setattr(results, "hyperparameters", lambda _: content["hyperparameters"] | {"ssd": {"alpha": 0.123}})
    assert results.OTHER_SETTINGS in results.shown([challenge])


def test_differences_inside_the_noise_are_marked() -> None:
    assert markdown.interval(0.02, 0.005) == "**+0.0100 to +0.0300**"
    assert markdown.interval(0.02, 0.02) == "~ -0.0200 to +0.0600"
    assert markdown.interval(-0.02, 0.005) == "-0.0300 to -0.0100"


def test_a_method_over_its_budget_is_marked() -> None:
    reports, _ = results.read("noisy-digits")
    over = [row for row in reports if row.scores["time_ratio"].value > rules.TIME_BUDGET and row.method != "retrain"]
    assert over
    for report in reports:
        line = markdown.row("", report, "competition_score", {})
        assert line.endswith(" ! |") == (report in over)
