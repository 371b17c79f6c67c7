"""`kit pretrain`: the models that every comparison begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands import completion, messages, options
from kit.commands.options import DebugOption, JsonOption, OutOption, PrecisionOption, QuietOption, ThreadsOption
from kit.types import InputError

if TYPE_CHECKING:
    from kit.types import Challenge


def pretrain(
    challenge: Annotated[
        str,
        typer.Argument(
            metavar="CHALLENGE", help="One of 'kit list challenges'.", autocompletion=completion.challenge_names
        ),
    ],
    retrained: Annotated[
        bool, typer.Option("--retrained", help="Retrain without the forget set (run 0 of 'retrain') instead.")
    ] = False,
    update_registry: Annotated[
        bool, typer.Option("--update-registry", help="For maintainers: store the result in data/.")
    ] = False,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="For maintainers: retrain 512 models and store what they say in data/.")
    ] = False,
    precision: PrecisionOption = "float32",
    threads: ThreadsOption = None,
    out: OutOption = Path("runs"),
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a challenge's original model from scratch and say whether it matches the shipped one.

    Examples:
        kit pretrain noisy-digits
    """
    from kit.storage import files

    if oracle and (update_registry or retrained):
        raise InputError(
            "--oracle was given together with another kind of model. Expected one of --oracle, --retrained and the "
            "original. Update the original first, and make its oracle afterwards."
        )
    options.require_writable(files.cache_folder())
    options.prepare(threads, debug)
    from kit import challenges

    loaded = challenges.load_challenge(challenge, precision=precision, announce=messages.announcer())
    with messages.resumable():
        if oracle:
            _build_oracle(loaded, out, json_file)
        else:
            _rebuild(loaded, json_file, retrained=retrained, update_registry=update_registry)


def _build_oracle(challenge: Challenge, out: Path, json_file: Path | None) -> None:
    from kit.runs import oracles
    from kit.storage import files

    options.require_writable(out)
    options.require_writable(files.data_folder() / "oracles", "an installation of your own")
    path = oracles.build(challenge, root=out)
    typer.echo(f"Written: {path}, {path.stat().st_size / 1e6:.1f} MB", err=str(json_file) == "-")
    options.write_json(json_file, {"path": str(path)})


def _rebuild(challenge: Challenge, json_file: Path | None, *, retrained: bool, update_registry: bool) -> None:
    from kit.runs import originals
    from kit.runs.retrained import rebuild as rebuild_retrained

    rebuild = rebuild_retrained if retrained else originals.rebuild
    rebuilt = rebuild(challenge, update_registry=update_registry)
    accuracies = ", ".join(f"{part} {value:.4f}" for part, value in rebuilt.accuracies.items())
    message = f"{challenge.name}: {rebuilt.verdict}. Accuracies: {accuracies}. {rebuilt.seconds:.1f} s. Weights: "
    typer.echo(f"{message}{rebuilt.path}", err=str(json_file) == "-")
    content = {"matches": rebuilt.matches, "verdict": rebuilt.verdict, "accuracies": rebuilt.accuracies}
    options.write_json(json_file, content | {"seconds": rebuilt.seconds, "path": str(rebuilt.path)})
    if not rebuilt.matches:
        raise typer.Exit(1)
