"""Accuracy against forgetting against time: dots lie where the scores are, and labels keep apart."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from stored_results import reports_of
from test_report import made, population, score, without_attack

from kit.reports import figures, ranking, tradeoff
from kit.reports.labels import offsets

NAMES = [f"method_{number}" for number in range(30)]


def test_dots_lie_at_the_scores_with_their_intervals_and_costs() -> None:
    scores = {"forgetting_score": score("forgetting_score", 0.1, 0.01, interval=(0.07, 0.14))}
    scores |= {"test_accuracy": score("test_accuracy", 0.7, 0.02, gap_stderr=0.005)}
    content = tradeoff.tradeoff([made("original"), made("mine", **scores), population("retrain")])
    (dot,) = content.methods
    assert (dot.name, dot.label, dot.place, dot.cost, dot.over_budget) == ("mine", "mine", (0.7, 0.1), 0.129, False)
    np.testing.assert_allclose(dot.errors, [(0.01, 0.01), (0.03, 0.04)])
    assert content.forgetting == "forgetting_score"
    assert content.original is None  # it has no such score
    assert content.retrain is not None
    assert content.retrain.place[1] == 0.111


def test_single_models_are_shown_by_the_attack_on_them() -> None:
    content = tradeoff.tradeoff([made("original"), made("mine"), made("retrain")])
    assert content.forgetting == "mia_gap"
    assert [dot.place for dot in content.methods] == [(0.694, 0.107)]


def test_where_no_attack_is_possible_accuracies_are_shown() -> None:
    content = tradeoff.tradeoff([without_attack("original"), without_attack("mine"), without_attack("retrain")])
    assert content.forgetting == "forget_accuracy"
    assert [dot.place for dot in content.methods] == [(0.694, 0.872)]


def test_many_methods_are_numbered_in_the_order_of_their_ranks() -> None:
    reports = reports_of(NAMES)
    content = tradeoff.tradeoff(reports)
    assert content.numbered
    assert [dot.label for dot in content.methods] == [str(number) for number in range(1, 31)]
    assert [dot.name for dot in content.methods] == [rank.method for rank in ranking.rank(reports)]


@pytest.mark.parametrize("names", [["finetune"], NAMES], ids=["one", "thirty"])
def test_nothing_is_cut_and_all_is_beside_the_axes_what_explains_them(names: list[str]) -> None:
    drawing = tradeoff.figure(tradeoff.tradeoff(reports_of(names)))
    drawing.draw_without_rendering()
    ax = drawing.axes[0]
    width, height = drawing.bbox.size
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.get_window_extent().y1
    for box in (
        ax.get_tightbbox(),
        drawing.axes[1].get_tightbbox(),
        legend,
        *(text.get_window_extent() for text in drawing.texts),
    ):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    assert sum(text.get_text().count("\n") + 1 for text in drawing.texts) == (30 if len(names) == 30 else 0)


def test_methods_over_the_budget_have_another_mark_and_what_nobody_measured_is_drawn() -> None:
    slow = made("slow", time_ratio=score("time_ratio", 0.9, None))
    unknown = made("unknown", time_ratio=score("time_ratio", None, None, reason="packed"))
    content = tradeoff.tradeoff([made("original"), made("quick"), slow, unknown, made("retrain")])
    assert {dot.name: dot.over_budget for dot in content.methods} == {"quick": False, "slow": True, "unknown": False}
    assert "over the time budget" in [
        key.get_label() for key in tradeoff.figure(content).axes[0].get_legend().legend_handles
    ]
    assert "unknown" in figures.svg(tradeoff.figure(content), "a")


def test_costs_that_are_much_alike_have_a_scale_of_their_own() -> None:
    drawing = tradeoff.figure(tradeoff.tradeoff([made("original"), made("mine"), made("retrain")]))
    drawing.draw_without_rendering()
    bar = drawing.axes[1]
    texts = [label.get_text() for label in bar.get_xticklabels()]
    assert texts == [f"{float(text):g}" for text in texts]
    inside = [float(text) for text in texts if bar.get_xlim()[0] <= float(text) <= bar.get_xlim()[1]]
    assert len(set(inside)) == 4
    boxes = [label.get_window_extent() for label in bar.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_labels_do_not_cover_each_other_nor_dots() -> None:
    places = np.random.default_rng(0).uniform(0, 250, (30, 2))
    sizes = np.full((30, 2), (10.0, 9.0))
    chosen = offsets(places, sizes, np.array([[-30.0, -30.0], [280.0, 280.0]]))
    boxes = [(*(place + offset - 4.5), *(place + offset + 4.5)) for place, offset in zip(places, chosen, strict=True)]
    dots = [(*(place - 3), *(place + 3)) for place in places]
    taken = boxes + dots
    overlaps = [common_area(box, other) > 0 for box in boxes for other in taken if other is not box]
    assert sum(overlaps) == 0


def common_area(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    sides = [min(first[2 + axis], second[2 + axis]) - max(first[axis], second[axis]) for axis in (0, 1)]
    return max(sides[0], 0.0) * max(sides[1], 0.0)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_lines_from_a_crowd_of_dots_to_their_labels_pass_by_other_labels_and_each_other(seed: int) -> None:
    places = np.random.default_rng(seed).normal(100, 15, (12, 2))
    chosen = offsets(places, np.full((12, 2), (10.0, 9.0)), np.array([[0.0, 0.0], [200.0, 200.0]]))
    ends = places + chosen
    for number, (place, end) in enumerate(zip(places, ends, strict=True)):
        on_the_line = place + np.linspace(0, 1, 201)[:, np.newaxis] * (end - place)
        others = np.delete(ends, number, axis=0)
        gaps = np.linalg.norm(on_the_line[:, np.newaxis] - others, axis=2)
        assert gaps.min() > 4, number
    lines = [np.array([place, end]) for place, end in zip(places, ends, strict=True)]
    crossings = [cross(first, second) for first, second in itertools.combinations(lines, 2)]
    assert sum(crossings) == 0


def cross(first: np.ndarray, second: np.ndarray) -> bool:
    """Solves for the point that both lines have in common."""
    directions = np.stack([first[1] - first[0], second[0] - second[1]], axis=1)
    if abs(np.linalg.det(directions)) < 1e-9:  # parallel
        return False
    shares = np.linalg.solve(directions, second[0] - first[0])
    return bool(((shares > 0) & (shares < 1)).all())


def test_a_missing_score_leaves_the_method_out() -> None:
    nothing = score("test_accuracy", None, None, reason="none")
    assert not tradeoff.tradeoff(
        [replace(made("mine"), scores=made("mine").scores | {"test_accuracy": nothing})]
    ).methods
