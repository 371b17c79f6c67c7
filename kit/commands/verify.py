"""`kit verify`: a certificate or a receipt, checked by somebody else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands import messages, options
from kit.commands.options import DebugOption, JsonOption, QuietOption, ThreadsOption

if TYPE_CHECKING:
    from rich.console import Console

    from kit.proofs.signatures import Verifier
    from kit.proofs.verify import Verdict
    from kit.types import Challenge


_CertificateArgument = Annotated[
    Path, typer.Argument(metavar="CERTIFICATE", help="certificate.json in its folder, or a person's receipt.")
]
_LevelOption = Annotated[
    int,
    typer.Option(
        "--level",
        min=0,
        max=2,
        metavar="0|1|2",
        help="0: signatures and trees. 1: segments executed again. 2: all, to the bit.",
    ),
]
_ChallengeOption = Annotated[
    str | None,
    typer.Option("--challenge", metavar="NAME|FILE", help="With the data. Default: what the log names."),
]
_KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE.pem", help="Public key of who signed. Default: this home's.")
]


def verify(
    certificate: _CertificateArgument,
    level: _LevelOption = 0,
    challenge: _ChallengeOption = None,
    segments: Annotated[
        int, typer.Option("--segments", min=1, metavar="N", help="Segments that are drawn at level 1.")
    ] = 3,
    key: _KeyOption = None,
    quietly: QuietOption = False,
    threads: ThreadsOption = None,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Check a certificate of deletion: what is signed, or the training itself, executed again.

    Examples:
        kit verify trail/certificate.json
        kit verify trail/certificate.json --level 2 --challenge data.npz
    """
    options.require_writable_file(json_file)
    from kit.storage import files

    files.require_file(certificate, "Expected a certificate or a receipt that 'kit certify' wrote.")
    from kit.proofs import signatures

    verifier = signatures.verifier(key)
    from rich.console import Console

    console = Console(stderr=str(json_file) == "-", highlight=False)
    if _is_receipt(certificate):
        _verify_receipt(certificate, verifier, console, json_file)
        return
    options.prepare(threads, debug)
    from kit.proofs.verify import Check, Draw, Verification

    def show(check: Check) -> None:
        messages.print_check(console, check.name, check.status, check.message)

    verification = Verification(certificate, verifier, show)
    loaded = _challenge(certificate, verifier, challenge, debug) if level else None
    verdict = verification.run(level, loaded, Draw(segments))
    _show(verdict, f"{certificate}", level, console)
    content = {"certificate": str(certificate), "level": level, "holds": verdict.holds, "weaker": verdict.weaker}
    checks = [asdict(check) for check in verdict.checks]
    options.write_json(json_file, content | {"checks": checks, "not_proven": list(verdict.not_proven)})
    if not verdict.holds:
        raise typer.Exit(1)


def _show(verdict: Verdict, certificate: str, level: int, console: Console) -> None:
    """Prints what is not proven, and the verdict last."""
    for text in verdict.not_proven:
        console.print(f"not proven: {text}.", markup=False, soft_wrap=True)
    words = "holds, but was checked less strictly" if verdict.weaker else "holds"
    console.print(f"\n{certificate}: {words if verdict.holds else 'does NOT hold'} (level {level}).", markup=False)


def _challenge(certificate: Path, verifier: Verifier, name: str | None, debug: bool) -> Challenge:
    """Returns the challenge with the data: the one that was asked for, else the one that the log names."""
    from kit.proofs.trail import Trail

    name = name or str(Trail.read(certificate.parent, verifier).training.predicate["challenge"])
    from kit.machine import quiet

    with quiet.quiet_tensorflow(debug):
        from kit import challenges
        from kit.runs import process

        process.prepare()
    return challenges.load_challenge(name, announce=messages.announcer())


def _is_receipt(path: Path) -> bool:
    """Returns whether a file is an envelope that stands alone: a certificate is one with proofs beside it."""
    import json

    try:
        return "payload" in json.loads(path.read_bytes())
    except (ValueError, TypeError, RecursionError):
        return False


def _verify_receipt(path: Path, verifier: Verifier, console: Console, json_file: Path | None) -> None:
    """Checks a person's receipt, which needs neither log nor model."""
    from kit.proofs.certificate import check_receipt

    stated = check_receipt(path.read_bytes(), verifier)
    messages.print_check(console, "receipt", "PASS", f"signed by {verifier.name[:16]}..., both proofs hold")
    console.print(
        f"\nThe record of leaf {stated['present']['leaf'][:16]}... was among {stated['old']['size']:,} and is not "
        f"among {stated['new']['size']:,} any more, by {stated['method']} ({stated['class']}), {stated['when']}.",
        markup=False,
        soft_wrap=True,
    )
    for text in stated["not_proven"]:
        console.print(f"not proven: {text}.", markup=False, soft_wrap=True)
    options.write_json(json_file, {"receipt": str(path), "holds": True, **stated})
