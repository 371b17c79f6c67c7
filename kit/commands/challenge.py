"""The command `kit challenge new --private`: a challenge whose test set and seeds only its host knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands import completion, messages, options
from kit.commands.grouped_help import Command, Group
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.types import InputError

if TYPE_CHECKING:
    from kit.challenges.private import PrivateChallenge

_NAMES = ("host", "participants")
app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Make a challenge."""


@app.command(cls=Command)
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")] = Path("private-challenge"),
    private: Annotated[bool, typer.Option("--private", help="Drawn from the system's entropy, for a host.")] = False,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NAME|FILE.npz",
            help="Whose examples are taken: a challenge's, or your own.",
            autocompletion=completion.challenge_names,
        ),
    ] = "digits",
    resampled: Annotated[
        float,
        typer.Option(
            "--resampled",
            metavar="SHARE",
            help="Share of labels that are drawn anew, so that nobody knows them.",
        ),
    ] = 0.2,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw labels, parts, forget set and seed of a private challenge: what the host keeps, what participants get.

    Examples:
        kit challenge new --private
        kit challenge new spring --private --from data.npz
    """
    _check(folder, private, source, json_file)
    from kit import challenges
    from kit.challenges import private as drawing

    drawn = drawing.draw(challenges.examples(source, messages.announcer()), resampled)
    _write(drawn, folder)
    place = {name: f"--challenge {folder / name}.npz --forget {folder / name}-forget.npz" for name in _NAMES}
    commands = {
        "host": f"kit evaluate FILE.py {place['host']} --seed {drawn.seed}",
        "participants": f"kit evaluate FILE.py {place['participants']}",
    }
    if str(json_file) != "-":
        typer.echo(
            f"Written: {folder}. Keep host.npz, host-forget.npz and host-seed.txt; give away participants.npz and "
            f"participants-forget.npz.\nHost: {commands['host']}\nParticipants: {commands['participants']}"
        )
    num_examples = {"host": len(drawn.host.arrays), "participants": len(drawn.participants.arrays)}
    options.write_json(json_file, {"folder": str(folder), "commands": commands, "num_examples": num_examples})


def _check(folder: Path, private: bool, source: str, json_file: Path | None) -> None:
    """Checks names, and that what is to be written can be, before anything is drawn."""
    if not private:
        raise InputError(
            "'kit challenge new' makes private challenges only, and was not told to make one. Expected --private. Add "
            "it; public challenges are listed by 'kit list challenges', and arrays of yours need no command: "
            "--challenge FILE.npz."
        )
    from kit import challenges

    challenges.check_request(source)
    if folder.exists():
        raise InputError(
            f"'{folder}' exists already. Expected a new name, so that no challenge is lost. Choose another folder."
        )
    options.require_writable(folder.parent)
    options.require_writable_file(json_file)


def _write(drawn: PrivateChallenge, folder: Path) -> None:
    """Writes both sides' files, of which the host's can be read by nobody else."""
    folder.mkdir(parents=True, mode=0o700)
    drawn.host.write(folder, "host", mode=0o600)
    drawn.participants.write(folder, "participants", mode=0o644)
    seed = folder / "host-seed.txt"
    seed.write_text(f"{drawn.seed}\n")
    seed.chmod(0o600)
