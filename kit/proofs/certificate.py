"""The certificate of a deletion, and the receipt for the person whose record it was.

A certificate is an object of `envelope`, the signed line of the log (see `signatures`), and `absences`, the proofs
that follow from it: the leaf of each deleted record is not in the new tree. A receipt is an envelope that stands alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.proofs import log as logs
from kit.proofs import signatures, tree
from kit.proofs.classes import APPROXIMATE, CERTIFIED, EXACT
from kit.proofs.commitment import Absence, Head, Presence
from kit.proofs.log import Entry, Log
from kit.proofs.signatures import Signer, Verifier, damaged

NAME = "certificate.json"
DELETION, RECEIPT = "deletion", "receipt"
NOT_PROVEN = (
    "that no other copy of the data, of the model or of what was made of it exists, in backups for instance",
    "that no near-duplicate of a deleted record stayed: another leaf stands for another record, however like it is",
    "that settings which were chosen with the deleted records were chosen again without them",
    "that the first commitment was complete: what was learnt and never committed to is not seen",
)
OWN_NONCE = (
    "that nobody shopped for a seed: the nonce is the trainer's own, who could have tried several; have an auditor "
    "give one (--nonce) after the commitment is signed"
)
NOT_EXECUTABLE = {
    CERTIFIED: "that the method was executed as stated: it takes the deleted records, which an auditor does not have; "
    "what it guarantees is (epsilon, delta), not equality",
    APPROXIMATE: "that the model is as if the records had never been there: the method is approximate, and what its "
    "report measured is all that is known",
}
ELSEWHERE = (
    "on a processor or with libraries other than the stated ones, that bits are equal: there only nearness can be "
    "checked, which is weaker, since what is only near can be forged"
)


@dataclass(frozen=True)
class Deletion:
    """What a certificate states.

    Args:
        method, kind: name, and one of `exact`, `certified`, `approximate`.
        guarantee: of a certified method `epsilon` and `delta`, of an approximate one `report`, a sha256; as texts.
        old, new: heads of the trees before and after.
        entries: numbers of lines of the log: `old` and `new` commitment, `training`.
        deleted: the leaves of the deleted records, rising.
        auditors_nonce: whether an auditor gave it.
    """

    method: str
    kind: str
    guarantee: Mapping[str, str]
    old: Head
    new: Head
    entries: Mapping[str, int]
    deleted: tuple[bytes, ...]
    auditors_nonce: bool

    @property
    def not_proven(self) -> list[str]:
        """What nobody may take the certificate for."""
        more = [] if self.auditors_nonce else [OWN_NONCE]
        return [*NOT_PROVEN, *more, *([ELSEWHERE] if self.kind == EXACT else [NOT_EXECUTABLE[self.kind]])]

    def to_json(self) -> dict[str, Any]:
        """Returns the predicate."""
        return {
            "method": self.method,
            "class": self.kind,
            "guarantee": dict(self.guarantee),
            "old": self.old.to_json(),
            "new": self.new.to_json(),
            "entries": dict(self.entries),
            "deleted": [leaf.hex() for leaf in self.deleted],
            "auditors_nonce": self.auditors_nonce,
            "not_proven": self.not_proven,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Deletion:
        """Returns what `to_json` was called on; `ValueError`, `KeyError` or `TypeError` where it is none.

        Args:
            content: the predicate of a statement, plain values.
        """
        deletion = cls(
            str(content["method"]),
            str(content["class"]),
            {str(name): str(value) for name, value in content["guarantee"].items()},
            Head.from_json(content["old"]),
            Head.from_json(content["new"]),
            {name: int(content["entries"][name]) for name in ("old", "new", "training")},
            tuple(bytes.fromhex(leaf) for leaf in content["deleted"]),
            bool(content["auditors_nonce"]),
        )
        if deletion.to_json() != {name: content[name] for name in deletion.to_json()}:
            raise ValueError("it does not say what such a certificate says")
        return deletion


@dataclass(frozen=True)
class Certificate:
    """A certificate, read and checked as far as it stands alone."""

    entry: Entry
    deletion: Deletion
    absences: tuple[Absence, ...]

    @classmethod
    def of(cls, content: bytes, verifier: Verifier) -> Certificate:
        """Returns the certificate that some bytes are.

        Args:
            content: of a certificate's file.
            verifier: whose signature is believed.

        Raises:
            Rejected: it is damaged, signed by another key, of another version, or a proof does not hold.
        """
        what = "The certificate"
        line, proofs = _bundle(content)
        entry = Entry(line, logs.checked_statement(verifier.opened(line, what), what))
        if entry.kind != DELETION:
            raise damaged(what, f"its statement is a {entry.kind}")
        try:
            deletion = Deletion.from_json(entry.predicate)
            absences = tuple(Absence.from_json(proof) for proof in proofs)
            _check_leaves(deletion, [absence.leaf for absence in absences])
            for absence in absences:
                absence.check(deletion.new)
            certificate = cls(entry, deletion, absences)
            if certificate.to_bytes() != content:
                raise ValueError("it is not written in the one way in which the kit writes it")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(what, _half_sentence(error)) from None
        return certificate

    def to_bytes(self) -> bytes:
        """Returns what is in the file."""
        proofs = [absence.to_json() for absence in self.absences]
        return signatures.canonical({"absences": proofs, "envelope": self.entry.line.decode()}) + b"\n"

    def lines(self) -> list[str]:
        """Returns the certificate for people, what it does not prove included."""
        deletion = self.deletion
        order = ("epsilon", "delta", "report")
        guarantee = ", ".join(f"{name} {deletion.guarantee[name]}" for name in order if name in deletion.guarantee)
        kind = f"{deletion.kind} ({guarantee})" if guarantee else deletion.kind
        return [
            f"{len(deletion.deleted):,} of {deletion.old.size:,} records deleted by {deletion.method}: {kind}.",
            f"Root before {deletion.old.root.hex()[:16]}..., after {deletion.new.root.hex()[:16]}...; "
            f"weights {self.entry.subjects.get('weights.npz', '')[:16]}...; {self.entry.predicate['when']}.",
            "Not proven:",
            *(f"- {text}." for text in deletion.not_proven),
        ]


def _bundle(content: bytes) -> tuple[bytes, Sequence[Any]]:
    try:
        bundle = json.loads(content)
        line, proofs = bundle["envelope"].encode(), bundle["absences"]
        if not isinstance(proofs, list):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise damaged("The certificate", "it is no certificate as the kit writes them") from None
    return line, proofs


def _check_leaves(deletion: Deletion, proven: Sequence[bytes]) -> None:
    if list(deletion.deleted) != sorted(set(deletion.deleted)) or list(proven) != list(deletion.deleted):
        raise ValueError("its proofs of absence are not those of the deleted records")
    if deletion.old.size - deletion.new.size != len(deletion.deleted) or not deletion.deleted:
        raise ValueError("the trees differ by another number of records")


def _half_sentence(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else "it does not say what such a certificate says"


def receipt(
    signer: Signer, log: Log, certificate: Certificate, *, salt: bytes, content: bytes, presence: Presence
) -> bytes:
    """Returns the receipt for one record: no model, no data; a line.

    Args:
        signer: of the certificate.
        log: with the certificate in it.
        certificate: of the deletion.
        salt: of the record.
        content: hash of the record, which is not written.
        presence: the proof that its leaf was in the old tree.

    Raises:
        ValueError: the salt is not that of the leaf, or nothing shows that the leaf is gone.
    """
    leaf = tree.leaf_hash(salt + content)
    absence = next((proof for proof in certificate.absences if proof.leaf == leaf), None)
    if absence is None or presence.leaf != leaf:
        raise ValueError("a record that the certificate is not about")
    deletion = certificate.deletion
    predicate = {
        "salt": salt.hex(),
        "present": presence.to_json(),
        "absent": absence.to_json(),
        "old": deletion.old.to_json(),
        "new": deletion.new.to_json(),
        "class": deletion.kind,
        "method": deletion.method,
        "not_proven": deletion.not_proven,
        "log": log.head.to_json(),
        "when": certificate.entry.predicate["when"],
    }
    subjects = {NAME: signatures.digest(certificate.to_bytes())}
    return signer.sealed(signatures.statement(logs.PREFIX + RECEIPT, subjects, predicate)) + b"\n"


def check_receipt(receipt: bytes, verifier: Verifier, content: bytes | None = None) -> Mapping[str, Any]:
    """Returns what a receipt states.

    Args:
        receipt: bytes of one.
        verifier: who checks.
        content: of the person's own record (`commitment.contents`), if that is to be checked too.

    Raises:
        Rejected: it is damaged, signed by another key, of another version, of another record, or does not hold.
    """
    what = "The receipt"
    line = receipt.removesuffix(b"\n")
    statement = logs.checked_statement(verifier.opened(line, what), what)
    predicate = Entry(line, statement).predicate
    try:
        if receipt != line + b"\n" or statement["predicateType"] != logs.PREFIX + RECEIPT:
            raise ValueError("it is none as the kit writes them")
        present, absent = Presence.from_json(predicate["present"]), Absence.from_json(predicate["absent"])
        present.check(Head.from_json(predicate["old"]))
        absent.check(Head.from_json(predicate["new"]))
        if present.leaf != absent.leaf:
            raise ValueError("its two proofs are of two leaves")
        if content is not None and tree.leaf_hash(bytes.fromhex(predicate["salt"]) + content) != present.leaf:
            raise ValueError("it is not of this record")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(what, _half_sentence(error)) from None
    return predicate
