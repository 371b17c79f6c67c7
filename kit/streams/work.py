"""A queue's work on a certified model (`kit.proofs`): plan, delete, and tell afterwards how far a killed process came.

The plan names the leaves of the records, which only the salts lead to, and these are erased by the deletion. A leaf
that the last certificate is about was deleted: so whoever comes after a kill knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kit.methods import sisa
from kit.proofs import certificate as certificates
from kit.proofs import certify, classes, commitment, signatures, trail
from kit.proofs.certificate import Certificate
from kit.proofs.finishing import finished
from kit.proofs.networks import Networks
from kit.proofs.salts import Salts
from kit.proofs.signatures import Signer
from kit.proofs.trail import Trail
from kit.storage import files
from kit.streams import evidence, measuring, methods
from kit.streams.costs import Sharded
from kit.streams.database import FOLDER
from kit.streams.leases import Batch
from kit.streams.release import AT_ONCE, Ticks
from kit.streams.request import Request
from kit.streams.store import Clock
from kit.streams.tombstones import Key, Register
from kit.types import Challenge, FailedRun, Split

_SHOWN = 16
# Of records that somebody has deleted by hand between the request and its batch.
_EARLIER = {
    "method": "none",
    "why": "the records were deleted before, which the model's log says: look for its deletions",
    "class": "earlier",
    "deleted": 0,
    "report": {},
}


@dataclass(frozen=True)
class OnTrail:
    """The work; see `kit.streams.running.Work`.

    Args:
        folder: of the certified model.
        challenge: its data; nobody looks at the forget set.
        signer: who answers for the log.
        key: of the tombstones.
        method: `methods.CHEAPEST`, `methods.BY_COST`, or a method's name.
        announce: is told what is being done.
        constant: each deletion is the same work, see `kit.proofs.certify.Order`.
        ticks: when answers leave: what is signed before has the last tick's time.
        clock: tells the queue's time.
    """

    folder: Path
    challenge: Challenge
    signer: Signer
    key: Key
    method: str = methods.CHEAPEST
    announce: Callable[[str], None] = lambda _: None
    constant: bool = False
    ticks: Ticks = AT_ONCE
    clock: Clock = time.time

    @cached_property
    def register(self) -> Register:
        """The tombstones of the training examples."""
        return Register.over(self.key, commitment.contents(self.challenge.train))

    @cached_property
    def _models(self) -> measuring.Models:
        return measuring.Models(self.challenge)

    @cached_property
    def _networks(self) -> Networks:
        return Networks()

    def plan(self, batch: Batch) -> Mapping[str, Any]:
        """See `Work.plan`.

        Raises:
            InputError: the work was to be constant, and the method's is not.
            Rejected: the log, or a file beside it, is damaged.
        """
        finished(self.folder, self.signer.verifier)
        self._remove_filed_receipts()
        salts, trail_ = Salts.read(self.folder), Trail.read(self.folder, self.signer.verifier)
        leaves: dict[str, list[str]] = {}
        for name, leaf in zip(self.key.names(map(bytes, salts.contents)), salts.leaves, strict=True):
            leaves.setdefault(name, []).append(leaf.tobytes().hex())
        method, reason = methods.method_of(self.method, trail_, batch, lambda: self._share(trail_, batch))
        if self.constant:
            classes.require_constant(method)
        before = self._measured(trail_, batch)
        return {
            "leaves": {name: leaves.get(name, []) for name in batch.records},
            "method": method,
            "reason": reason,
            "before": before,
        }

    def forget(self, batch: Batch) -> Mapping[str, Any]:
        """See `Work.forget`.

        Raises:
            InputError: records have copies that would stay, or nothing would be left.
            Rejected: the log, or a file beside it, is damaged.
        """
        plan = batch.plan or {}
        certificate = finished(self.folder, self.signer.verifier)
        planned = {bytes.fromhex(leaf) for leaves in plan["leaves"].values() for leaf in leaves}
        if not planned:
            return _EARLIER
        if certificate is None or not planned <= {*certificate.deletion.deleted}:
            order = certify.Order(
                plan["method"],
                announce=self.announce,
                constant=self.constant,
                clock=lambda: self.ticks.last(batch.begun, self.clock()),
                networks=self._networks,
            )
            certificate = certify.delete(self.folder, self._without(batch), self.signer, order)
        if certificate is None or planned != {*certificate.deletion.deleted}:
            raise FailedRun(
                "The last certificate is not about the records of this batch alone. Expected that nobody else works on "
                "the certified model. Look into its log before the queue is served again."
            )
        return self._outcome(batch, certificate)

    def papers(self, batch: Batch, request: Request) -> Mapping[str, bytes]:
        """See `Work.papers`: the certificate, and the receipt of each record and its copies."""
        leaves = self._leaves(batch, request)
        if not leaves:
            return {}
        papers = {certificates.NAME: (self.folder / certificates.NAME).read_bytes()}
        for leaf in leaves:
            path = self._receipt(leaf)
            files.require_file(path, "Expected the receipt that the deletion wrote.")
            papers[f"{evidence.RECEIPT}{path.name}"] = path.read_bytes()
        return papers

    def clean(self, batch: Batch) -> None:
        """See `Work.clean`: the receipts lie with the evidence now."""
        for request in batch.requests:
            for leaf in self._leaves(batch, request):
                self._receipt(leaf).unlink(missing_ok=True)

    def _leaves(self, batch: Batch, request: Request) -> list[str]:
        plan = batch.plan or {}
        return [leaf for name in request.records for leaf in plan["leaves"][name]]

    def _receipt(self, leaf: str) -> Path:
        return self.folder / trail.RECEIPTS / f"{leaf[:_SHOWN]}.json"

    def _remove_filed_receipts(self) -> None:
        """Removes receipts that lie with a request's evidence: of a process that was killed before its `clean`."""
        filed = {path.name for path in (self.folder / FOLDER / evidence.FOLDER).glob(f"*/{evidence.RECEIPT}*")}
        for path in (self.folder / trail.RECEIPTS).glob("*.json"):
            if f"{evidence.RECEIPT}{path.name}" in filed:
                path.unlink(missing_ok=True)

    def _measured(self, certified: Trail, batch: Batch) -> dict[str, dict[str, float]]:
        return measuring.measured(self._models.of(certified), self.challenge, self.register.rows_of(batch.records))

    def _share(self, certified: Trail, batch: Batch) -> float:
        """Returns the share of all training that SISA does again for a batch."""
        shape = Sharded(*(int(certified.training.predicate["settings"][name]) for name in ("shards", "slices")))
        some = self.challenge.train.take(self.register.rows_of(batch.records))
        return shape.share_of(*sisa.places(certified.kept(), some.x, some.y))

    def _without(self, batch: Batch) -> Challenge:
        """Returns the challenge whose forget set are a batch's records that are still there, copies included."""
        leaves = (batch.plan or {})["leaves"]
        rows = self.register.rows_of(name for name in batch.records if leaves[name])
        rest = np.delete(np.arange(len(self.challenge.train)), rows)
        return replace(self.challenge, split=Split("requests", 0, rows, rest))

    def _outcome(self, batch: Batch, certificate: Certificate) -> dict[str, Any]:
        """Returns what the evidence says of a deletion."""
        deletion, plan = certificate.deletion, batch.plan or {}
        trail_ = Trail.read(self.folder, self.signer.verifier)
        after = self._measured(trail_, batch)
        return {
            "method": deletion.method,
            "why": plan["reason"],
            "served": _manner(self.constant, self.ticks),
            "class": deletion.kind,
            "guarantee": dict(deletion.guarantee),
            "deleted": len(deletion.deleted),
            "gone_earlier": sum(not leaves for leaves in plan["leaves"].values()),
            "log_line": deletion.entries["training"] + 1,
            "weights_sha256": certificate.entry.subjects[trail.WEIGHTS],
            "certificate_sha256": signatures.digest(certificate.to_bytes()),
            "signed_by": self.signer.verifier.name,
            "certified_at": str(certificate.entry.predicate["when"]),
            "report": measuring.report(plan["before"], after),
            "not_proven": list(deletion.not_proven),
        }


def _manner(constant: bool, ticks: Ticks) -> str:
    """Returns how a batch is served, against who looks at the time."""
    padded = f"answers leave at ticks of {ticks.seconds:g} s" if ticks.seconds else ""
    return ", ".join(filter(None, ("the same work each time" if constant else "", padded))) or "plainly"
