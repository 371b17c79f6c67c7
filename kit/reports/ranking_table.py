"""The ranking for people: one row a method, nearest to retraining first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kit.reports import budget, ranking
from kit.rules import SIGNIFICANCE, TIME_BUDGET
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
    ratios = [
        ratio for ratio in (budget.TIME, budget.PASSES) if any(budget.ratio(r.report).name == ratio for r in ranks)
    ]
    for ratio in ratios:
        table.add_column(ratio.replace("_", " "), justify="right")
    for rank in ranks:
        table.add_row(
            "-" if rank.place is None else f"{rank.place}{'~' if rank.near_best else ' '}",
            Text(rank.method),
            _cell(rank.score),
            *(_ratio(rank, ratio) for ratio in ratios),
        )
    console.print(table)
    if any(rank.near_best for rank in ranks):
        console.print(
            f"  ~ not significantly worse than the best ({SIGNIFICANCE:.0%}, Holm's correction, "
            f"pairs: {math.comb(len(ranks), 2)})",
            markup=False,
        )
    if any(rank.over_budget for rank in ranks):
        console.print(f"  ! over the time budget of {TIME_BUDGET} of a retraining", markup=False)
    if other_order := ranking.other_order(reports):
        console.print(f"\n{other_order}", markup=False)


def _ratio(rank: ranking.Rank, name: str) -> str:
    """Returns what a method cost, with a mark where it is over its budget."""
    value = rank.report.score(name).value
    is_over = rank.over_budget and budget.ratio(rank.report).name == name
    return "-" if value is None else f"{value:.2f}{'!' if is_over else ' '}"


def _cell(score: Score) -> str:
    if score.value is None:
        return "-"
    error = "" if score.stderr is None else f" ±{score.stderr:.{_DIGITS}f}"
    return f"{score.value:.{_DIGITS}f}{error}"
