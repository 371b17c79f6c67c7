"""The command line: thin, and without TensorFlow until a command needs it."""

from __future__ import annotations

from kit.machine import search_path

if __name__ == "__main__":  # before anything else is imported
    search_path.leave_working_folder()

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import kit
from kit.commands import (
    certify,
    challenge,
    compare,
    convert,
    data,
    describe,
    doctor,
    leaderboard,
    leaks,
    options,
    pack,
    pretrain,
    report,
    requests,
    requests_run,
    requests_serve,
    requests_simulate,
    runs,
    submission,
    tune,
    unlearn,
    verify,
)
from kit.commands.grouped_help import Command, Group
from kit.commands.options import DebugOption, JsonOption, OutOption, QuietOption
from kit.machine import streams
from kit.types import FailedRun, InputError

app = typer.Typer(
    name="kit",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:  # which completion is
        typer.echo(f"kit {kit.__version__}")
        raise typer.Exit


@app.callback()
def of_all_commands(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Machine unlearning for Keras: run methods, attack the results, compare with retraining.

    Exit codes: 0, 1 for work that failed, 2 for bad input, 130 after Ctrl-C.

    Examples:
        kit run finetune
        kit new my_method.py
        kit validate my_method.py
        kit run my_method.py finetune --num-models 8
    """


class Listing(StrEnum):
    """What `kit list` lists."""

    challenges = "challenges"
    methods = "methods"
    scorers = "scorers"
    runs = "runs"


def list_names(
    what: Annotated[Listing, typer.Argument(help="What to list.")],
    in_full: Annotated[bool, typer.Option("--long", help="Of methods, also kind, cost, data and source.")] = False,
    out: OutOption = Path("runs"),
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List challenges, methods, scorers or runs.

    Examples:
        kit list methods --long
        kit list runs --out runs
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if what is Listing.methods:
        describe.list_methods(json_file, in_full=in_full)
        return
    if what is Listing.runs:
        runs.list_runs(out, json_file)
        return
    rows, refused = _listed(what)
    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for name, text in rows.items():
            table.add_row(Text(name, "bold"), Text(text))
        Console(highlight=False).print(table)
    options.write_json(json_file, rows)
    options.tell(refused)


def _listed(what: Listing) -> tuple[dict[str, str], tuple[str, ...]]:
    """Returns a line for each name, and a paragraph for each extension that is left out."""
    if what is Listing.scorers:
        from kit import scorers

        return {info.name: f"{info.direction}: {info.explanation}" for info in scorers.infos()}, scorers.refused()
    from kit import challenges

    return challenges.summaries()


_GROUPS: dict[str, dict[str, Callable[..., None]]] = {
    "Compare methods": {
        "run": compare.run,
        "evaluate": compare.evaluate,
        "report": report.report,
        "leaderboard": leaderboard.leaderboard,
        "leaks": leaks.leaks,
        "list": list_names,
        "explain": describe.explain,
    },
    "Write and submit a method": {
        "new": submission.new,
        "validate": submission.validate,
        "pack": pack.pack,
        "check-pack": pack.check_pack,
        "tune": tune.tune,
    },
    "Answer a deletion request": {"unlearn": unlearn.unlearn, "certify": certify.certify, "verify": verify.verify},
    "Data, models and this machine": {
        "data": data.data,
        "pretrain": pretrain.pretrain,
        "convert-weights": convert.convert_weights,
        "doctor": doctor.doctor,
    },
}
for group, commands in _GROUPS.items():
    for name, command in commands.items():
        app.command(name, cls=Command, rich_help_panel=group)(command)
app.add_typer(challenge.app, name="challenge", rich_help_panel="Data, models and this machine")
requests.app.command(cls=Command)(requests_run.run)
requests.app.command(cls=Command)(requests_run.replay)
requests.app.command(cls=Command)(requests_simulate.simulate)
requests.app.command(cls=Command)(requests_serve.serve)
requests.app.command(cls=Command)(requests_serve.token)
app.add_typer(requests.app, name="requests", rich_help_panel="Answer a deletion request")


def main() -> None:
    """Runs the command line; errors are one paragraph, exit code 2 for bad input and 1 for work that failed."""
    streams.write_every_character()
    try:
        try:
            app()
        finally:
            streams.finish()
    except (InputError, FailedRun, OSError) as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"Error: {_of_the_system(error) if isinstance(error, OSError) else error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


def _of_the_system(error: OSError) -> str:
    """Returns a paragraph for what a file system, a pipe or a terminal refuses, wherever that was."""
    place = f"'{error.filename}'" if error.filename is not None else "a file, the output or the working folder"
    return (
        f"The system refused {place}: {error.strerror or error}. Expected folders that exist and can be written to, "
        "room on their disks, and names that are short enough. Use another folder or name, or free some space; what "
        "was finished before is kept, and the same command goes on there. --debug shows the whole traceback."
    )


if __name__ == "__main__":
    main()
