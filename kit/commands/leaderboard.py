"""`kit leaderboard`: the methods of many runs in one ranking, from their reports alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands import completion, options
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.types import InputError

if TYPE_CHECKING:
    from kit.types import Report

_ADVICE = (
    "Name fewer folders, or choose with --challenge, --forget, --split-seed or --num-models; 'kit list runs' shows "
    "what there is."
)
_PlacesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DIR|FILE", help="Folders of runs, or reports. Default: runs."),
]
_ChallengeOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Only runs on this challenge.", autocompletion=completion.challenge_names),
]
_SplitSeedOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Only runs with this seed of the forget set.")
]
_MarkdownOption = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Also write a table in Markdown.")
]
_CsvOption = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write all scores as CSV.")]


def leaderboard(
    places: _PlacesArgument = None,
    challenge: _ChallengeOption = None,
    forget: Annotated[str | None, typer.Option(metavar="WHAT", help="Only runs with this forget set.")] = None,
    split_seed: _SplitSeedOption = None,
    num_models: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only methods with so many models.")
    ] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page.")] = None,
    markdown_file: _MarkdownOption = None,
    csv_file: _CsvOption = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Rank the methods of all runs on one problem.

    '-' as the name of a file is the output.

    Examples:
        kit leaderboard
        kit leaderboard runs --challenge digits --html board.html --csv board.csv
    """
    outputs = {"--html": html_file, "--markdown": markdown_file, "--csv": csv_file, "--json": json_file}
    for option, path in outputs.items():
        options.require_writable_file(path, option)
    stored = [pair for place in places or [Path("runs")] for pair in _stored(place)]
    wanted = _Wanted(challenge, forget, split_seed, num_models)
    chosen = [(report, results) for report, results in stored if wanted.has(report)]
    if not chosen:
        raise InputError(
            f"None of {len(stored)} reports is of {wanted}. Expected one or more. Leave an option out, or look with "
            "'kit list runs' what there is."
        )
    from rich.console import Console

    from kit.reports import leaderboard as boards
    from kit.reports import leaderboard_files as files_of

    board = boards.of_reports([report for report, _ in chosen], [str(results) for _, results in chosen], advice=_ADVICE)
    # All of them before the first is written: either all are there, or none.
    page, markdown, rows = (write(board) for write in (files_of.to_html, files_of.to_markdown, files_of.to_csv))
    for path, text in ((html_file, page), (markdown_file, markdown), (csv_file, rows)):
        options.write_text(path, text)
    options.write_json(json_file, board.records())
    taken = any(str(path) == "-" for path in outputs.values())
    files_of.print_leaderboard(board, Console(stderr=taken, highlight=False))


@dataclass(frozen=True)
class _Wanted:
    """Which reports are ranked: those that agree with each option that was given."""

    challenge: str | None
    forget: str | None
    split_seed: int | None
    num_models: int | None

    def has(self, report: Report) -> bool:
        from kit.rules import LANDMARKS

        # 'retrain' may have fewer models than the methods that it stands beside.
        num_models = self.num_models if report.method in LANDMARKS else report.num_models
        pairs = (
            (self.challenge, report.challenge),
            (self.forget, report.split),
            (self.split_seed, report.split_seed),
            (self.num_models, num_models),
        )
        return all(wanted in (None, value) for wanted, value in pairs)

    def __str__(self) -> str:
        given = {name: value for name, value in vars(self).items() if value is not None}
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())


def _stored(place: Path) -> list[tuple[Report, Path]]:
    """Returns the reports in a file, or below a folder, and where each lies.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    from kit.storage import folders
    from kit.storage.near_paths import did_you_mean_path

    folders_of_results = folders.below(place)
    if not folders_of_results and not place.is_file():
        hint = did_you_mean_path(place, "Check the path, or run a method.")
        raise InputError(
            f"There is no report in '{place}'. Expected a folder below which 'kit run' or 'kit evaluate' has written "
            f"results, or a report.json. {hint}"
        )
    from kit import reports

    files = (
        [(place, place)] if place.is_file() else [(folder / folders.REPORT, folder) for folder in folders_of_results]
    )
    return [(report, results) for path, results in files for report in reports.read_json(path).reports]
