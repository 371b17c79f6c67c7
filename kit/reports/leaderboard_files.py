"""A leaderboard as a table for a terminal, a page, Markdown and CSV. Names are text everywhere, whatever is in them."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kit.reports import budget, ranking
from kit.reports.leaderboard import DIGITS, Leaderboard, Row, printable
from kit.rules import TIME_BUDGET

TEMPLATES = Path(__file__).parent / "templates"
_INTERVAL = "95 % interval"
# From how many characters on a terminal shows how many columns: without place, method and score there is no ranking.
_COLUMNS = ((140, 10), (100, 9), (60, 4), (0, 3))
_NEAR_BEST = "~ not significantly worse than the best (Holm's correction for all pairs)"
_OVER = f"! over the time budget of {TIME_BUDGET} of a retraining"
# With which a cell begins that a spreadsheet would compute.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Cells:
    """What is shown of a row, as texts."""

    place: str
    method: str
    score: str
    interval: str
    gap: str
    accuracies: tuple[str, ...]
    ratio: str
    results: str

    @staticmethod
    def of(row: Row, criterion: str) -> Cells:
        """Returns the cells of a row; a dash where a number is not known."""
        report, score = row.report, row.report.score(criterion)
        gap, ratio, bounds = report.score("mia_gap"), budget.ratio(report).value, score.bounds
        place = "" if row.place is None else f"{row.place}{'~' if row.near_best else ''}"
        return Cells(
            place,
            row.method,
            _number(score.value, f".{DIGITS}f"),
            "-" if bounds is None else f"{bounds[0]:.{DIGITS}f} to {bounds[1]:.{DIGITS}f}",
            _number(gap.value, "+.3f") + ("" if gap.stderr is None else f" ±{gap.stderr:.3f}"),
            tuple(_number(report.score(f"{part}_accuracy").value, ".3f") for part in ("retain", "forget", "test")),
            _number(ratio, ".2f") + ("!" if row.over_budget else ""),
            row.results,
        )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def headings(board: Leaderboard) -> tuple[str, ...]:
    """Returns what stands above the cells, in their order."""
    of_kit = any(budget.ratio(row.report).name == budget.PASSES for row in board.rows)
    ratio = "passes ratio" if of_kit else "time ratio"
    score = board.criterion.replace("_", " ")
    return ("place", "method", score, _INTERVAL, "AUC gap", "retain", "forget", "test", ratio, "results")


def notes(board: Leaderboard) -> list[str]:
    """Returns what the marks mean, of those that are there, and what equal places mean."""
    lines = [_NEAR_BEST] if any(row.near_best for row in board.rows) else []
    lines += [_OVER] if any(row.over_budget for row in board.rows) else []
    other_order = printable(ranking.other_order([row.report for row in board.rows]))
    lines += [other_order] if other_order else []
    return [*lines, "Equal scores share a place. Retain, forget, test are accuracies; forget should match retrain's."]


def _flat(cells: Cells) -> tuple[str, ...]:
    others = (*cells.accuracies, cells.ratio, cells.results)
    return (cells.place, cells.method, cells.score, cells.interval, cells.gap, *others)


def print_leaderboard(board: Leaderboard, console: Console) -> None:
    """Prints the table, methods first, then `original` and `retrain`; narrow terminals show the first columns alone."""
    names = headings(board)
    count = next(count for width, count in _COLUMNS if console.width >= width)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name in names[:count]:
        is_text, whole = name in ("method", "results"), name == _INTERVAL
        table.add_column(Text(name), justify="left" if is_text else "right", overflow="fold", no_wrap=whole)
    for rows, style in ((board.rows, ""), (board.landmarks, "dim")):
        for row in rows:
            cells = _flat(Cells.of(row, board.criterion))
            table.add_row(*(Text(cell) for cell in cells[:count]), style=style)
    console.print(Text.assemble("\n", (board.title, "bold")))
    console.print(table)
    for note in notes(board):
        console.print(f"  {note}", style="dim", markup=False)


def to_markdown(board: Leaderboard) -> str:
    """Returns a table for a README or an issue."""
    lines = [f"**{_escaped(board.title)}**", ""]
    lines += [_line(headings(board)), "|" + "---|" * len(headings(board))]
    for row in (*board.rows, *board.landmarks):
        cells = Cells.of(row, board.criterion)
        lines.append(_line([_escaped(cell) for cell in _flat(cells)]))
    return "\n".join([*lines, "", ". ".join(_escaped(note) for note in notes(board)) + ".", ""])


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escaped(text: str) -> str:
    """Returns a text that Markdown shows as it is: names may hold what makes cells, links, emphasis or HTML."""
    escaped = html.escape(text, quote=False)
    for character in "\\`*_[]|~!":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def to_csv(board: Leaderboard) -> str:
    """Returns a file for spreadsheets and data frames: every score of each method, and what all have in common."""
    stream, records = io.StringIO(), board.records()
    writer = csv.DictWriter(stream, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _harmless(value) for name, value in record.items()} for record in records])
    return stream.getvalue()


def _harmless(value: object) -> object:
    """Returns a text that no spreadsheet takes for a formula, by an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def to_html(board: Leaderboard) -> str:
    """Returns one page that needs nothing else: no script, no other file, no network."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    rows = [(row, Cells.of(row, board.criterion), _span(board, row)) for row in (*board.rows, *board.landmarks)]
    template = environment.get_template("leaderboard.html")
    return template.render(title=board.title, headings=headings(board), rows=rows, notes=notes(board))


@dataclass(frozen=True)
class Span:
    """Where a score and its interval lie in their column, from 0 (left) to 100."""

    low: float
    value: float
    high: float


def _span(board: Leaderboard, row: Row) -> Span | None:
    """Returns where to draw a row's interval, on the axis of all rows; None where there is nothing to draw."""
    scores = [shown.report.score(board.criterion) for shown in (*board.rows, *board.landmarks)]
    ends = [end for score in scores for end in (*(score.bounds or ()), score.value) if end is not None]
    score = row.report.score(board.criterion)
    if score.value is None:
        return None
    least, width = min(ends), (max(ends) - min(ends)) or 1.0
    low, high = score.bounds or (score.value, score.value)
    return Span(*(round(100 * (end - least) / width, 2) for end in (low, score.value, high)))
