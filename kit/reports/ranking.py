"""Methods in the order of their distance to retraining, noise and overtime marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kit import scorers
from kit.reports import budget
from kit.rules import LANDMARKS, NOISE
from kit.types import Report, Score


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
    """Returns the name of the score that the methods are ranked by.

    Of those that a scorer gives a rank, the first that is there for any method: of populations the 2023 competition's,
    of single models the mean distance of their accuracies and the attack's.
    """
    ranked = [report for report in reports if report.method not in LANDMARKS]
    ranks = {info.name: info.rank for info in scorers.infos() if info.rank is not None}
    names = sorted(ranks, key=lambda name: ranks[name])
    computed = (name for name in names if any(report.score(name).value is not None for report in ranked))
    return next(computed, names[-1])


def rank(reports: Sequence[Report], by: str | None = None) -> list[Rank]:
    """Returns the methods, `original` and `retrain` left out, the nearest to retraining first.

    Scores of the direction `match_retrain` are ranked by their distance to the target, the others by their direction.

    Args:
        reports: rows of one challenge.
        by: a score's name; by default `criterion(reports)`.
    """
    name = by or criterion(reports)
    ranked = [report for report in reports if report.method not in LANDMARKS]
    ranked.sort(key=lambda report: _badness(report.score(name)))
    best = ranked[0].score(name) if ranked else None
    ranks = []
    for place, report in enumerate(ranked, start=1):
        score = report.score(name)
        ranks.append(
            Rank(
                place=None if score.value is None else place,
                method=title(report),
                score=score,
                near_best=place > 1 and best is not None and _inside_noise(score, best),
                over_budget=budget.is_over(report),
                report=report,
            )
        )
    return ranks


def title(report: Report) -> str:
    """Returns what to call a row: a landmark of a method's own training with that method's name behind it."""
    is_landmark_of_a_method = report.pretraining and report.method in LANDMARKS
    return f"{report.method} ({report.pretraining})" if is_landmark_of_a_method else report.method


def _badness(score: Score) -> float:
    if score.value is None:
        return float("inf")
    if score.direction == "match_retrain" and score.target is not None:
        return abs(score.value - score.target)
    return -score.value if score.direction == "up" else score.value


def _inside_noise(score: Score, best: Score) -> bool:
    """Whether two scores differ by less than two standard errors of their difference, the two being independent."""
    if score.value is None or best.value is None or score.stderr is None or best.stderr is None:
        return False
    return abs(score.value - best.value) < NOISE * float((score.stderr**2 + best.stderr**2) ** 0.5)
