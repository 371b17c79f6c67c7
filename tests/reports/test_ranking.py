"""The order of the methods: by distance to retraining, noise and overtime marked, landmarks left out."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from test_report import made, score, unwrapped

from kit.reports import markdown, print_table, ranking, ranking_table
from kit.types import InputError, Report


def population(method: str, value: float | None, stderr: float | None = 0.001, ratio: float = 0.1) -> Report:
    scores = {"competition_score": score("competition_score", value, stderr)}
    scores |= {"time_ratio": score("time_ratio", ratio, None)}
    return made(method, **scores)


def places(reports: list[Report], by: str | None = None) -> list[tuple[int | None, str]]:
    return [(rank.place, rank.method) for rank in ranking.rank(reports, by)]


def near(method: str, distance: float | None, competition: float | None = None, stderr: float | None = 0.1) -> Report:
    scores = {"retraining_distance": score("retraining_distance", distance, stderr)}
    scores |= {"competition_score": score("competition_score", competition)}
    return made(method, **scores, average_gap=score("average_gap", 0.1))


def test_methods_are_ranked_by_their_distance_to_retraining() -> None:
    """Whatever the competition's score says; below 0 by chance is nearer than above."""
    reports = [near("original", -1.0), near("noise", 6.0, 0.5), near("good", 0.3, 0.1), near("best", -0.2, 0.01)]
    assert ranking.criterion(reports) == "retraining_distance"
    assert places(reports) == [(1, "best"), (2, "good"), (3, "noise")]


def test_it_is_said_where_the_competition_orders_otherwise() -> None:
    reports = [near("noise", 6.0, 0.5), near("good", 0.3, 0.1), near("none", None, 0.9), near("single", 2.0)]
    assert ranking.other_order(reports).endswith("the order is another one: noise, good.")
    assert "the order is another one: noise, good." in unwrapped(printed(reports))
    same = [near("noise", 6.0, 0.1), near("good", 0.3, 0.5), near("as good", 0.4, 0.5)]
    assert ranking.other_order(same) == ""
    assert "order" not in printed(same)
    assert ranking.other_order([near("a", 2.0), near("b", 1.0)]) == ""


def test_populations_of_before_are_ranked_by_the_competition_s_score() -> None:
    reports = [
        population(name, value) for name, value in [("original", 0.9), ("b", 0.02), ("a", 0.03), ("retrain", 0.2)]
    ]
    assert ranking.criterion(reports) == "competition_score"
    assert places(reports) == [(1, "a"), (2, "b")]


def test_single_models_of_before_are_ranked_by_their_mean_distance() -> None:
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
    assert second.near_best == near  # 1.96 * sqrt(2) * 0.001 = 0.00277


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_definition(probabilities: list[float]) -> None:
    """Adjusted values, as R's p.adjust has them: the largest so far of each times the number that is left."""
    order = sorted(range(len(probabilities)), key=lambda index: probabilities[index])
    adjusted, largest = {}, 0.0
    for place, index in enumerate(order):
        largest = max(largest, (len(order) - place) * probabilities[index])
        adjusted[index] = largest
    decided = ranking.holm(probabilities)
    for index, value in adjusted.items():
        if abs(value - 0.05) > 1e-12:
            assert decided[index] == (value < 0.05)


def test_of_methods_that_are_all_as_good_none_is_told_from_the_best() -> None:
    """But for 5 % of the tables; two standard errors of a difference would do it in half of them."""
    generator, mistakes = np.random.default_rng(0), []
    for _ in range(400):
        values = generator.normal(0.03, 0.001, 10)
        ranks = ranking.rank([population(str(name), value) for name, value in enumerate(values)])
        mistakes.append(not all(entry.near_best for entry in ranks[1:]))
    assert np.mean(mistakes) < 0.08


def test_what_differs_is_told_beside_what_does_not() -> None:
    reports = [population(str(name), value) for name, value in enumerate([0.05, 0.0495, 0.04, 0.03, 0.02])]
    assert [entry.near_best for entry in ranking.rank(reports)] == [False, True, False, False, False]


def test_reports_of_different_score_versions_are_refused() -> None:
    mixed = [population("old", 0.03), replace(population("new", 0.02), score_version="2.0")]
    message = r"several score versions: 1\.0 \(old\), 2\.0 \(new\)\. Expected one, .*Evaluate the older ones again"
    with pytest.raises(InputError, match=message):
        ranking.rank(mixed)
    with pytest.raises(InputError, match=message):
        print_table(mixed)
    with pytest.raises(InputError, match=message):
        markdown.methods_table(mixed, {})


def test_without_an_error_nothing_is_inside_the_noise() -> None:
    assert not ranking.rank([population("best", 0.03), population("next", 0.03, None)])[1].near_best


def test_overtime_is_marked() -> None:
    ranks = ranking.rank([population("quick", 0.03, ratio=0.2), population("slow", 0.02, ratio=0.21)])
    assert [rank.over_budget for rank in ranks] == [False, True]


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
    assert "~ not significantly worse than the best (5%, Holm's correction, pairs: 3)" in shown
    assert "! over the time budget of 0.2" in shown
    plain = printed([population("best", 0.03), population("third", 0.01)])
    assert "~" not in plain
    assert "!" not in plain


def test_brackets_in_a_name_are_no_markup() -> None:
    assert " [red]best[/red] " in printed([population("[red]best[/red]", 0.03), population("third", 0.01)])


def test_one_method_alone_is_not_ranked() -> None:
    assert printed([population("original", 0.1), population("only", 0.03), population("retrain", 0.2)]) == ""
