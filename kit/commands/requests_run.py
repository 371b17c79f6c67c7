"""`kit requests run` and `replay`: a queue is served, and what came back from a backup forgets again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import messages, options, requests
from kit.commands.engine_options import EngineOptions
from kit.commands.options import AddressOption, DebugOption, EngineOption, JsonOption, QuietOption, WorkersOption
from kit.commands.requests import ByOption, ChallengeOption, FolderArgument, KeyOption
from kit.types import InputError
from kit.types.errors import did_you_mean

if TYPE_CHECKING:
    from kit.streams.queue import Serving

PolicyOption = Annotated[
    str, typer.Option("--policy", metavar="at-once|every:K|period:DAYS|deadline", help="Which requests, and when.")
]
SlackOption = Annotated[
    float, typer.Option("--slack", min=0.0, metavar="DAYS", help="With every and period: so long before a deadline.")
]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method", metavar="cheapest|by-cost|NAME", help="What the model allows; certified, sisa, retrain; or one."
    ),
]

ConstantOption = Annotated[
    bool, typer.Option("--constant", help="Of a model in shards: all of them each time, so that time tells nothing.")
]
PaddedOption = Annotated[
    float, typer.Option("--padded", min=0.0, metavar="SECONDS", help="Answers leave at such ticks after a batch began.")
]


def run(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Of certified models with a queue.")],
    policy: PolicyOption = "at-once",
    slack: SlackOption = 7.0,
    method: MethodOption = "cheapest",
    constant: ConstantOption = False,
    padded: PaddedOption = 0.0,
    challenge: ChallengeOption = None,
    by: ByOption = None,
    key: KeyOption = None,
    engine: EngineOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
    quietly: QuietOption = False,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve what is due: forget, certify, file the evidence. Killed, the same command goes on.

    Examples:
        kit requests run model
        kit requests run model --policy every:10 --slack 7
        kit requests run model --policy period:7 --constant --padded 3600
    """
    options.require_writable_file(json_file)
    _require_method(method)
    chosen = EngineOptions(engine, workers, address)
    chosen.check()
    if challenge is not None and len(folders) > 1:
        raise InputError(
            "--challenge was given for several queues. Expected it with one, for each model has its own data. Leave it "
            "out: each log names its challenge."
        )
    order = replace(
        _order(folders, policy, slack * 86_400, method, challenge, by, key, debug), constant=constant, padded=padded
    )
    order.check()
    with messages.resumable("What is settled is kept"):
        lines = _served(order, chosen, debug)
    say = requests.printer(json_file)
    for line in lines:
        say(
            f"{line['folder']}: batch {line['batch']}, {len(line['requests'])} requests settled by {line['method']} "
            f"({line['class']}){_accuracy(line['report'])}."
        )
    counts = _counts(folders)
    for name, count in counts.items():
        say(f"{name}: {count['done']} done, {count['waiting']} waiting, {count['at work']} at work.")
    options.write_json(json_file, {"batches": lines, "counts": counts})


def _require_method(method: str) -> None:
    """Checks the method before anything is imported for it; those that choose one are none of the kit's list."""
    from kit import methods

    names = ["cheapest", "by-cost", *methods.names()]
    if method not in names:
        hint = did_you_mean(method, names, "By default the queue takes 'cheapest'.")
        raise InputError(
            f"There is no method '{method}'. Expected 'cheapest', 'by-cost', or one of 'kit list methods'. {hint}"
        )


def _counts(folders: list[Path]) -> dict[str, dict[str, int]]:
    counts = {}
    for folder in folders:
        with requests.opened(folder) as store:
            counts[str(folder)] = store.counts()
    return counts


def _accuracy(report: dict[str, Any]) -> str:
    if not report:
        return ""
    before, after = (report["test"][when]["accuracy"] for when in ("before", "after"))
    return f"; accuracy on test {before:.3f} -> {after:.3f}"


def _order(
    folders: list[Path],
    policy: str,
    slack: float,
    method: str,
    challenge: str | None,
    by: str | None,
    key: Path | None,
    debug: bool,
) -> Serving:
    """Checks names and folders before anything large is imported, and returns how the queues are served."""
    from kit.streams import policies

    policies.named(policy, slack)
    for folder in folders:
        requests.opened(folder).close()
    from kit.proofs import signatures

    signatures.signer(key)
    names = [challenge or requests.challenge_of(folder, key) for folder in folders]
    options.prepare(None, debug)
    from kit.machine import quiet

    with quiet.quiet_tensorflow(debug):
        from kit.streams.queue import Serving

    return Serving(tuple(folders), tuple(names), policy, slack, method, requests.decider(by), key)


def _served(order: Serving, chosen: EngineOptions, debug: bool) -> list[dict[str, Any]]:
    """Serves all queues, here one after the other, or by an engine several at a time."""
    import time

    from kit.machine.bars import progress
    from kit.streams.queue import serve_folder, serve_task

    numbers = range(len(order.folders))
    with chosen.started() as engine:
        if engine is not None:
            done = engine.map(serve_task, order, numbers)
            return [
                line for _, lines in progress(done, label="queues", total=len(numbers), unit="queue") for line in lines
            ]
    waiting = 0
    for folder in order.folders:
        with requests.opened(folder) as store:
            counts = store.counts()
            waiting += counts["waiting"] + counts["at work"]
    with progress(total=waiting, label="requests", unit="request") as bar:
        announce = messages.announcer()
        return [
            line
            for number in numbers
            for line in serve_folder(
                order, number, time.time, announce, lambda served: bar.update(len(served.batch.requests))
            )
        ]


def replay(
    folder: FolderArgument,
    restored: Annotated[
        Path | None, typer.Option("--restored", metavar="DIR", help="A certified model that came back from a backup.")
    ] = None,
    challenge: ChallengeOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE.csv", help="Rows of the data that are to be taken out.")
    ] = None,
    key: KeyOption = None,
    quietly: QuietOption = False,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Find in restored data, and forget in a restored model, what was settled since the backup.

    Examples:
        kit requests replay model --output rows.csv
        kit requests replay model --restored model-from-backup
    """
    options.require_writable_file(json_file)
    options.require_writable_file(output, "--output", "the name of a .csv file")
    requests.opened(folder).close()
    loaded = requests.load(folder, challenge, key, debug)
    from kit.proofs import commitment, signatures
    from kit.runs import process
    from kit.streams import replay as replaying
    from kit.streams.tombstones import Key, Register

    process.prepare()
    with requests.opened(folder) as store:
        own = Key.read(store.folder)
        register = Register.over(own, commitment.contents(loaded.train))
        if restored is None:
            done = replaying.Replayed(replaying.rows_of(store, register))
        else:
            done = replaying.replayed(
                store, own, restored, loaded, signatures.signer(key), register=register, announce=messages.announcer()
            )
    rows = [int(row) for row in done.rows]
    if output is not None:
        options.write_text(output, "".join(f"{row}\n" for row in ["row", *rows]))
    say = requests.printer(json_file)
    say(f"{len(rows)} rows of the training data were to be forgotten{f': see {output}' if output else ''}.")
    if restored is not None:
        say(f"{done.again} of the restored model's records were forgotten again.")
    certified = None if done.certificate is None else str(restored)
    options.write_json(json_file, {"rows": rows, "forgotten_again": done.again, "certificate_in": certified})
