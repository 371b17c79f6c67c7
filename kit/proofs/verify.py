"""Verifying a certificate, at three levels: what is signed, some segments executed again, all of them.

| level | what is checked | what it takes |
|---|---|---|
| 0 | signatures, the log, trees, seeds, the chain over states, the files' digests | milliseconds, no data |
| 1 | the data against the commitment, and k segments drawn at random and executed again | the data, k segments |
| 2 | the same for all segments: equal bits from the seed to the weights | the data, a training |

Segments are drawn independently of each other, so that a cheat in a share f of them is found with the probability
1 - (1 - f)^k. On another processor, or with other libraries, bits differ honestly: there each segment has to end near
where it did, and the verdict says that this is weaker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.proofs import certificate as certificates
from kit.proofs import terms
from kit.proofs.certificate import Certificate
from kit.proofs.classes import EXACT, SISA
from kit.proofs.commitment import Commitment
from kit.proofs.salts import Salts
from kit.proofs.segments import TOLERANCE, check_segments
from kit.proofs.signatures import Rejected, Verifier, damaged
from kit.proofs.trail import Trail
from kit.rules import RETRAIN
from kit.storage import files
from kit.types import Arrays, Challenge, InputError

if TYPE_CHECKING:  # what trains imports TensorFlow, which level 0 does without
    from kit.proofs.trainings import Execution
SEGMENTS = 3


@dataclass(frozen=True)
class Check:
    """A check of a certificate: PASS, WARN, FAIL or SKIP, its name, and what was found."""

    name: str
    status: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """All checks in their order, and what the certificate does not prove."""

    level: int
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "FAIL" for check in self.checks)

    @property
    def weaker(self) -> bool:
        """Whether something could be checked less strictly than the level asks for."""
        return any(check.status == "WARN" for check in self.checks)


@dataclass
class Verification:
    """One certificate, checked step by step.

    Args:
        path: of the certificate, in the folder of its trail.
        verifier: whose signatures are believed.
        announce: is told each check as soon as it is known.
    """

    path: Path
    verifier: Verifier
    announce: Callable[[Check], None] = lambda _: None
    checks: list[Check] = field(default_factory=list)
    certificate: Certificate | None = None

    def run(self, level: int, challenge: Challenge | None = None, draw: Draw | None = None) -> Verdict:
        """Checks a certificate.

        Args:
            level: 0, 1 or 2, see the module.
            challenge: holds the committed data, from level 1 on.
            draw: which segments are executed at level 1.

        Raises:
            InputError: there is no such file, or this kit is not the version that trained.
        """
        files.require_file(self.path, "Expected a certificate that 'kit certify' wrote.")
        try:
            trail, commitment = self._level_0()
            if level and challenge is not None:
                self._executed(trail, commitment, challenge, (draw or Draw()) if level == 1 else None)
        except Rejected as rejected:
            self._record("rejected", str(rejected), "FAIL")
        not_proven = self.certificate.deletion.not_proven if self.certificate else []
        return Verdict(level, tuple(self.checks), tuple(not_proven))

    def _level_0(self) -> tuple[Trail, Commitment]:
        content = self.path.read_bytes()
        certificate = self.certificate = Certificate.of(content, self.verifier)
        deletion = certificate.deletion
        self._record(
            "certificate", f"signed by {self.verifier.name[:16]}..., {len(deletion.deleted):,} absences proven"
        )
        trail = Trail.read(self.path.parent, self.verifier)
        place = certificate.entry.before
        trail.log.require_continues(place, "the certificate")
        if place.size >= len(trail.log.entries) or trail.log.entries[place.size].line != certificate.entry.line:
            raise Rejected(
                "The certificate is not in the log, which ends before it or has another line at its place. Expected "
                "its own line there. Get the whole log from whoever certified; if theirs is the same, it was withdrawn."
            )
        self._record("log", f"{len(trail.log.entries)} lines, each signed, each following from those before")
        trail.check_terms(trail.number)
        for origin in set(trail.training.predicate["origins"]):
            trail.check_terms(origin)
        self._record("terms", "the seed follows from commitment, recipe, code and a nonce that was signed before")
        commitment = _checked_files(trail, certificate)
        self._record("trees", f"{deletion.old.size:,} leaves before, {deletion.new.size:,} after: those and no others")
        states = trail.states()
        self._record("chain", f"{len(states)} states chained; weights are those that were logged")
        return trail, commitment

    def _executed(self, trail: Trail, commitment: Commitment, challenge: Challenge, draw: Draw | None) -> None:
        """Executes segments again: those drawn, or all."""
        deletion = self.certificate.deletion if self.certificate else None
        if deletion is None or deletion.kind != EXACT:
            self._record("execution", certificates.NOT_EXECUTABLE[deletion.kind if deletion else ""], "SKIP")
            return
        predicate = trail.training.predicate
        _require_same_code(str(predicate["code"]))
        if terms.recipe_of(challenge) != predicate["recipe"]:
            raise Rejected(
                "The challenge is not trained as the certificate says: model, recipe, batch size or task differ. "
                "Expected the stated ones. Give the challenge that was certified (--challenge)."
            )
        salts = Salts.read(trail.folder)
        if Commitment(salts.leaves).head != commitment.head:
            raise damaged("The file of salts", "its leaves are not those that were committed to")
        records = salts.records_among(challenge.train)
        self._record("data", f"all {len(records):,} leaves are of records that are there, to the bit")
        execution = execution_of(trail, challenge, records)
        states = [state.tobytes() for state in trail.states()]
        exact = terms.surroundings() == predicate["surroundings"]
        numbers = range(len(states)) if draw is None else draw.of(len(states))
        if len(execution) != len(states):
            raise damaged("The log", "it has not as many states as the training has segments")
        check_segments(execution, states, numbers, tolerance=None if exact else TOLERANCE)
        _check_weights(execution, states, trail)
        what = "all" if draw is None else f"{len(set(numbers))} drawn"
        if exact:
            self._record("execution", f"{what} of {len(states)} segments executed again, to the same bits")
        else:
            self._record("execution", f"{what} of {len(states)} segments end within {TOLERANCE}. {WEAKER}", "WARN")

    def _record(self, name: str, message: str, status: str = "PASS") -> None:
        self.checks.append(Check(name, status, message))
        self.announce(self.checks[-1])


WEAKER = (
    "This machine, or a library, is not the one that trained, so bits cannot be compared: that is weaker, for what is "
    "only near can be forged."
)


@dataclass(frozen=True)
class Draw:
    """Which segments are executed at level 1.

    Args:
        segments: how many are drawn, independently of each other.
        seed: of the draw; None for one that nobody can foresee.
    """

    segments: int = SEGMENTS
    seed: int | None = None

    def of(self, number: int) -> list[int]:
        """Returns the drawn numbers of segments, one maybe several times.

        Args:
            number: of all segments, 1 or more.

        Returns:
            From 0 to `number` - 1.

        Example:
            >>> len(Draw(5).of(2))
            5
        """
        drawn: list[int] = np.random.default_rng(self.seed).integers(number, size=self.segments).tolist()
        return drawn


def execution_of(trail: Trail, challenge: Challenge, records: Arrays) -> Execution:
    """Returns the execution of the last training of a trail.

    Args:
        trail: of the training.
        challenge: its model and recipe.
        records: that were learnt, in the order of their leaves.

    Raises:
        Rejected: the method has nothing to execute.
    """
    from kit.proofs.trainings import Plain, Sharded

    predicate, seeds = trail.training.predicate, trail.seeds
    if predicate["method"] == RETRAIN:
        return Plain(challenge, records, int(predicate["seed"]), predicate["settings"])
    if predicate["method"] != SISA:
        raise damaged("The log", f"its last training, of '{predicate['method']}', has nothing to execute")
    return Sharded(challenge, records, predicate["settings"]).of(seeds, trail.first_seed)


def _checked_files(trail: Trail, certificate: Certificate) -> Commitment:
    """Checks that what lies beside a certificate is what it is about, and returns the leaves.

    Raises:
        Rejected: it is not.
    """
    deletion, what = certificate.deletion, "The certificate"
    if trail.number != deletion.entries["training"]:
        raise Rejected(
            "The certificate is not about the last training in the log: records were deleted since, and the model that "
            f"it was about is gone. Expected the certificate of the last deletion. Check '{certificates.NAME}' of the "
            "same folder."
        )
    stated = trail.head_of(deletion.entries["old"]), trail.head_of(deletion.entries["new"])
    if stated != (deletion.old, deletion.new) or trail.training.predicate["commitment"] != deletion.entries["new"]:
        raise damaged(what, "its trees are not those that the log commits to")
    if trail.training.predicate["method"] != deletion.method or trail.training.subjects != certificate.entry.subjects:
        raise damaged(what, "its method or model is not the one that the log has")
    if trail.log.entries[trail.training.predicate["nonce"]].predicate["auditors"] != deletion.auditors_nonce:
        raise damaged(what, "it does not say whose the nonce in the log is")
    trail.check_weights()
    commitment = trail.leaves()
    deleted = np.frombuffer(b"".join(deletion.deleted), np.uint8).reshape(-1, 32)
    try:
        before = Commitment.of(np.concatenate([commitment.leaves, deleted])).head
    except ValueError:
        before = None
    if before != deletion.old:
        raise Rejected(
            "The leaves after the deletion and the deleted ones together are not the leaves before: a record was "
            "added, or swapped for another. Expected the same records without the deleted ones. Do not believe the "
            "certificate; ask whoever certified for a new deletion."
        )
    return commitment


def _check_weights(execution: Execution, states: Sequence[bytes], trail: Trail) -> None:
    expected, stored = execution.weights(states), trail.weights()
    same = len(expected) == len(stored) and all(map(np.array_equal, expected, stored))
    if not same:
        raise damaged("The file of weights", "it does not hold what the training has ended with")


def _require_same_code(code: str) -> None:
    if code != terms.code_sha256():
        raise InputError(
            f"This kit's code is not the one that trained (sha256 {terms.code_sha256()[:16]}..., {code[:16]}... is "
            "stated). Expected the same, for the seed depends on it, and so do the bits. Install the version that is "
            "stated in the log, or check at --level 0."
        )
