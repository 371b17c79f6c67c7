"""`kit requests`: a queue of requests to forget, for a certified model: taken in, looked at, and evidenced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import messages, options
from kit.commands.grouped_help import Command, Group
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.types import InputError

if TYPE_CHECKING:
    from kit.streams.store import Store
    from kit.types import Challenge

app = typer.Typer(
    cls=Group,
    help="Serve requests to forget as they come: a queue for a certified model.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Of a certified model ('kit certify DIR').")]
ChallengeOption = Annotated[
    str | None, typer.Option("--challenge", metavar="NAME|FILE", help="With the data. Default: what the log names.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE.pem", help="Private Ed25519 key. Default: this home's.")
]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides, for the evidence. Default: this user.")
]

RecordsOption = Annotated[
    str, typer.Option("--forget", metavar="WHAT", help="The records: group:ID, or a file of row numbers, ...")
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", metavar="TEXT", help="Of the request: sent again with the same, it is one request."),
]
EachOption = Annotated[bool, typer.Option("--each", help="A request for each record, TEXT-1, TEXT-2, ...")]
ReceivedOption = Annotated[
    str | None, typer.Option("--received", metavar="DATE", help="When it came, if not now; UTC.")
]
DeadlineOption = Annotated[
    str | None, typer.Option("--deadline", metavar="DATE", help="Default: a month after it came; UTC.")
]


@app.command(cls=Command)
def add(
    folder: FolderArgument,
    forget: RecordsOption,
    identifier: IdOption = None,
    each: EachOption = False,
    received: ReceivedOption = None,
    deadline: DeadlineOption = None,
    challenge: ChallengeOption = None,
    by: ByOption = None,
    key: KeyOption = None,
    quietly: QuietOption = False,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Take a request in: which records, until when.

    Examples:
        kit requests add model --forget group:17 --id ticket-4711
        kit requests add model --forget requests.csv --each --received 2026-11-03
    """
    options.require_writable_file(json_file)
    from kit.streams.request import seconds_of

    came, until = (None if text is None else seconds_of(text) for text in (received, deadline))
    loaded = load(folder, challenge, key, debug, forget)
    from secrets import token_hex

    from kit.streams.queue import Asked, Door

    name, places = identifier or token_hex(8), loaded.split.forget
    rows = [places[index : index + 1] for index in range(len(places))] if each else [places]
    keys = [f"{name}-{number + 1}" for number in range(len(rows))] if each else [name]
    with opened(folder, make=True) as store:
        added = Door.of(folder, loaded, store).add(Asked(keys, rows, came, until, decider(by)))
        now = store.now()
    content = [request.to_json(now) | {"new": new} for request, new in added]
    say = printer(json_file)
    say(_line(content[0]) if len(content) == 1 else f"{len(content)} requests, from {keys[0]} to {keys[-1]}.")
    say(f"Next: kit requests run {folder}")
    options.write_json(json_file, content)


def _line(request: dict[str, Any]) -> str:
    late = ", WHICH HAS PASSED" if request["missed"] else ""
    known = "" if request["new"] else " (it was there already)"
    until = f"to be settled by {request['deadline']}{late}{known}"
    return f"Request {request['number']}: {request['records']} records, {until}."


@app.command("list", cls=Command)
def list_requests(
    folder: FolderArgument,
    unsettled: Annotated[bool, typer.Option("--open", help="Those that are not settled.")] = False,
    history: Annotated[bool, typer.Option("--history", help="What happened, line by line, instead.")] = False,
    quietly: QuietOption = False,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Show the requests of a queue, or its history, which is checked.

    Examples:
        kit requests list model --open
        kit requests list model --history
    """
    options.require_writable_file(json_file)
    with opened(folder) as store:
        events = [{"request": event.request} | event.to_json() for event in store.history()]
        now = store.now()
        requests = [request.to_json(now) for request in store.requests(unsettled=unsettled)]
        counts = store.counts()
    if str(json_file) != "-":
        columns = ("at", "kind", "request", "batch", "text") if history else _COLUMNS
        _table(events if history else requests, columns)
        typer.echo("  ".join(f"{number} {state}" for state, number in counts.items()))
    options.write_json(json_file, {"counts": counts, "requests": requests, "history": events})


_WIDTH = 160
_COLUMNS = ("number", "state", "records", "received", "deadline", "settled", "missed", "requester")


@app.command(cls=Command)
def evidence(
    folder: FolderArgument,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Of the request.")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE.zip", help="What to hand to the person.")],
    hand_over: Annotated[
        bool, typer.Option("--hand-over", help="Then delete the receipts here: the trail has forgotten.")
    ] = False,
    by: ByOption = None,
    quietly: QuietOption = False,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Check the evidence of a settled request, and write it as a zip file.

    Examples:
        kit requests evidence model 1 --output evidence-1.zip
    """
    options.require_writable_file(json_file)
    options.require_writable_file(output, "--output", "the name of a .zip file")
    from kit.storage import files
    from kit.streams import evidence as of_requests

    with opened(folder) as store:
        store.history()  # checked
        content, archive = of_requests.read(store, number), of_requests.zipped(store, number)
        with files.atomic_write(output, mode=0o600) as stream:
            stream.write(archive)
        removed = of_requests.hand_over(store, number, decider(by)) if hand_over else 0
    say = printer(json_file)
    say(f"Written: {output} (begin with statement.md; a receipt is checked with 'kit verify').")
    if removed:
        say(f"{removed} receipts were deleted here.")
    options.write_json(json_file, content | {"output": str(output), "receipts_deleted": removed})


def load(folder: Path, challenge: str | None, key: Path | None, debug: bool, forget: str | None = None) -> Challenge:
    """Returns the challenge of a certified model, with a forget set that is checked first."""
    options.prepare(None, debug)
    name = challenge or challenge_of(folder, key)
    from kit import challenges
    from kit.machine import quiet

    challenges.check_request(name, forget=forget)
    with quiet.quiet_tensorflow(debug):
        return challenges.load_challenge(name, forget=forget, announce=messages.announcer())


def challenge_of(folder: Path, key: Path | None) -> str:
    """Returns the name of the challenge that a certified model has learnt.

    Raises:
        InputError: there is no such model.
        Rejected: its log is damaged, or was signed by another key.
    """
    from kit.proofs import log, signatures
    from kit.proofs.trail import Trail

    if not (folder / log.NAME).is_file():
        raise InputError(
            f"There is no certified model in '{folder}'. Expected the folder of one. Make one with: kit certify "
            f"{folder} --challenge NAME."
        )
    return str(Trail.read(folder, signatures.signer(key).verifier).training.predicate["challenge"])


def opened(folder: Path, *, make: bool = False) -> Store:
    """Returns the queue of a certified model, by the clock on the wall; `InputError` where there is none."""
    import time

    from kit.streams import database

    if not make:
        database.require_queue(folder / database.FOLDER)
    from kit.streams.store import Store

    return Store(folder / database.FOLDER, time.time)


def decider(by: str | None) -> str:
    """Returns who decides: who was named, or else this user."""
    import getpass

    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise InputError(
            "Nobody is named who decides, and the system knows no name of this user. Expected one, for the evidence. "
            "Give it with --by."
        ) from error


def printer(json_file: Path | None) -> Any:
    """Returns a function that prints a line for people, beside the output where that is JSON."""
    from rich.console import Console

    console = Console(stderr=str(json_file) == "-", highlight=False)
    return lambda line: console.print(line, markup=False, soft_wrap=True)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(_cell(row[name])) for name in columns))
    console = Console(highlight=False)
    if not console.is_terminal:  # a file has no width, and 80 columns would cut dates
        console = Console(highlight=False, width=_WIDTH)
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "MISSED" if value else ""
    return "" if value is None else str(value)
