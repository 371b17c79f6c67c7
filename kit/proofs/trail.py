"""The folder of a certified model: log, present training, salts, certificates. All that is in it, and where.

| file | what it is | for whom |
|---|---|---|
| `log.jsonl` | all statements | everybody |
| `certificate.json` | the last deletion | everybody |
| `training-N/leaves.npy` | the sorted leaves that the training of line N has learnt | everybody |
| `training-N/weights.npz`, `states.npy` | the model, its states | auditors |
| `training-N/kept/`, `model.json` | what the method keeps, by which it deletes | auditors |
| `private/salts.npy` | which leaf is which record's | auditors |
| `receipts/` | a receipt a deleted record, to be handed over and not kept | the person |
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kit.proofs import log as logs
from kit.proofs import states as chains
from kit.proofs import terms
from kit.proofs.commitment import Commitment, Head
from kit.proofs.log import Entry, Log
from kit.proofs.signatures import Rejected, Verifier, damaged
from kit.proofs.tree import SIZE
from kit.storage import files
from kit.storage.digests import digest_of

COMMITMENT, NONCE, TRAINING = "commitment", "nonce", "training"
LEAVES, WEIGHTS, STATES, KEPT, RECEIPTS = "leaves.npy", "weights.npz", "states.npy", "kept", "receipts"
# The description of a model whose method trains in a way of its own.
MODEL = "model.json"


@dataclass(frozen=True)
class Trail:
    """What a folder holds, read with a verifier."""

    folder: Path
    log: Log

    @classmethod
    def read(cls, folder: Path, verifier: Verifier) -> Trail:
        """Returns the trail in a folder; `Rejected` where its log is not as it was written.

        Args:
            folder: of a certified model; without a log it is empty.
            verifier: whose signatures are believed.
        """
        return cls(folder, logs.read(folder, verifier))

    @cached_property
    def number(self) -> int:
        """The line of the last training; `Rejected` where there is none."""
        training = self.log.last(TRAINING)
        if training is None:
            raise Rejected(
                f"The log in '{self.folder}' has no training. Expected a commitment, a nonce and a training. Begin "
                "with 'kit certify DIR --challenge NAME'."
            )
        return training[0]

    @property
    def training(self) -> Entry:
        """The last training."""
        return self.log.entries[self.number]

    @property
    def path(self) -> Path:
        """The folder of the last training."""
        return self.folder / f"training-{self.number}"

    def head_of(self, number: int) -> Head:
        """Returns the head that a line commits to.

        Args:
            number: of the line, from 0.

        Raises:
            Rejected: that line is no commitment.
        """
        return Head.from_json(self._at(number, COMMITMENT).predicate["records"])

    def check_terms(self, number: int) -> None:
        """Checks that the seed of a training follows from what was fixed before it.

        Args:
            number: of the training's line, from 0.

        Raises:
            Rejected: somebody chose it.
        """
        predicate = self._at(number, TRAINING).predicate
        committed, nonce = predicate["commitment"], predicate["nonce"]
        if not committed < nonce < number:
            raise damaged(
                f"Line {number + 1} of the log", "its nonce was not signed after the commitment and before it"
            )
        nonce_line = self._at(nonce, NONCE).line
        recipe, code = predicate["recipe"], predicate["code"]
        if predicate["seed"] != terms.seed_of(self.head_of(committed), predicate["method"], recipe, code, nonce_line):
            raise Rejected(
                "The seed of the training is not the one that follows from the commitment, the recipe, the code and "
                "the nonce: whoever trained has chosen it, and so the order of the records. Expected the derived seed. "
                "What the certificate claims is not proven; ask for a training with it."
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each segment of the last training: some may be left of earlier ones."""
        return tuple(int(self._at(origin, TRAINING).predicate["seed"]) for origin in self.training.predicate["origins"])

    @property
    def first_seed(self) -> int:
        """The seed of the training that the last one goes back to: the last that goes back to no other."""
        number, training = self.number, self.training
        while training.predicate["continues"] is not None:
            number = training.predicate["continues"]
            training = self._at(number, TRAINING)
        return int(training.predicate["seed"])

    def leaves(self) -> Commitment:
        """Returns the leaves of the last training; `Rejected` where they are not those committed to."""
        rows = self._rows(LEAVES, "The leaves")
        if rows.shape[1] != SIZE:
            raise damaged("The leaves", f"rows of {rows.shape[1]} bytes")
        committed = Commitment(rows)
        try:
            committed.check_order()
        except ValueError as error:
            raise damaged("The leaves", str(error)) from None
        if committed.head != self.head_of(self.training.predicate["commitment"]):
            raise damaged("The leaves", "their root is not the one that was committed to")
        return committed

    def states(self) -> np.ndarray:
        """Returns the states of the last training, uint8 (n, bytes); `Rejected` where they are not those logged."""
        predicate = self.training.predicate
        names, digests = predicate["names"], predicate["digests"]
        if chains.chained(names, digests) != predicate["chain"] or len(predicate["origins"]) != len(names):
            raise damaged("The log", "the chain over the states of its last training does not hold")
        rows = self._rows(STATES, "The states")
        if [hashlib.sha256(row.tobytes()).hexdigest() for row in rows] != digests:
            raise damaged("The states", "they are not those that were logged while the model was trained")
        return rows

    def check_weights(self) -> str:
        """Returns the sha256 of the model's weights; `Rejected` where the file is not the one that was logged."""
        path = self.path / WEIGHTS
        files.require_file(path, "Expected the weights of the certified model beside its log.")
        sha256 = files.sha256_of(path)
        if sha256 != self.training.subjects.get(WEIGHTS):
            raise damaged("The file of weights", "it does not have the sha256 that was logged")
        return sha256

    def weights(self) -> tuple[np.ndarray, ...]:
        """Returns the model's weights."""
        from kit.models.weights import read_checked_file

        return read_checked_file(self.path / WEIGHTS, self.check_weights())

    def kept(self) -> Path:
        """Returns the folder of what the method has kept; `Rejected` where its files are not those that were logged.

        The description of the model belongs to them. A method without a training of its own has kept nothing.
        """
        if digest_of_kept(self.path) != self.training.subjects.get(KEPT, ""):
            raise damaged("What the method has kept beside the model", "its files are not those that were logged")
        return self.path / KEPT

    def _at(self, number: int, kind: str) -> Entry:
        entries = self.log.entries
        if type(number) is not int or not 0 <= number < len(entries) or entries[number].kind != kind:
            raise damaged("The log", f"it has no {kind} at the place that another line names")
        return entries[number]

    def _rows(self, name: str, what: str) -> np.ndarray:
        path = self.path / name
        files.require_file(path, "Expected what 'kit certify' wrote beside the log.")
        content = path.read_bytes()
        try:
            rows = read_rows(content)
        except Exception:  # NumPy reads a header with Python's own parser, whose errors are of many kinds
            raise damaged(what, "they are no array as the kit writes them") from None
        return rows


def digest_of_kept(place: Path) -> str:
    """Returns the sha256 (hexadecimal) of names and contents of what a method has kept; "" where that is nothing.

    Args:
        place: folder of the training.
    """
    paths = [path for path in (place / MODEL, *sorted((place / KEPT).rglob("*"))) if path.is_file()]
    return digest_of([(path.relative_to(place).as_posix(), files.sha256_of(path)) for path in paths]) if paths else ""


def read_rows(content: bytes) -> np.ndarray:
    """Returns an array uint8 (n, m) from what `rows_to_bytes` wrote; `ValueError` where it is something else.

    Args:
        content: of a file.
    """
    stream = io.BytesIO(content)
    rows = np.load(stream, allow_pickle=False)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.ndim != 2 or rows_to_bytes(rows) != content:
        raise ValueError("no rows of bytes")
    return rows


def write_rows(path: Path, rows: np.ndarray) -> None:
    """Writes an array uint8 (n, m) as a `.npy` file, without a copy in memory.

    Args:
        path: of the file.
        rows: the array.

    Raises:
        OSError: the disk is full, for instance.
    """
    with path.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(rows), allow_pickle=False)


def rows_to_bytes(rows: np.ndarray) -> bytes:
    """Returns an array uint8 (n, m) as a `.npy` file.

    Args:
        rows: the array.
    """
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(rows), allow_pickle=False)
    return stream.getvalue()
