"""`kit report`: a stored report again, as a table, as one page for a browser, as figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands import options
from kit.commands.options import DebugOption, ExplainOption, QuietOption
from kit.types.errors import InputError

if TYPE_CHECKING:
    from kit.reports.page import Stored


def report(
    results: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="Folder or report.json of a run; of several runs, the newest.")
    ] = Path("runs"),
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page for a browser.")] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Write each figure, as PNG and as SVG.")
    ] = None,
    explain: ExplainOption = False,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a stored report again: the table, or as a page or figures.

    Examples:
        kit report --explain
        kit report runs/noisy-digits --html report.html --figures figures
    """
    place = newest(results)
    if html is not None:
        options.require_writable_file(html, "--html", "the name of a file")
    if figures is not None:
        options.require_writable(figures, "--figures")
    from kit.reports import page

    stored = page.read(place)
    if html is None and figures is None:
        _print(stored, explain=explain)
    if figures is not None:
        for path in _draw(stored, figures):
            typer.echo(path)
    if html is not None:
        page.write(html, stored)
        typer.echo(html)


def newest(results: Path) -> Path:
    """Returns the file, or the folder with the report that was written last, that `results` is or holds.

    Raises:
        InputError: there is none.
    """
    from kit.storage import folders
    from kit.storage.near_paths import did_you_mean_path

    if results.is_file():
        return results
    folders_of_results = folders.below(results)
    if not folders_of_results:
        hint = did_you_mean_path(results, "Check the path, or run a method first: kit run finetune.")
        raise InputError(
            f"There is no report in '{results}'. Expected a folder in which 'kit run' has written one, or one above "
            f"such folders, or the file itself. {hint}"
        )
    return max(folders_of_results, key=lambda folder: (folder / folders.REPORT).stat().st_mtime)


def _print(stored: Stored, *, explain: bool) -> None:
    from rich.console import Console

    from kit import reports
    from kit.reports import ranking_table

    console = Console(highlight=False)
    reports.print_table(stored.reports, console, stored.failures, explain=explain)
    ranking_table.print_ranking(stored.reports, console)
    if not explain:
        console.print("\nWhat the columns mean: --explain.")


def _draw(stored: Stored, folder: Path) -> list[Path]:
    """Writes all figures that there is something to show in; returns their files."""
    from kit.reports import figures, tradeoff

    scatter = tradeoff.tradeoff(stored.reports)
    drawings = {} if stored.evidence is None else figures.figures(stored.evidence)
    if scatter.methods:
        drawings["tradeoff"] = tradeoff.figure(scatter)
    paths = {folder / f"{name}.{kind}": figure for name, figure in drawings.items() for kind in ("png", "svg")}
    for path, figure in paths.items():
        figures.save(figure, path)
    return list(paths)
