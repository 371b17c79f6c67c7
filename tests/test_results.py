"""The README's tables of methods are what the stored reports say, and hold every method of the folder."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import kit
from benchmarks import results, tune
from kit import methods, rules
from kit.challenges import catalogue
from kit.commands import describe
from kit.reports import table as report

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_every_method_has_been_evaluated(challenge: str) -> None:
    reports, differences = results.read(challenge)
    assert {one.method for one in reports} == set(methods.names())
    assert all(one.split_seed == 0 and one.seed == 0 for one in reports)
    wanted = set(methods.names()) - {"finetune", *rules.LANDMARKS} if results.CHALLENGES[challenge] is None else set()
    assert set(differences) == wanted


@pytest.mark.parametrize("challenge", results.CHALLENGES)
def test_reports_are_read_as_they_were_written(challenge: str) -> None:
    reports, _ = results.read(challenge)
    again = json.loads(json.dumps(report.to_json(reports)))
    assert again["reports"] == json.loads(results.stored(challenge).read_text())["reports"]


def test_the_readme_shows_what_is_stored(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["results.py", "--show"])
    results.main()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- methods: begin.*?-->(.*?)<!-- methods: end -->", readme, re.DOTALL)[1]
    assert capsys.readouterr().out.strip() in block


@pytest.mark.parametrize("name", methods.names())
def test_the_readme_lists_each_method_by_its_kind(name: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- methods: begin")[0]
    assert name == "original" or f"(kit/methods/{name}.py)" in readme


def test_hyperparameters_in_the_reports_are_the_present_ones() -> None:
    """A setting that was changed after the evaluation would make the table untrue."""
    for challenge in results.CHALLENGES:
        content = json.loads(results.stored(challenge).read_text())
        stored = content["hyperparameters"]
        present = catalogue.hyperparameters(challenge)  # what a challenge is made with; its images are not needed
        assert stored == {name: dict(values) for name, values in present.items()}


@pytest.mark.parametrize("challenge", ["noisy-digits", "digits"])
def test_every_method_is_searched_with_the_same_budget(challenge: str) -> None:
    left_out = {*rules.LANDMARKS, *(name for name in methods.names() if methods.trains_its_own(name))}
    assert set(tune.SPACES) == set(methods.names()) - left_out
    trace = json.loads((ROOT / "data" / "results" / f"tuning-{challenge}.json").read_text())
    assert trace["stages"] == [list(stage) for stage in tune.STAGES]
    assert set(trace["methods"]) == set(tune.SPACES)
    for tried in trace["methods"].values():
        assert [len(one["scores"]) for one in tried] == [1] * (tune.NUM_TRIALS - 4) + [3, 3, 10, 10]
    present = kit.load_challenge(challenge).hyperparameters
    for name, tried in trace["methods"].items():
        defaults = describe.hyperparameters(name)
        assert defaults | dict(present.get(name, {})) == defaults | tried[-1]["settings"]


def test_differences_inside_the_noise_are_marked() -> None:
    assert results.interval(0.02, 0.005) == "**+0.0100 to +0.0300**"
    assert results.interval(0.02, 0.02) == "~ -0.0200 to +0.0600"
    assert results.interval(-0.02, 0.005) == "-0.0300 to -0.0100"


def test_a_method_over_its_budget_is_marked() -> None:
    reports, _ = results.read("noisy-digits")
    over = [one for one in reports if one.scores["time_ratio"].value > rules.TIME_BUDGET and one.method != "retrain"]
    rows = {one.method: results.row("", one, "competition_score", {}) for one in reports}
    for one in reports:
        assert rows[one.method].endswith(" ! |") == (one in over)
