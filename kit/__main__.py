"""The command line: thin, and without TensorFlow until a command needs it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kit.types import FailedRun, InputError

app = typer.Typer(
    name="kit",
    help="Machine unlearning for Keras: run methods, attack the results, compare with retraining.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the result as JSON ('-': to the output).")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and TensorFlow's log.")]
ChallengeOption = Annotated[
    str, typer.Option("--challenge", metavar="NAME|FILE.npz", help="See 'kit list challenges'.")
]


class Listing(StrEnum):
    """What `kit list` lists."""

    challenges = "challenges"
    methods = "methods"
    scorers = "scorers"


@app.command("run")
def run(
    methods: Annotated[list[str] | None, typer.Argument(metavar="[METHOD|FILE]...", help="Default: finetune.")] = None,
    challenge: ChallengeOption = "noisy-digits",
    forget: Annotated[
        str,
        typer.Option(
            metavar="WHAT", help="random:0.1, stratified:0.1, class:5, group:ID, mislabelled, or a file of indices."
        ),
    ] = "random:0.1",
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of a random forget set.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the runs.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for runs, report and figures.")] = Path("runs"),
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Unlearn, retrain, attack and compare: the main job."""
    from kit import files
    from kit.submission import check_identifier

    identifiers = methods or ["finetune"]
    for identifier in identifiers:
        check_identifier(identifier)
    files.require_writable(out)
    if json_file is not None and str(json_file) != "-":
        files.require_writable(json_file.parent)
    with _quiet_tensorflow(debug):
        from kit import challenges, evaluation
    from rich.console import Console

    from kit import plots, report, splits

    loaded = challenges.load_challenge(challenge, forget=forget, split_seed=split_seed)
    console = Console(stderr=str(json_file) == "-", highlight=False)
    progress = Console(stderr=True, highlight=False)
    try:
        result = evaluation.evaluate_all(
            identifiers, loaded, seed=seed, root=out, announce=lambda line: progress.print(f"· {line}", style="dim")
        )
    except KeyboardInterrupt:
        progress.print("\nInterrupted. Finished models are kept: the same command goes on where it stopped.")
        raise typer.Exit(130) from None
    folder = out / loaded.name
    splits.save_split(loaded.split, folder / "split.npz")
    report.write_json(folder / "report.json", result.reports)
    plots.save(plots.loss_histograms(result.outputs), folder / "losses.png")
    report.print_table(result.reports, console)
    console.print(
        f"\nWritten: {folder / 'report.json'}, {folder / 'losses.png'}, {folder / 'split.npz'}", soft_wrap=True
    )
    _write_json(json_file, report.to_json(result.reports))


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
    _write_json(json_file, rows)


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

    files.require_writable(files.cache_folder())
    with _quiet_tensorflow(debug):
        from kit import challenges, pretrained
    rebuilt = pretrained.rebuild(challenges.load_challenge(challenge), update_registry=update_registry)
    shown = ", ".join(f"{part} {value:.4f}" for part, value in rebuilt.accuracies.items())
    message = f"{challenge}: {rebuilt.verdict}. Accuracies: {shown}. {rebuilt.seconds:.1f} s. Weights: {rebuilt.path}"
    typer.echo(message, err=str(json_file) == "-")
    content = {"matches": rebuilt.matches, "verdict": rebuilt.verdict, "accuracies": rebuilt.accuracies}
    _write_json(json_file, content | {"seconds": rebuilt.seconds, "path": str(rebuilt.path)})
    if not rebuilt.matches:
        raise typer.Exit(1)


def _write_json(path: Path | None, content: object) -> None:
    from kit import files

    if path is not None and str(path) == "-":
        typer.echo(json.dumps(content, indent=1))
    elif path is not None:
        files.write_json(path, content)


@contextlib.contextmanager
def _quiet_tensorflow(debug: bool) -> Iterator[None]:
    """Imports TensorFlow and looks for devices while what its C++ part logs goes to a file, shown only on failure."""
    if debug:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
            yield
        except Exception:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


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
