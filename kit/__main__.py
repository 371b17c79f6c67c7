"""The command line: thin, and without TensorFlow until a command needs it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kit import command_line, comparison_commands, quiet, submission_commands
from kit.command_line import DebugOption, JsonOption, OutOption
from kit.types import FailedRun, InputError

app = typer.Typer(
    name="kit",
    help="Machine unlearning for Keras: run methods, attack the results, compare with retraining.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Listing(StrEnum):
    """What `kit list` lists."""

    challenges = "challenges"
    methods = "methods"
    scorers = "scorers"


@app.command("list")
def list_names(
    what: Annotated[Listing, typer.Argument(help="What to list.")],
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """List what the kit knows by name."""
    from rich.console import Console
    from rich.table import Table

    rows = _listed(what)
    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for name, text in rows.items():
            table.add_row(f"[bold]{name}[/bold]", text)
        Console(highlight=False).print(table)
    command_line.write_json(json_file, rows)


def _listed(what: Listing) -> dict[str, str]:
    if what is Listing.methods:
        from kit import methods

        return {name: methods.summary(name) for name in methods.names()}
    if what is Listing.scorers:
        from kit import scorers

        return {info.name: f"{info.direction}: {info.explanation}" for info in scorers.infos()}
    from kit import challenges

    return {name: challenges.CHALLENGES[name].summary for name in challenges.names()}


@app.command("pretrain")
def pretrain(
    challenge: Annotated[str, typer.Argument(metavar="CHALLENGE", help="See 'kit list challenges'.")],
    update_registry: Annotated[
        bool, typer.Option("--update-registry", help="For maintainers: store the result in data/.")
    ] = False,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="For maintainers: retrain 512 models and store what they say in data/.")
    ] = False,
    out: OutOption = Path("runs"),
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a challenge's original model from scratch and say whether it matches the shipped one."""
    from kit import files

    command_line.require_writable(files.cache_folder())
    with quiet.quiet_tensorflow(debug):
        from kit import challenges, oracles, pretrained
    if oracle:
        if update_registry:
            raise InputError(
                "--oracle and --update-registry were given together. Expected one of them. Update the original first, "
                "and make its oracle afterwards."
            )
        command_line.require_writable(out)
        command_line.require_writable(files.data_folder() / "oracles", "an installation of your own")
        with command_line.resumable():
            path = oracles.build(challenges.load_challenge(challenge), root=out)
        typer.echo(f"Written: {path}, {path.stat().st_size / 1e6:.1f} MB", err=str(json_file) == "-")
        command_line.write_json(json_file, {"path": str(path)})
        return
    rebuilt = pretrained.rebuild(challenges.load_challenge(challenge), update_registry=update_registry)
    shown = ", ".join(f"{part} {value:.4f}" for part, value in rebuilt.accuracies.items())
    message = f"{challenge}: {rebuilt.verdict}. Accuracies: {shown}. {rebuilt.seconds:.1f} s. Weights: {rebuilt.path}"
    typer.echo(message, err=str(json_file) == "-")
    content = {"matches": rebuilt.matches, "verdict": rebuilt.verdict, "accuracies": rebuilt.accuracies}
    command_line.write_json(json_file, content | {"seconds": rebuilt.seconds, "path": str(rebuilt.path)})
    if not rebuilt.matches:
        raise typer.Exit(1)


for name, command in (
    ("run", comparison_commands.run),
    ("evaluate", comparison_commands.evaluate),
    ("new", submission_commands.new),
    ("validate", submission_commands.validate),
    ("pack", submission_commands.pack),
    ("check-pack", submission_commands.check_pack),
    ("doctor", submission_commands.doctor),
):
    app.command(name)(command)


def main() -> None:
    """Runs the command line; errors are one paragraph, exit code 2 for bad input and 1 for work that failed."""
    try:
        app()
    except (InputError, FailedRun) as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
