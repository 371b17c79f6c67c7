"""The command line: thin, and without TensorFlow until a command needs it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kit import command_line, submission_commands
from kit.command_line import (
    ChallengeOption,
    DebugOption,
    ForgetOption,
    JsonOption,
    MemoryLimitOption,
    OutOption,
    SandboxOption,
    SeedOption,
    SplitSeedOption,
    TimeLimitOption,
)
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


MethodsArgument = Annotated[list[str] | None, typer.Argument(metavar="[METHOD|FILE]...", help="Default: finetune.")]


@app.command("run")
def run(
    methods: MethodsArgument = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = "random:0.1",
    split_seed: SplitSeedOption = 0,
    seed: SeedOption = 0,
    out: OutOption = Path("runs"),
    sandbox: SandboxOption = False,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Unlearn, retrain, attack and compare: the main job."""
    where = (challenge, forget, split_seed)
    _compare(methods, where, 1, seed, out, (sandbox, time_limit, memory_limit), json_file, debug)


@app.command("evaluate")
def evaluate(
    methods: MethodsArgument = None,
    num_models: Annotated[int, typer.Option("--num-models", min=1, help="Models of each method.")] = 8,
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = "random:0.1",
    split_seed: SplitSeedOption = 0,
    seed: SeedOption = 0,
    out: OutOption = Path("runs"),
    sandbox: SandboxOption = False,
    time_limit: TimeLimitOption = None,
    memory_limit: MemoryLimitOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """The same with several models of each method, whose mean is scored."""
    where = (challenge, forget, split_seed)
    _compare(methods, where, num_models, seed, out, (sandbox, time_limit, memory_limit), json_file, debug)


def _compare(
    methods: list[str] | None,
    where: tuple[str, str, int],
    num_models: int,
    seed: int,
    out: Path,
    limits: tuple[bool, float | None, float | None],
    json_file: Path | None,
    debug: bool,
) -> None:
    from kit.submission import check_identifier

    identifiers = methods or ["finetune"]
    for identifier in identifiers:
        check_identifier(identifier)
    command_line.check_sandbox(limits[0])
    command_line.require_writable(out)
    command_line.require_writable_json(json_file)
    with command_line.quiet_tensorflow(debug):
        from kit import challenges, evaluation
    from rich.console import Console

    from kit import plots, report, splits

    name, forget, split_seed = where
    loaded = challenges.load_challenge(name, forget=forget, split_seed=split_seed)
    with command_line.resumable():
        result = evaluation.evaluate_all(
            identifiers,
            loaded,
            num_models=num_models,
            seed=seed,
            root=out,
            containment=command_line.containment(*limits),
            announce=command_line.announcer(),
        )
    folder = out / loaded.name
    splits.save_split(loaded.split, folder / "split.npz")
    report.write_json(folder / "report.json", result.reports, result.failures)
    plots.save(plots.loss_histograms(result.outputs), folder / "losses.png")
    console = Console(stderr=str(json_file) == "-", highlight=False)
    report.print_table(result.reports, console, result.failures)
    console.print(
        f"\nWritten: {folder / 'report.json'}, {folder / 'losses.png'}, {folder / 'split.npz'}", soft_wrap=True
    )
    command_line.write_json(json_file, report.to_json(result.reports, result.failures))
    if result.failures:
        raise typer.Exit(1)


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
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a challenge's original model from scratch and say whether it matches the shipped one."""
    from kit import files

    command_line.require_writable(files.cache_folder())
    with command_line.quiet_tensorflow(debug):
        from kit import challenges, pretrained
    rebuilt = pretrained.rebuild(challenges.load_challenge(challenge), update_registry=update_registry)
    shown = ", ".join(f"{part} {value:.4f}" for part, value in rebuilt.accuracies.items())
    message = f"{challenge}: {rebuilt.verdict}. Accuracies: {shown}. {rebuilt.seconds:.1f} s. Weights: {rebuilt.path}"
    typer.echo(message, err=str(json_file) == "-")
    content = {"matches": rebuilt.matches, "verdict": rebuilt.verdict, "accuracies": rebuilt.accuracies}
    command_line.write_json(json_file, content | {"seconds": rebuilt.seconds, "path": str(rebuilt.path)})
    if not rebuilt.matches:
        raise typer.Exit(1)


for name, command in (
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
