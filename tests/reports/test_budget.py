"""Like is held against like: passes of the kit's methods, CPU seconds of others."""

from __future__ import annotations

import io

from rich.console import Console
from test_report import made, score

from kit.reports import budget, markdown, ranking_table, words
from kit.rules import SCORE_VERSION
from kit.types import Report


def costing(method: str, time: float, passes: float | None = None) -> Report:
    scores = {"competition_score": score("competition_score", 0.1, 0.01), "mia_gap": score("mia_gap", 0.0, 0.02)}
    scores |= {"time_ratio": score("time_ratio", time, None), "passes_ratio": score("passes_ratio", passes, None)}
    return made(method, **scores)


def test_a_method_of_the_kit_is_held_by_its_passes_however_quick_they_are() -> None:
    report = costing("finetune", 0.03, passes=0.4)
    assert budget.ratio(report).name == "passes_ratio"
    assert budget.is_over(report)
    assert not budget.is_over(costing("finetune", 0.9, passes=0.2))
    assert "It took 0.40 of the passes of a retraining, OVER the budget of 0.2." in words.meaning([report])[0]


def test_another_method_is_held_by_its_time() -> None:
    report = costing("mine", 0.19)
    assert budget.ratio(report).name == "time_ratio"
    assert not budget.is_over(report)
    assert budget.is_over(costing("mine", 0.21))
    assert "It took 0.19 of a retraining, within the budget of 0.2." in words.meaning([report])[0]


def test_a_ranking_marks_the_ratio_that_is_held() -> None:
    console = Console(file=io.StringIO(), width=100)
    ranking_table.print_ranking([costing("kits", 0.3, passes=0.5), costing("mine", 0.6)], console)
    text = console.file.getvalue()
    assert "time ratio" in text
    assert "passes ratio" in text
    lines = {line.split()[1]: line.split() for line in text.splitlines() if "kits" in line or "mine" in line}
    assert lines["kits"][-2:] == ["0.30", "0.50!"]
    assert lines["mine"][-2:] == ["0.60!", "-"]


def test_a_table_of_an_older_version_says_so() -> None:
    assert made("finetune").score_version != SCORE_VERSION
    assert "score version 1.0" in markdown.methods_table([made("finetune")], {})
