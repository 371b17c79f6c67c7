"""Reports of other versions of the kit, which hold a score more or a score less, are shown like any other."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from test_records import STORED

from kit import scorers
from kit.reports import markdown, ranking, ranking_table, records, table, words
from kit.types import InputError, Report, Score, ScoreInfo

UNKNOWN = Score("agreement_of_the_future", 7.8125, 0.0625, "up", interval=(0.7, 0.9))


def with_one_more(reports: Sequence[Report]) -> tuple[Report, ...]:
    return tuple(replace(report, scores={**report.scores, UNKNOWN.name: UNKNOWN}) for report in reports)


def with_one_less(reports: Sequence[Report], name: str, rows: slice = slice(None)) -> tuple[Report, ...]:
    changed = list(reports)
    for number in range(*rows.indices(len(changed))):
        scores = {key: score for key, score in reports[number].scores.items() if key != name}
        changed[number] = replace(reports[number], scores=scores)
    return tuple(changed)


def shown(reports: Sequence[Report], width: int = 120) -> str:
    """All that is made of reports, which come from JSON here: table, ranking, sentences, Markdown."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    again = records.from_json(json.loads(json.dumps(records.to_json(reports)))).reports
    assert again == tuple(reports)
    table.print_table(again, console, explain=True)
    ranking_table.print_ranking(again, console)
    return stream.getvalue() + "\n".join([*words.meaning(again), markdown.methods_table(again)])


@pytest.mark.parametrize("width", [80, pytest.param(120, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_score_more_stands_under_its_own_name(path: Path, width: int) -> None:
    reports = records.read_json(path).reports
    text = shown(with_one_more(reports), width)
    lines = text.splitlines()
    assert text.count("7.812") == len(reports)  # rounded to the even digit
    title = lines.index("other scores")
    heading = [" ".join(line.split()) for line in lines[title + 1 : title + 3]]
    assert "agreement of" in heading[0]
    assert heading[1].endswith("the future")
    assert "agreement of the future: of another version of the kit" in text
    assert set(shown(reports, width).split()) <= set(text.split())  # but for the widths of columns beside it


@functools.cache
def two_rows(path: Path) -> tuple[tuple[Report, ...], str]:
    """The first and the last report of a file, and all that is made of them."""
    reports = records.read_json(path).reports
    rows = (reports[0], reports[-1])
    return rows, shown(rows)


@pytest.mark.parametrize("name", scorers.names())
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_score_less_is_not_missed(path: Path, name: str) -> None:
    rows, text = two_rows(path)
    title = next(info.title for info in scorers.infos() if info.name == name)
    assert f"  {title}: " not in shown(with_one_less(rows, name))
    if path == STORED[0]:
        partial = shown(with_one_less(rows, name, slice(0, 1)))  # the other row still has it
        assert (f"  {title}: " in partial) == (f"  {title}: " in text)


def test_rows_without_the_score_of_the_ranking_come_last() -> None:
    reports = records.read_json(STORED[0]).reports
    name = ranking.criterion(reports)
    best = ranking.rank(reports)[0]
    without = tuple(with_one_less([report], name)[0] if report is best.report else report for report in reports)
    ranks = ranking.rank(without)
    assert (ranks[-1].place, ranks[-1].method) == (None, best.method)
    assert ranking.criterion(with_one_less(reports, name)) != name


def test_a_report_without_any_score_is_shown() -> None:
    (first, *_) = records.read_json(STORED[0]).reports
    text = shown([replace(first, scores={}, method="mine")])
    assert "mine: no attack is possible here, because the report does not hold it." in text


def test_a_heading_is_made_from_the_name_where_none_is_declared() -> None:
    info = ScoreInfo("share_of_examples_known", "up", "how many are known")
    assert info.lines == "share of\nexamples\nknown"
    assert info.title == "share of examples known"


@pytest.mark.parametrize(
    ("name", "direction", "where"), [("a", "left", "runs"), ("a", "up", "nowhere"), ("a-b", "up", "runs")]
)
def test_a_score_that_is_declared_wrongly_is_refused(name: str, direction: str, where: str) -> None:
    with pytest.raises(InputError, match=r"was declared with .* Expected .* Correct the ScoreInfo"):
        ScoreInfo(name, direction, "", table=where)  # type: ignore[arg-type]
