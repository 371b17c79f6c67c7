"""Methods in the order of their distance to retraining, noise and overtime marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kit.rules import LANDMARKS, NOISE, TIME_BUDGET
from kit.types import Report, Score

# Of a population the 2023 competition's; of a single model the mean distance of its accuracies and the attack's.
_CRITERIA = ("competition_score", "average_gap", "tug_of_war")


@dataclass(frozen=True)
class Rank:
    """One method's place.

    Args:
        place: 1 for the best; None where the criterion could not be computed.
        method: with its training in brackets, where that is a method's own.
        score: by which it is ranked.
        near_best: the difference to the best is inside the noise.
        over_budget: it took more than the share of a retraining that the competition allowed.
        report: all about it.
    """

    place: int | None
    method: str
    score: Score
    near_best: bool
    over_budget: bool
    report: Report


def criterion(reports: Sequence[Report]) -> str:
    """Returns the name of the score that the methods are ranked by: the first one that is there for any of them."""
    ranked = [report for report in reports if report.method not in LANDMARKS]
    for name in _CRITERIA:
        if any(name in report.scores and report.scores[name].value is not None for report in ranked):
            return name
    return _CRITERIA[-1]


def rank(reports: Sequence[Report]) -> list[Rank]:
    """Returns the methods, `original` and `retrain` left out, the nearest to retraining first.

    Scores of the direction `match_retrain` are ranked by their distance to the target, the others by their direction.
    """
    name = criterion(reports)
    ranked = [report for report in reports if report.method not in LANDMARKS]
    ranked.sort(key=lambda report: _badness(report.scores[name]))
    best = ranked[0].scores[name] if ranked else None
    found = []
    for place, report in enumerate(ranked, start=1):
        score, ratio = report.scores[name], report.scores["time_ratio"].value
        found.append(
            Rank(
                place=None if score.value is None else place,
                method=title(report),
                score=score,
                near_best=place > 1 and best is not None and _inside_noise(score, best),
                over_budget=ratio is not None and ratio > TIME_BUDGET,
                report=report,
            )
        )
    return found


def title(report: Report) -> str:
    """Returns what to call a row: a landmark of a method's own training with that method's name behind it."""
    own = report.pretraining and report.method in LANDMARKS
    return f"{report.method} ({report.pretraining})" if own else report.method


def _badness(score: Score) -> float:
    if score.value is None:
        return float("inf")
    if score.direction == "match_retrain" and score.target is not None:
        return abs(score.value - score.target)
    return -score.value if score.direction == "up" else abs(score.value)


def _inside_noise(score: Score, best: Score) -> bool:
    """Whether two scores differ by less than two standard errors of their difference, the two being independent."""
    if score.value is None or best.value is None or score.stderr is None or best.stderr is None:
        return False
    return abs(score.value - best.value) < NOISE * float((score.stderr**2 + best.stderr**2) ** 0.5)
