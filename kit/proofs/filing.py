"""Filing what is certified: statements into the log, trainings and receipts into the folder.

A folder of a training takes its place before its line is in the log, so that whatever ends a process leaves a log that
is true: what has no line is made again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from kit.models.weights import write_file
from kit.proofs import certificate as certificates
from kit.proofs import states, terms, trail
from kit.proofs.certificate import Certificate
from kit.proofs.commitment import Commitment, Head
from kit.proofs.log import Log
from kit.proofs.salts import Salts
from kit.proofs.signatures import Signer, digest
from kit.proofs.trail import COMMITMENT, NONCE, TRAINING
from kit.proofs.trainings import Segments
from kit.storage import files
from kit.storage.scratch import Scratch
from kit.types import Challenge


@dataclass(frozen=True)
class Terms:
    """What is fixed when a training begins: the log up to there, and what the training's line will say of it."""

    log: Log
    predicate: Mapping[str, Any]

    @classmethod
    def fixed(
        cls, folder: Path, log: Log, signer: Signer, challenge: Challenge, *, method: str, nonce: str | None
    ) -> Terms:
        """Takes a nonce into the log, an auditor's or else one that is drawn, writes it, and derives the seed.

        Args:
            folder: of the trail.
            log: with the commitment.
            signer: whose log it is.
            challenge: says what is trained, and how.
            method: whose training it is.
            nonce: an auditor's, in hexadecimal; None to draw one.

        Raises:
            CannotWrite: the log cannot be written.
        """
        number, line = log.last(COMMITMENT) or (0, log.entries[0])
        drawn = {"nonce": nonce or token_hex(terms.NONCE_BYTES), "auditors": nonce is not None}
        log = log.with_statement(signer, NONCE, {"commitment": digest(line.line)}, drawn)
        log.write(folder)
        recipe, code = terms.recipe_of(challenge), terms.code_sha256()
        head = Head.from_json(line.predicate["records"])
        seed = terms.seed_of(head, method, recipe, code, log.entries[-1].line)
        predicate = {
            "commitment": number,
            "nonce": len(log.entries) - 1,
            "method": method,
            "challenge": challenge.name,
            "recipe": recipe,
            "code": code,
            "seed": seed,
            "surroundings": terms.surroundings(),
        }
        return cls(log, predicate)

    @property
    def seed(self) -> int:
        """What follows from the terms."""
        return int(self.predicate["seed"])

    @property
    def number(self) -> int:
        """The line that the training will have."""
        return len(self.log.entries)


def committed(log: Log, signer: Signer, salts: Salts) -> Log:
    """Returns the log with a commitment to these records at its end; it is written with the nonce that follows.

    Args:
        log: so far.
        signer: whose log it is.
        salts: of the records.
    """
    head = Commitment(salts.leaves).head
    last = log.entries[-1] if log.entries else None
    if last is not None and last.kind == COMMITMENT and last.predicate["records"] == head.to_json():
        return log  # where `commit_only` has stopped
    leaves = digest(trail.rows_to_bytes(salts.leaves))
    return log.with_statement(signer, COMMITMENT, {trail.LEAVES: leaves}, {"records": head.to_json()})


@contextlib.contextmanager
def new_training(folder: Path, number: int) -> Iterator[Path]:
    """Gives a folder for a training, which takes its place in the trail once it is whole.

    Args:
        folder: of the trail.
        number: the line of the log that the training will have.
    """
    target = folder / f"training-{number}"
    with Scratch(".training-", folder) as scratch:
        whole = scratch.path / "whole"
        whole.mkdir()
        yield whole
        if target.exists():  # of a process that was killed before its line was in the log
            files.remove(target)
        os.replace(whole, target)


def stored(
    place: Path, terms_: Terms, segments: Segments, salts: Salts, signer: Signer, *, continues: int | None = None
) -> Log:
    """Writes what a training has left, and returns the log with its line, which names the one that it continues.

    Args:
        place: folder of the training.
        terms_: what was fixed before.
        segments: states, weights, and what they depend on.
        salts: of the records that were learnt, of which only the leaves are written.
        signer: whose log it is.
        continues: the line of the training that this one goes on from; None for none.
    """
    write_file(place / trail.WEIGHTS, segments.trained.weights)
    parts = {trail.LEAVES: salts.leaves, trail.STATES: segments.trained.states}
    for name, rows in parts.items():
        trail.write_rows(place / name, rows)
    digests = segments.trained.digests
    subjects = {
        trail.WEIGHTS: files.sha256_of(place / trail.WEIGHTS),
        trail.LEAVES: files.sha256_of(place / trail.LEAVES),
    }
    if kept := trail.digest_of_kept(place):
        subjects[trail.KEPT] = kept
    stated = {
        "continues": continues,
        "settings": dict(segments.settings),
        "names": list(segments.names),
        "origins": [terms_.number if origin is None else origin for origin in segments.origins],
        "digests": digests,
        "chain": states.chained(segments.names, digests),
    }
    return terms_.log.with_statement(signer, TRAINING, subjects, {**terms_.predicate, **stated})


def write_receipts(
    folder: Path,
    log: Log,
    signer: Signer,
    certificate: Certificate,
    *,
    presences: Commitment,
    salts: Salts,
    rows: np.ndarray,
) -> None:
    """Writes a receipt for each record, named by its leaf.

    Args:
        folder: of the trail.
        log: with the certificate in it.
        signer: of the receipts.
        certificate: of the deletion.
        presences: the commitment before it.
        salts: before it.
        rows: int64 (k,), which of the salts are of deleted records.

    Raises:
        CannotWrite: a receipt cannot be written.
    """
    for row in rows:
        leaf = salts.leaves[row].tobytes()
        receipt = certificates.receipt(
            signer,
            log,
            certificate,
            salt=salts.salts[row].tobytes(),
            content=salts.contents[row].tobytes(),
            presence=presences.presence(leaf),
        )
        with files.atomic_write(folder / trail.RECEIPTS / f"{leaf.hex()[:16]}.json", mode=0o600) as stream:
            stream.write(receipt)
