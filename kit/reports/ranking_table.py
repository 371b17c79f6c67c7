"""The ranking for people: one row a method, nearest to retraining first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kit.reports import ranking
from kit.rules import TIME_BUDGET
from kit.types import Report, Score

_FEWEST = 2
# Places are told apart in the fourth digit, whatever the score has in a table: the best of 2023 had 0.0937.
_DIGITS = 4


def print_ranking(reports: Sequence[Report], console: Console | None = None) -> None:
    """Prints the methods in their order, where there are two or more; marks are explained below the table."""
    ranks = ranking.rank(reports)
    if len(ranks) < _FEWEST:
        return
    name = ranking.criterion(reports)
    console = console or Console(highlight=False)
    console.print(Text.assemble("\n", ("Ranking", "bold"), f" by {name.replace('_', ' ')}"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("place", justify="right")
    table.add_column("method")
    table.add_column(Text(name.replace("_", " ")), justify="right")
    table.add_column("time ratio", justify="right")
    for rank in ranks:
        ratio = rank.report.score("time_ratio").value
        table.add_row(
            "-" if rank.place is None else f"{rank.place}{'~' if rank.near_best else ' '}",
            Text(rank.method),
            _cell(rank.score),
            "-" if ratio is None else f"{ratio:.2f}{'!' if rank.over_budget else ' '}",
        )
    console.print(table)
    if any(rank.near_best for rank in ranks):
        console.print("  ~ not told from the best: the difference is inside the noise", markup=False)
    if any(rank.over_budget for rank in ranks):
        console.print(f"  ! over the time budget of {TIME_BUDGET} of a retraining", markup=False)


def _cell(score: Score) -> str:
    if score.value is None:
        return "-"
    error = "" if score.stderr is None else f" ±{score.stderr:.{_DIGITS}f}"
    return f"{score.value:.{_DIGITS}f}{error}"
