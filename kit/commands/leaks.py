"""`kit leaks`: what the process of unlearning gives away, and what each counter-measure costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands import messages, options, settings
from kit.commands.options import (
    ChallengeOption,
    DebugOption,
    JsonOption,
    QuietOption,
    SeedOption,
    SetOption,
    ThreadsOption,
)
from kit.types import InputError

if TYPE_CHECKING:
    from kit.reports.leaks import Leaks

_RequestsOption = Annotated[
    int,
    typer.Option(
        "--requests", min=1, metavar="N", help="Single deletions that are served in each way, each from the original."
    ),
]
_BatchOption = Annotated[
    int, typer.Option("--batch", min=1, metavar="N", help="Requests that are answered by one call, batched.")
]
_IntoOption = Annotated[
    Path | None,
    typer.Option("--into", metavar="DIR", help="Folder of a run, on whose page the leaks get a section."),
]


def leaks(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="One of 'kit list methods'.")] = "sisa",
    hyperparameters: SetOption = None,
    challenge: ChallengeOption = "noisy-digits",
    requests: _RequestsOption = 40,
    batch: _BatchOption = 64,
    seed: SeedOption = 0,
    into: _IntoOption = None,
    threads: ThreadsOption = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure what a method's duration, answers and weights tell of who was deleted.

    Examples:
        kit leaks sisa
        kit leaks finetune --challenge digits --requests 100
    """
    options.require_method(method)
    options.require_writable_file(json_file)
    _require_run(into)
    given = settings.parse(hyperparameters)
    from kit import challenges

    challenges.check_request(challenge)
    options.prepare(threads, debug)
    announce = messages.announcer()
    from kit.challenges import loading

    loaded = loading.load(challenge, announce=announce)
    from kit.machine import quiet

    with quiet.quiet_tensorflow(debug):
        from kit.leaks.measurement import Order, measure
    from kit.reports import leaks as reported
    from kit.runs.settings import with_given
    from kit.submission.entry import resolve

    entry = resolve(method)
    result = measure(entry, with_given(loaded, [entry], given), Order(requests, batch, seed), announce)
    _show(result, to_people=str(json_file) == "-")
    if into is not None:
        reported.write(into / reported.NAME, result)
        typer.echo(f"Written: {into / reported.NAME}. Next: kit report {into} --html {into / 'page.html'}", err=True)
    options.write_json(json_file, reported.to_json(result))


def _require_run(folder: Path | None) -> None:
    """Checks that there is a run to put the leaks beside, before anything is measured."""
    if folder is None:
        return
    from kit.storage import folders
    from kit.storage.near_paths import did_you_mean_path

    report = folder / folders.REPORT
    if not report.is_file():
        hint = did_you_mean_path(report, "Run the method first, for instance: kit run sisa; or leave --into out.")
        raise InputError(
            f"There is no report in '{folder}'. Expected the folder of a run, beside whose report the leaks are put. "
            f"{hint}"
        )
    options.require_writable(folder, "--into")


def _show(result: Leaks, *, to_people: bool) -> None:
    from rich.console import Console

    from kit.reports import leaks as reported

    console = Console(stderr=to_people, highlight=False)
    console.print(f"{result.method} on {result.challenge}, {result.requests} requests of one record", markup=False)
    lines, prices = reported.tables(result)
    console.print(lines)
    console.print("\nbold: the 95 % interval leaves out what an attacker gets who sees nothing\n")
    console.print(prices)
    console.print(f"\n{result.sentence}", markup=False)
