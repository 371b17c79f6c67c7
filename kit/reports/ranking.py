"""Methods in the order of their distance to retraining; what noise and overtime make of a place is marked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from kit import scorers
from kit.reports import budget, records
from kit.rules import LANDMARKS, SIGNIFICANCE
from kit.types import Report, Score

# Whose order is told, too, where it is another one.
COMPETITION = "competition_score"


@dataclass(frozen=True)
class Rank:
    """One method's place.

    Args:
        place: 1 for the best; None where the criterion could not be computed.
        method: with its training in brackets, where that is a method's own.
        score: by which it is ranked.
        near_best: after Holm's correction it is not told from the best.
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

    Of those that a scorer gives a rank, the first that is there for any method: the distance to retraining. Reports of
    earlier versions have none; then of populations the 2023 competition's score, of single models the mean distance of
    their accuracies and the attack's.
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

    Raises:
        InputError: reports of several score versions.
    """
    records.require_one_version(reports)
    name = by or criterion(reports)
    ranked = [report for report in reports if report.method not in LANDMARKS]
    ranked.sort(key=lambda report: _badness(report.score(name)))
    scores = [report.score(name) for report in ranked]
    told_apart = _told_apart(scores)
    return [
        Rank(
            place=None if score.value is None else place,
            method=title(report),
            score=score,
            near_best=place > 1 and score.value is not None and not told_apart[0, place - 1],
            over_budget=budget.is_over(report),
            report=report,
        )
        for place, (report, score) in enumerate(zip(ranked, scores, strict=True), start=1)
    ]


def nearer_than(reports: Sequence[Report], baseline: str, by: str | None = None) -> frozenset[str]:
    """Returns which methods are nearer to retraining than a baseline, and told from it after Holm's correction.

    Args:
        reports: rows of one challenge.
        baseline: a method among them.
        by: a score's name; by default `criterion(reports)`.

    Returns:
        Titles as in `Rank.method`; none where the baseline is not among the reports or has no score.
    """
    ranked = rank(reports, by)
    place = next((number for number, entry in enumerate(ranked) if entry.method == baseline), 0)
    told_apart = _told_apart([entry.score for entry in ranked])
    return frozenset(entry.method for number, entry in enumerate(ranked[:place]) if told_apart[number, place])


def holm(probabilities: Sequence[float], significance: float = SIGNIFICANCE) -> list[bool]:
    """Returns which of several hypotheses are rejected, so that any true one is with this probability at most.

    Args:
        probabilities: of what was observed, or more of it, under each hypothesis ("p values").
        significance: the probability of any false rejection, however many hypotheses are true.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979.

    Example:
        >>> holm([0.001, 0.03, 0.02])  # 0.02 is held against 0.05 / 2, then 0.03 against 0.05
        [True, True, True]
        >>> holm([0.001, 0.03, 0.026])
        [True, False, False]
    """
    rejected = [False] * len(probabilities)
    for number, index in enumerate(sorted(range(len(probabilities)), key=lambda index: probabilities[index])):
        if probabilities[index] > significance / (len(probabilities) - number):
            break
        rejected[index] = True
    return rejected


def other_order(reports: Sequence[Report]) -> str:
    """Returns a sentence where the 2023 competition's score orders the methods otherwise; else an empty text."""
    ours = rank(reports)
    theirs = rank([entry.report for entry in ours], COMPETITION)  # of equal ones our order is kept
    placed = [{entry.method for entry in ranks if entry.place is not None} for ranks in (ours, theirs)]
    both = [[entry.method for entry in ranks if entry.method in placed[0] & placed[1]] for ranks in (ours, theirs)]
    if both[0] == both[1]:
        return ""
    return (
        "By the 2023 competition's score, which rewards spread and can be bought with noise, the order is another one: "
        f"{', '.join(both[1])}."
    )


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


def _told_apart(scores: Sequence[Score]) -> dict[tuple[int, int], bool]:
    """Returns which pairs differ. All pairs are counted: which method is the best is known from the scores only."""
    pairs = list(itertools.combinations(range(len(scores)), 2))
    differ = holm([_difference(scores[first], scores[second]) for first, second in pairs])
    return dict(zip(pairs, differ, strict=True))


def _difference(score: Score, other: Score) -> float:
    """Two-sided probability of so large a difference between two independent normal scores that are the same.

    Where a score has no error, a difference cannot be laid to noise.
    """
    if score.value is None or other.value is None or score.stderr is None or other.stderr is None:
        return 0.0
    stderr, difference = math.hypot(score.stderr, other.stderr), abs(score.value - other.value)
    if stderr == 0:
        return float(difference == 0)
    return math.erfc(difference / stderr / math.sqrt(2))
