"""`kit certify`: a training that anybody can check, and the certificate of a deletion from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import completion, messages, options
from kit.commands.options import (
    ChallengeOption,
    DebugOption,
    ForgetOption,
    JsonOption,
    QuietOption,
    SplitSeedOption,
    ThreadsOption,
)
from kit.types import InputError

if TYPE_CHECKING:
    from kit.proofs.certificate import Certificate
    from kit.proofs.certify import Order
    from kit.proofs.signatures import Signer
    from kit.types import Challenge


_MethodOption = Annotated[
    str,
    typer.Option(
        "--method", metavar="NAME", help="How it forgets: retrain, sisa, ...", autocompletion=completion.method_names
    ),
]
_ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.json", help="Of an approximate method: what was measured.")
]


def certify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Of the log, the model and its certificate.")],
    challenge: ChallengeOption = "noisy-digits",
    forget: ForgetOption = None,
    split_seed: SplitSeedOption = 0,
    method: _MethodOption = "retrain",
    report: _ReportOption = None,
    nonce: Annotated[
        str | None, typer.Option("--nonce", metavar="HEX", help="An auditor's, drawn after the commitment was signed.")
    ] = None,
    commit_only: Annotated[
        bool, typer.Option("--commit", help="Stop when the commitment is signed, for an auditor to give a nonce.")
    ] = False,
    every: Annotated[
        int | None, typer.Option("--every", min=1, metavar="EPOCHS", help="How often the state is chained.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE.pem", help="Private Ed25519 key. Default: this home's.")
    ] = None,
    quietly: QuietOption = False,
    threads: ThreadsOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Train so that anybody can check on what; with --forget, delete records and certify it.

    Examples:
        kit certify trail --challenge data.npz
        kit certify trail --challenge data.npz --forget requests.csv
    """
    options.require_method(method)
    options.require_writable(folder, "the command's first argument")
    options.require_writable_file(json_file)
    _check(challenge, forget, report)
    from kit import challenges
    from kit.proofs import signatures, terms

    nonce = terms.nonce_from(nonce)
    signer = signatures.signer(key)
    options.prepare(threads, debug)
    _load_tensorflow(debug)
    from kit.proofs.certify import Order

    announce = messages.announcer()
    loaded = challenges.load_challenge(challenge, forget=forget, split_seed=split_seed, announce=announce)
    order = Order(method, nonce, every, report, commit_only, announce)
    with messages.resumable("What is in the log is kept"):
        summary = _certified(folder, loaded, signer, order, forgets=forget is not None, to_people=str(json_file) == "-")
    options.write_json(json_file, summary)


def _check(challenge: str, forget: str | None, report: Path | None) -> None:
    """Checks names of challenge, forget set and file before anything large is imported."""
    from kit import challenges
    from kit.storage import files

    challenges.check_request(challenge, forget=forget)
    if report is not None:
        files.require_file(report, "Expected a report that 'kit evaluate --json FILE' wrote.")


def _load_tensorflow(debug: bool) -> None:
    from kit.machine import quiet

    with quiet.quiet_tensorflow(debug):
        from kit.proofs import certify  # noqa: F401 (what trains)
        from kit.runs import process

        process.prepare()


def _certified(
    folder: Path, challenge: Challenge, signer: Signer, order: Order, *, forgets: bool, to_people: bool
) -> dict[str, Any]:
    from dataclasses import replace

    from kit import methods
    from kit.proofs.certify import begin, delete
    from kit.proofs.trail import TRAINING, Trail

    say = _printer(to_people=to_people)
    log = Trail.read(folder, signer.verifier).log
    begins = log.last(TRAINING) is None
    if begins and forgets and order.commit_only:
        raise InputError(
            f"'{folder}' has no training yet, and --commit stops before one. Expected a certified training to forget "
            "records of. Begin without --forget."
        )
    if begins:
        plain = order.method if methods.trains_its_own(order.method) else "retrain"
        trail = begin(folder, challenge, signer, replace(order, method=plain))
        log = trail.log
        if order.commit_only:
            return _committed(folder, log.entries[-1].predicate["records"], say)
        say(f"Certified: a training on {trail.leaves().head.size:,} records, line {trail.number + 1} of its log.")
    elif not forgets:
        raise InputError(
            f"'{folder}' has a certified training already, and nothing was said to be forgotten. Expected --forget, or "
            "another folder. Add, for instance, --forget requests.csv."
        )
    certificate = delete(folder, challenge, signer, order) if forgets else None
    if forgets and certificate is None:
        head = Trail.read(folder, signer.verifier).log.entries[-1].predicate["records"]
        return _committed(folder, head, say)
    return _summary(folder, certificate, signer, say)


def _summary(folder: Path, certificate: Certificate | None, signer: Signer, say: Any) -> dict[str, Any]:
    from kit.proofs import certificate as certificates
    from kit.proofs import signatures, trail

    summary: dict[str, Any] = {"folder": str(folder), "key": signer.verifier.name}
    if certificate is None:
        say(f"Next: kit certify {folder} --forget WHAT")
        return summary
    for line in certificate.lines():
        say(line)
    receipts = folder / trail.RECEIPTS
    say(
        f"Written: {folder / certificates.NAME}, {receipts}/ (a receipt a person: hand them over and delete them here, "
        f"and the trail has forgotten). Others check it with your public key, {signatures.home() / signatures.PUBLIC}."
    )
    deletion = certificate.deletion
    return summary | {
        "certificate": str(folder / certificates.NAME),
        "deleted": len(deletion.deleted),
        "method": deletion.method,
        "class": deletion.kind,
        "guarantee": dict(deletion.guarantee),
        "not_proven": deletion.not_proven,
    }


def _committed(folder: Path, head: dict[str, Any], say: Any) -> dict[str, Any]:
    say(
        f"Committed: {head['size']:,} records, root {head['root']}. Next: the auditor's nonce, with the same command, "
        "--nonce HEX instead of --commit."
    )
    return {"folder": str(folder), "records": head}


def _printer(*, to_people: bool) -> Any:
    from rich.console import Console

    console = Console(stderr=to_people, highlight=False)
    return lambda line: console.print(line, markup=False, soft_wrap=True)
