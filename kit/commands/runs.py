"""`kit list runs`: the results that are there, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.commands import options
from kit.types import InputError

if TYPE_CHECKING:
    from kit.reports.records import Record


def list_runs(root: Path, json_file: Path | None) -> None:
    """Prints each folder of results below `root` and, below it, what it holds; the newest of a challenge last."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from kit.storage import folders

    rows: dict[str, dict[str, Any]] = {}
    refused: list[str] = []
    for folder in folders.below(root):
        from kit import reports

        try:
            rows[str(folder)] = _row(reports.read_json(folder / folders.REPORT))
        except InputError as error:
            refused.append(str(error))
    if str(json_file) != "-":
        console = Console(highlight=False)
        for folder_name, row in rows.items():  # a path on a line of its own can be copied, in any terminal
            console.print(Text(folder_name, "bold"), soft_wrap=True)
            console.print(Padding(Text(_described(row)), (0, 0, 0, 2)))
        if not rows:
            console.print(f"There are no results in '{root}' yet: 'kit run' writes some.", markup=False)
    options.write_json(json_file, rows)
    options.tell(refused)


def _row(record: Record) -> dict[str, Any]:
    """Returns what is told of the results of one run."""
    from kit.reports import ranking
    from kit.rules import RETRAIN

    rows = [report for report in record.reports if report.method != RETRAIN] or list(record.reports)
    first = rows[0] if rows else None
    return {
        "challenge": first.challenge if first else "",
        "split": first.split if first else "",
        "split_seed": first.split_seed if first and first.split_drawn else None,
        "num_models": max((report.num_models for report in rows), default=0),
        "score_version": first.score_version if first else "",
        "methods": [rank.method for rank in ranking.rank(record.reports)],
        "failed": list(record.failures),
    }


def _described(row: Mapping[str, Any]) -> str:
    """Returns a line for people: what was forgotten, by how many models of which methods, the best first."""
    models = f"{row['num_models']} model{'s' * (row['num_models'] != 1)}"
    drawn = "" if row["split_seed"] is None else f" (split seed {row['split_seed']})"
    methods = [*row["methods"], *(f"{name} FAILED" for name in row["failed"])]
    return f"{row['challenge']} {row['split']}{drawn}, {models}: {', '.join(methods) or 'the landmarks alone'}"
