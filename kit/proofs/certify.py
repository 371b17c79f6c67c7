"""Certifying: commit, take a nonce, train; later leave records out, commit, take a nonce, train, and say so, signed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kit.proofs import certificate as certificates
from kit.proofs import classes, commitment, editing, states, trail, trainings
from kit.proofs.certificate import Certificate, Deletion
from kit.proofs.commitment import Commitment
from kit.proofs.filing import Terms, committed, new_training, stored, write_receipts
from kit.proofs.finishing import finished
from kit.proofs.log import Log
from kit.proofs.networks import Networks
from kit.proofs.salts import Salts
from kit.proofs.signatures import Signer
from kit.proofs.trail import TRAINING, Trail
from kit.proofs.trainings import Plain, Segments, Sharded
from kit.rules import RETRAIN
from kit.storage import files
from kit.types import Arrays, Challenge, InputError, Split


@dataclass(frozen=True)
class Order:
    """How a training is certified.

    Args:
        method: `retrain`, `sisa`, or another: see `classes.class_of`.
        nonce: an auditor's, in hexadecimal; None to draw one.
        every: after how many epochs `retrain`'s state is read; None for `states.stride`.
        report: of an approximate method, the kit's report of it.
        commit_only: stop when the commitment is signed, for an auditor to give a nonce.
        announce: is told what is being done.
        constant: of `sisa`, everything is trained again, so that neither time nor log tells where a record was.
        clock: tells UTC seconds, for the log.
        networks: of `sisa`, made before for another deletion of the same model.
    """

    method: str = RETRAIN
    nonce: str | None = None
    every: int | None = None
    report: Path | None = None
    commit_only: bool = False
    announce: Callable[[str], None] = lambda _: None
    constant: bool = False
    clock: Callable[[], float] = time.time
    networks: Networks = field(default_factory=Networks, repr=False)


def begin(folder: Path, challenge: Challenge, signer: Signer, order: Order) -> Trail:
    """Commits to a challenge's training data, trains on them, and logs both.

    Args:
        folder: new or empty, or where `commit_only` has stopped.
        challenge: its training data, forget set included, are committed to.
        signer: who answers for the log.
        order: see there. The method is the one whose training the original has.

    Raises:
        InputError: the folder has a training already, or the method cannot begin one.
        CannotWrite: the folder cannot be written to.
    """
    log = Trail.read(folder, signer.verifier).log
    editing.require_beginning(order.method)
    if log.last(TRAINING) is not None:
        raise InputError(
            f"'{folder}' has a certified training already. Expected a new folder, or records to forget. Name another "
            "folder, or say what is to be forgotten with --forget."
        )
    contents = commitment.contents(challenge.train)
    if log.entries:
        salts = Salts.read(folder)
    else:
        files.require_free(folder, "the command's first argument")
        salts = Salts.drawn(contents)
        salts.write(folder)
    log = committed(log, signer, salts)
    if order.commit_only:
        log.write(folder)
        return Trail(folder, log)
    records = salts.records_among(challenge.train, contents)
    terms_ = Terms.fixed(folder, log, signer, challenge, method=order.method, nonce=order.nonce)
    order.announce(f"training on {len(records):,} committed records, seed {terms_.seed}")
    with new_training(folder, terms_.number) as place:
        segments = _trained(place, challenge, records, terms_, order)
        log = stored(place, terms_, segments, salts, signer)
    log.write(folder)
    return Trail(folder, log)


def delete(folder: Path, challenge: Challenge, signer: Signer, order: Order) -> Certificate | None:
    """Leaves the challenge's forget set out, trains without it, and certifies that; the trail forgets its salts.

    Args:
        folder: with a certified training.
        challenge: has the committed data, and says what is forgotten of them.
        signer: whose log it is.
        order: see there.

    Returns:
        The certificate, which is in the folder, with a receipt for each record; None where `commit_only` stopped.

    Raises:
        InputError: a record is not committed to, or would stay in another copy; a report is missing.
        Rejected: the log, or a file beside it, is damaged.
    """
    finished(folder, signer.verifier)  # what a killed process has left
    old = Trail.read(folder, signer.verifier)
    leaves, salts = old.leaves(), Salts.read(folder)
    old.check_weights()
    editing.require_possible(order.method, old.training.predicate["method"], order.report, challenge)
    if order.constant:
        classes.require_constant(order.method)
    contents = commitment.contents(challenge.train)
    rows = _forgotten_rows(challenge.split, contents, salts)
    gone, kept = salts.leaves[rows], salts.without(rows)
    log = committed(replace(old.log, clock=order.clock), signer, kept)
    if order.commit_only:
        log.write(folder)
        return None
    terms_ = Terms.fixed(folder, log, signer, challenge, method=order.method, nonce=order.nonce)
    order.announce(f"{order.method} without {len(rows):,} of {len(leaves.leaves):,} records, seed {terms_.seed}")
    with new_training(folder, terms_.number) as place:
        records = kept.records_among(challenge.train, contents)
        segments = _removed(place, challenge, records, terms_, order=order, old=old)
        continues = None if _begins_anew(order.method, old) else old.number
        log = stored(place, terms_, segments, kept, signer, continues=continues)
        deletion = _deletion(old, terms_, order, challenge, before=leaves, kept=kept, gone=gone, place=place)
        certificate, log = certified(log, signer, deletion, Commitment(kept.leaves), log.entries[-1].subjects)
        write_receipts(folder, log, signer, certificate, presences=leaves, salts=salts, rows=rows)
    log.write(folder)
    return finished(folder, signer.verifier)


def certified(
    log: Log, signer: Signer, deletion: Deletion, remaining: Commitment, subjects: Mapping[str, str]
) -> tuple[Certificate, Log]:
    """Returns the certificate of a deletion, and the log with it.

    Args:
        log: with the new commitment and training.
        signer: whose log it is.
        deletion: what is stated.
        remaining: the commitment to the records that stay.
        subjects: name and sha256 (hexadecimal) of the new model's files.

    Raises:
        InputError: a record that is to be certified as deleted is present.
    """
    try:
        absences = tuple(remaining.absence(leaf) for leaf in deletion.deleted)
    except ValueError as error:
        raise InputError(
            f"A certificate cannot be made: it is about {error}. Expected records that are not there any more. Leave "
            "them out of the new commitment first."
        ) from error
    log = log.with_statement(signer, certificates.DELETION, subjects, deletion.to_json())
    certificate = Certificate(log.entries[-1], deletion, absences)
    return Certificate.of(certificate.to_bytes(), signer.verifier), log


def _trained(place: Path, challenge: Challenge, records: Arrays, terms_: Terms, order: Order) -> Segments:
    """Trains from the beginning."""
    every = order.every or states.stride(len(records))
    if order.method == RETRAIN:
        return Plain(challenge, records, terms_.seed, {"every": every}).train()
    kept = place / trail.KEPT
    kept.mkdir()
    if order.method == classes.SISA:
        return Sharded(challenge, records, trainings.shape_of(challenge)).train(terms_.seed, kept)
    return editing.trained(order.method, challenge, records, terms_.seed, place)


def _removed(
    place: Path, challenge: Challenge, records: Arrays, terms_: Terms, *, order: Order, old: Trail
) -> Segments:
    """Makes the model without the forgotten records."""
    if _begins_anew(order.method, old):
        return _trained(place, challenge, records, terms_, order)
    if order.method != classes.SISA:
        return editing.edited(order.method, challenge, records, seed=terms_.seed, old=old, place=place)
    shutil.copytree(old.kept(), place / trail.KEPT)
    predicate = old.training.predicate
    names, earlier = predicate["names"], [state.tobytes() for state in old.states()]
    return Sharded(challenge, records, predicate["settings"], order.networks).remove(
        terms_.seed,
        place / trail.KEPT,
        challenge.train.take(challenge.split.forget),
        dict(zip(names, earlier, strict=True)),
        dict(zip(names, predicate["origins"], strict=True)),
        constant=order.constant,
    )


def _begins_anew(method: str, old: Trail) -> bool:
    """Returns whether a deletion is a whole training: by `retrain`, and by `sisa` where there are no shards yet."""
    return method == RETRAIN or (method == classes.SISA and old.training.predicate["method"] != classes.SISA)


def _forgotten_rows(split: Split, contents: np.ndarray, salts: Salts) -> np.ndarray:
    """Returns the rows of the salts of the records that are to be forgotten.

    Raises:
        InputError: some are not committed to, or have copies that would stay.
    """
    forget, retain = contents[split.forget], contents[split.retain]
    rows = salts.rows_of(forget)
    known = {content.tobytes() for content in salts.contents[rows]}
    missing = sum(content.tobytes() not in known for content in forget)
    if missing:
        raise InputError(
            f"{missing:,} of {len(forget):,} records to forget are not among those committed to: they were deleted "
            "before, or never learnt. Expected records that the certified model has learnt. Leave them out."
        )
    staying = known & {content.tobytes() for content in retain}
    if staying:
        raise InputError(
            f"{len(staying):,} of the records to forget are in the data a second time, to the bit, among those that "
            "would stay: a certificate for a present record cannot be made. Expected all copies of a record to be "
            "forgotten. Add the rows of the copies to the forget set."
        )
    if len(rows) == len(salts.leaves):
        raise InputError(
            "All committed records are to be forgotten. Expected some that stay, to train on. Delete the model instead."
        )
    return rows


def _deletion(
    old: Trail,
    terms_: Terms,
    order: Order,
    challenge: Challenge,
    *,
    before: Commitment,
    kept: Salts,
    gone: np.ndarray,
    place: Path,
) -> Deletion:
    predicate = terms_.predicate
    guarantee = editing.guarantee(order.method, challenge, place / trail.KEPT, order.report)
    return Deletion(
        order.method,
        classes.class_of(order.method),
        guarantee,
        before.head,
        Commitment(kept.leaves).head,
        {
            "old": old.training.predicate["commitment"],
            "new": predicate["commitment"],
            "training": terms_.number,
        },
        tuple(sorted(leaf.tobytes() for leaf in gone)),
        order.nonce is not None,
    )
