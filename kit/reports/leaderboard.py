"""Methods of many runs in one ranking: only what can be compared, equal scores sharing a place.

Decisions:

- What was compared with other retrained models is refused, not set apart: a table of two problems invites to compare
  them. So are other numbers of models, on which the competition's score depends.
- The same report, of a command that was given twice, is one row. A method that was run twice with two results has two:
  to keep the better one would reward luck.
- Places are shared by scores that look the same, to the digits that are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit.reports import ranking
from kit.rules import LANDMARKS, SCORE_VERSION
from kit.storage.digests import digest_of
from kit.types import InputError, Report, Score
from kit.types.frames import frame

if TYPE_CHECKING:
    import pandas as pd

# Places are told apart in the fourth digit, as in the ranking of one run.
DIGITS = 4


@dataclass(frozen=True)
class Row:
    """One line of a leaderboard.

    Args:
        place: from 1; equal scores share one, and the next place is as far below as if they did not. None without a
            score, and for `original` and `retrain`.
        method: with its training in brackets, where that is a method's own.
        results: where the report lies; empty where that is not known.
        near_best: after Holm's correction it is not told from the best.
        over_budget: it took more than the share of a retraining that the competition allowed.
        report: all about it.
    """

    place: int | None
    method: str
    results: str
    near_best: bool
    over_budget: bool
    report: Report


@dataclass(frozen=True)
class Leaderboard:
    """Methods that were run on one problem, and the two rows between which they lie.

    Args:
        criterion: name of the score that they are ranked by.
        rows: the nearest to retraining first.
        landmarks: `original` and `retrain`, of one of the runs.
    """

    criterion: str
    rows: tuple[Row, ...]
    landmarks: tuple[Row, ...]

    @property
    def report(self) -> Report:
        """One of the reports: what all have in common can be read from it."""
        return self.rows[0].report

    @property
    def title(self) -> str:
        """Challenge, forget set, number of models and score version, which are those of all rows."""
        report = self.report
        seed = f" (split seed {report.split_seed})" if report.split_drawn else ""
        most = max(row.report.num_models for row in self.rows)
        models = "one model" if most == 1 else f"{most} models"
        return (
            f"{printable(report.challenge)}, forget set {printable(report.split)}{seed}, {models} of each, "
            f"score version {report.score_version}"
        )

    def records(self) -> list[dict[str, Any]]:
        """Returns the methods as plain rows, column -> value: what the CSV file and the DataFrame hold."""
        return [_record(row, self.criterion, self._others) for row in self.rows]

    def frame(self) -> pd.DataFrame:
        """Returns `records()` as a pandas DataFrame.

        Raises:
            InputError: pandas is not installed.
        """
        numbers = [self.criterion, "stderr", "low", "high", *self._others]
        return frame(self.records(), numbers=numbers).astype({"place": "Int64"})

    @property
    def _others(self) -> list[str]:
        names = dict.fromkeys(name for row in self.rows for name in row.report.scores)
        return [name for name in names if name != self.criterion]


def leaderboard(reports: Sequence[Report]) -> pd.DataFrame:
    """Returns a pandas DataFrame with the methods of one or many runs, the nearest to retraining first.

    Args:
        reports: of one problem, e.g. `kit.evaluate_all(...).reports` or `kit.report.read_json(path).reports`. Rows
            `original` and `retrain` are left out.

    Returns:
        Columns `place`, `method`, the score that is ranked by with `stderr`, `low` and `high` (95 % confidence),
        `near_best` and `over_budget`, all other scores, and what the rows have in common. Equal scores share a place.

    Raises:
        InputError: the reports are of several problems, numbers of models or score versions; there is no method among
            them; pandas is not installed.
    """
    board = of_reports(reports, [""] * len(reports), advice="Leave the others out.")
    return board.frame().drop(columns="results")


def of_reports(reports: Sequence[Report], results: Sequence[str], *, advice: str) -> Leaderboard:
    """Returns the leaderboard of reports.

    Args:
        reports: of one problem, older ones first.
        results: for each, where it lies.
        advice: what to do about reports of several problems, a sentence.

    Raises:
        InputError: they are of several problems, or of a newer version; or none is of a method.
    """
    pairs = _different(reports, results)
    methods = [pair for pair in pairs if pair[0].method not in LANDMARKS]
    if not methods:
        raise InputError(
            f"There {'are' if reports else 'is'} {'no method in these reports' if reports else 'no report'}. Expected "
            "the reports of at least one method beside 'original' and 'retrain'. Run one, with 'kit run METHOD'."
        )
    _require_known_version(pairs)
    _require_one_problem(pairs, methods, advice)
    where = {id(report): place for report, place in pairs}
    ranks = ranking.rank([report for report, _ in methods])
    keys = [_key(rank.score) for rank in ranks]
    rows = tuple(
        Row(
            place=None if rank.place is None else keys.index(key) + 1,
            method=printable(rank.method),
            results=printable(where[id(rank.report)]),
            near_best=rank.near_best,
            over_budget=rank.over_budget,
            report=rank.report,
        )
        for rank, key in zip(ranks, keys, strict=True)
    )
    return Leaderboard(ranking.criterion([report for report, _ in methods]), rows, _landmarks(pairs))


def printable(text: str) -> str:
    """Returns a text in which nothing moves a terminal's cursor: names come from files that strangers wrote.

    Example:
        >>> printable("mine\\x1b[2J")
        'mine?[2J'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def _different(reports: Sequence[Report], results: Sequence[str]) -> list[tuple[Report, str]]:
    """Returns reports with where they lie, of equal ones the last."""
    pairs: list[tuple[Report, str]] = []
    for pair in zip(reversed(reports), reversed(results), strict=True):
        if all(pair[0] != report for report, _ in pairs):
            pairs.append(pair)
    return pairs[::-1]


def _landmarks(pairs: Sequence[tuple[Report, str]]) -> tuple[Row, ...]:
    """Returns a row for each landmark of each training, that of the most models."""
    chosen: dict[tuple[str, str], tuple[Report, str]] = {}
    for report, place in sorted(pairs, key=lambda pair: -pair[0].num_models):
        if report.method in LANDMARKS:
            chosen.setdefault((report.pretraining, report.method), (report, place))
    return tuple(
        Row(None, printable(ranking.title(report)), printable(place), False, False, report)
        for _, (report, place) in sorted(chosen.items())
    )


def _key(score: Score) -> float | None:
    """Returns by what places are shared."""
    if score.value is None:
        return None
    is_distance = score.direction == "match_retrain" and score.target is not None
    return round(abs(score.value - (score.target or 0.0)) if is_distance else score.value, DIGITS)


def _require_known_version(pairs: Sequence[tuple[Report, str]]) -> None:
    known = [int(part) for part in SCORE_VERSION.split(".")]
    for report, place in pairs:
        parts = report.score_version.split(".")
        if not all(map(str.isdecimal, parts)) or [int(part) for part in parts] > known:
            raise InputError(
                f"The report of '{printable(report.method)}'{_in(place)} has the score version "
                f"'{printable(report.score_version)}'. Expected {SCORE_VERSION} or an earlier one, which is what this "
                "kit can rank. Install the kit that wrote it, or a newer one."
            )


# What all rows must have in common, the most telling first: its name, and what it is in a report.
_COMMON: Mapping[str, Callable[[Report], str]] = {
    "score version": lambda report: report.score_version,
    "challenge": lambda report: report.challenge,
    "forget set": lambda report: (
        f"{report.split} (split seed {report.split_seed})" if report.split_drawn else report.split
    ),
    "rows of the forget set": lambda report: report.split_sha256[:12],
    "data": lambda report: report.data_sha256[:12],
    "recipe": lambda report: digest_of(report.recipe)[:12],
}


def _require_one_problem(
    pairs: Sequence[tuple[Report, str]], methods: Sequence[tuple[Report, str]], advice: str
) -> None:
    for name, of in _COMMON.items():
        _require_one(name, pairs, of, advice)
    # A method that draws nothing has one model an original, where others have as many as there were runs.
    most = {report.num_originals: 0 for report, _ in methods}
    for report, _ in methods:
        most[report.num_originals] = max(most[report.num_originals], report.num_models)

    def models(report: Report) -> str:
        one_each = report.num_models == report.num_originals > 1
        return str(most[report.num_originals] if one_each else report.num_models)

    _require_one("number of models", methods, models, advice)
    for training in dict.fromkeys(report.pretraining for report, _ in pairs):
        of_training = [pair for pair in pairs if pair[0].pretraining == training]
        _require_one("model", of_training, lambda report: report.model, advice)
        _require_one("original model", of_training, lambda report: report.weights_sha256[:12], advice)


def _require_one(name: str, pairs: Sequence[tuple[Report, str]], of: Callable[[Report], str], advice: str) -> None:
    values: dict[str, list[tuple[Report, str]]] = {}
    for report, place in pairs:
        values.setdefault(of(report), []).append((report, place))
    if len(values) > 1:
        parts = [
            f"{printable(value)} ({len(those)} report{'s' * (len(those) > 1)}, such as "
            f"'{printable(those[0][0].method)}'{_in(those[0][1])})"
            for value, those in values.items()
        ]
        raise InputError(
            f"The reports differ in their {name}: {'; '.join(parts[:3])}{'; ...' * (len(parts) > 3)}. Expected reports "
            f"that agree in it, because only their scores can be compared. {advice}"
        )


def _in(place: str) -> str:
    return f" in '{printable(place)}'" if place else ""


def _record(row: Row, criterion: str, others: Sequence[str]) -> dict[str, Any]:
    report = row.report
    score = report.score(criterion)
    low, high = score.bounds or (None, None)
    return {
        "place": row.place,
        "method": row.method,
        criterion: score.value,
        "stderr": score.stderr,
        "low": low,
        "high": high,
        "near_best": row.near_best,
        "over_budget": row.over_budget,
        **{name: report.score(name).value for name in others},
        "num_models": report.num_models,
        "num_retrained": report.num_retrained,
        "seed": report.seed,
        "containment": report.containment,
        "challenge": report.challenge,
        "split": report.split,
        "split_seed": report.split_seed,
        "score_version": report.score_version,
        "results": row.results,
    }
