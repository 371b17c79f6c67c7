"""The order of the methods: by distance to retraining, noise and overtime marked, landmarks left out."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from test_report import made, score

from kit.reports import ranking, ranking_table
from kit.types import Report


def population(method: str, value: float | None, stderr: float | None = 0.001, ratio: float = 0.1) -> Report:
    scores = {"competition_score": score("competition_score", value, stderr)}
    scores |= {"time_ratio": score("time_ratio", ratio, None)}
    return made(method, **scores)


def places(reports: list[Report], by: str | None = None) -> list[tuple[int | None, str]]:
    return [(rank.place, rank.method) for rank in ranking.rank(reports, by)]


def test_populations_are_ranked_by_the_competition_s_score() -> None:
    reports = [
        population(name, value) for name, value in [("original", 0.9), ("b", 0.02), ("a", 0.03), ("retrain", 0.2)]
    ]
    assert ranking.criterion(reports) == "competition_score"
    assert places(reports) == [(1, "a"), (2, "b")]


def test_single_models_are_ranked_by_their_mean_distance() -> None:
    reports = [made(name, average_gap=score("average_gap", gap)) for name, gap in [("far", 0.3), ("near", 0.1)]]
    assert ranking.criterion(reports) == "average_gap"
    assert places(reports) == [(1, "near"), (2, "far")]


def test_what_has_no_score_comes_last_and_has_no_place() -> None:
    assert places([population("none", None, None), population("some", 0.01)]) == [(1, "some"), (None, "none")]


def test_a_target_counts_by_the_distance_to_it() -> None:
    reports = [made(name, mia_auc=score("mia_auc", value)) for name, value in [("under", 0.40), ("over", 0.47)]]
    assert places(reports, by="mia_auc") == [(1, "over"), (2, "under")]  # the target is 0.444


@pytest.mark.parametrize(("value", "near"), [(0.0299, True), (0.0273, True), (0.0271, False)])
def test_the_noise_is_that_of_both(value: float, near: bool) -> None:
    first, second = ranking.rank([population("best", 0.03), population("next", value)])
    assert not first.near_best
    assert second.near_best == near  # 2 * sqrt(2) * 0.001 = 0.0028


def test_without_an_error_nothing_is_inside_the_noise() -> None:
    assert not ranking.rank([population("best", 0.03), population("next", 0.03, None)])[1].near_best


def test_overtime_is_marked() -> None:
    ranks = ranking.rank([population("quick", 0.03, ratio=0.2), population("slow", 0.02, ratio=0.21)])
    assert [one.over_budget for one in ranks] == [False, True]


def test_landmarks_of_an_own_training_are_told_apart() -> None:
    report = replace(population("original", 0.1), pretraining="sisa")
    assert ranking.title(report) == "original (sisa)"
    assert ranking.title(replace(report, method="sisa")) == "sisa"


def printed(reports: list[Report]) -> str:
    stream = io.StringIO()
    ranking_table.print_ranking(reports, Console(file=stream, width=80, highlight=False))
    return stream.getvalue()


def test_the_table_explains_its_marks() -> None:
    shown = printed([population("best", 0.03), population("next", 0.0295, ratio=0.5), population("third", 0.01)])
    assert "Ranking by competition score" in shown
    assert "2~" in shown
    assert "0.50!" in shown
    assert "~ not told from the best" in shown
    assert "! over the time budget of 0.2" in shown
    plain = printed([population("best", 0.03), population("third", 0.01)])
    assert "~" not in plain
    assert "!" not in plain


def test_brackets_in_a_name_are_no_markup() -> None:
    assert " [red]best[/red] " in printed([population("[red]best[/red]", 0.03), population("third", 0.01)])


def test_one_method_alone_is_not_ranked() -> None:
    assert printed([population("original", 0.1), population("only", 0.03), population("retrain", 0.2)]) == ""
