"""The tables of a page: columns, and lines whose cells are text, a number to sort by, and an interval to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kit.reports import budget, ranking
from kit.reports.table import score_infos
from kit.reports.tradeoff import interval
from kit.rules import LANDMARKS
from kit.types import Report, Score, ScoreInfo

_GAP = "mia_gap"
# Besides the criterion and the cost: what a screen has room for, in this order; all other scores have a table below.
_MAIN = ("forgetting_score_normalised", _GAP, "retain_accuracy", "forget_accuracy", "test_accuracy")
_RANKED_DIGITS = 4


@dataclass(frozen=True)
class Column:
    """A score as a column.

    Args:
        info: all about the score.
        digits: after the decimal point.
        limits: of the drawing of its intervals, which begins and ends with the widest of them; None not to draw any.
        ranked: methods are ranked by it.
    """

    info: ScoreInfo
    digits: int
    limits: tuple[float, float] | None
    ranked: bool


@dataclass(frozen=True)
class Interval:
    """Where an interval, its value and the target lie in the drawing, in percent of its width."""

    low: float
    value: float
    high: float
    target: float | None


@dataclass(frozen=True)
class Cell:
    """A score in a line.

    Args:
        text: for people.
        value: to sort by; None for the end.
        reason: why there is no value.
        interval: to be drawn; None for none.
    """

    text: str
    value: float | None
    reason: str
    interval: Interval | None


@dataclass(frozen=True)
class Line:
    """A row: its place, marks and cells.

    Args:
        place: 1 for the best; None for a landmark, and where the criterion could not be computed.
        name: of the method, with its training behind a landmark of it.
        near_best: inside the noise of the best.
        over_budget: it took more than the rules allow.
        cells: in the order of the columns.
    """

    place: int | None
    name: str
    near_best: bool
    over_budget: bool
    cells: tuple[Cell, ...]


def columns(reports: Sequence[Report]) -> tuple[list[Column], list[Column]]:
    """Returns the columns of the ranked table, the criterion first, and those of all other scores."""
    criterion = ranking.criterion(reports)
    infos = [
        info
        for info in score_infos(reports)
        if info.name == criterion or any(report.score(info.name).value is not None for report in reports)
    ]
    costs = sorted({budget.ratio(report).name for report in reports})
    order = dict.fromkeys([criterion, *_MAIN, *costs])
    main = [info for name in order for info in infos if info.name == name]
    others = [info for info in infos if info not in main]
    return [_column(info, reports, criterion) for info in main], [_column(info, reports, criterion) for info in others]


def _column(info: ScoreInfo, reports: Sequence[Report], criterion: str) -> Column:
    drawn = info.name in (criterion, _GAP)
    ends = [value for report in reports for value in _ends(report.score(info.name))] if drawn else []
    limits = (min(ends), max(ends)) if ends and max(ends) > min(ends) else None
    ranked = info.name == criterion
    return Column(info, max(info.digits, _RANKED_DIGITS) if ranked else info.digits, limits, ranked)


def _ends(score: Score) -> list[float]:
    """Returns all that has to find room in a drawing."""
    if score.value is None:
        return []
    return [score.value, *(interval(score) or ()), *([] if score.target is None else [score.target])]


def lines(reports: Sequence[Report], shown: Sequence[Column]) -> tuple[list[Line], list[Line]]:
    """Returns the lines of the methods, the best first, and those of the landmarks."""
    methods = [
        Line(rank.place, rank.method, rank.near_best, rank.over_budget, _cells(rank.report, shown))
        for rank in ranking.rank(reports)
    ]
    landmarks = [report for report in reports if report.method in LANDMARKS]
    return methods, [Line(None, ranking.title(report), False, False, _cells(report, shown)) for report in landmarks]


def _cells(report: Report, shown: Sequence[Column]) -> tuple[Cell, ...]:
    return tuple(_cell(report.score(column.info.name), column) for column in shown)


def _cell(score: Score, column: Column) -> Cell:
    if score.value is None:
        return Cell("-", None, score.reason, None)
    sign, stderr = "+" if column.info.signed else "", score.stderr if score.gap_stderr is None else score.gap_stderr
    error = "" if stderr is None else f" ±{stderr:.{column.digits}f}"
    return Cell(f"{score.value:{sign}.{column.digits}f}{error}", score.value, "", _interval(score, column.limits))


def _interval(score: Score, limits: tuple[float, float] | None) -> Interval | None:
    ends = interval(score)
    if ends is None or limits is None or score.value is None:
        return None
    low, high = limits

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 1)

    target = None if score.target is None else place(score.target)
    return Interval(place(ends[0]), place(score.value), place(ends[1]), target)
