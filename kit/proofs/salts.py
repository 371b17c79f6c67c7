"""What is kept in private: the salt of each record, by which alone a leaf is known to be a record's.

A salt is found by the hash of its record, so that records may lie in any order, and beside others. To erase one is to
make the trail forget: nothing that is left leads from the leaf to the record, nor back. Copies of the file, and what a
disk keeps of what was overwritten, are beyond the kit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.proofs import commitment
from kit.proofs.signatures import Rejected
from kit.proofs.tree import SIZE
from kit.storage import files
from kit.types import Arrays

NAME = "private/salts.npy"


@dataclass(frozen=True, eq=False)
class Salts:
    """Contents (`commitment.contents`) and salts of some records, uint8 (n, 32) each, in the order of their leaves."""

    contents: np.ndarray
    salts: np.ndarray
    leaves: np.ndarray

    @classmethod
    def drawn(cls, contents: np.ndarray) -> Salts:
        """Returns new salts for records of these contents.

        Args:
            contents: uint8 (n, 32), in any order.
        """
        return cls._sorted(contents, commitment.draw_salts(len(contents)))

    @classmethod
    def _sorted(cls, contents: np.ndarray, salts: np.ndarray) -> Salts:
        leaves = commitment.leaves(contents, salts)
        order = np.lexsort(leaves.view(">u8").T[::-1])
        return cls(contents[order], salts[order], leaves[order])

    def write(self, folder: Path) -> None:
        """Writes them into a folder, for its owner alone, in place of those that are there.

        Args:
            folder: of the trail.

        Raises:
            CannotWrite: the disk is full, for instance.
        """
        path = folder / NAME
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.atomic_write(path, mode=0o600) as stream:
            np.save(stream, np.concatenate([self.contents, self.salts], axis=1), allow_pickle=False)

    @classmethod
    def read(cls, folder: Path) -> Salts:
        """Returns the salts in a folder; that they are those of a commitment, its root says.

        Args:
            folder: of a trail.

        Raises:
            InputError: there are none, or the file is damaged.
        """
        path = folder / NAME

        def load() -> Salts:
            rows = np.load(path, allow_pickle=False)
            if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 2 * SIZE:
                raise ValueError(f"an array {rows.dtype} {rows.shape}")
            return cls._sorted(rows[:, :SIZE], rows[:, SIZE:])

        salts: Salts = files.checked(load, path, "the salts of the records, which 'kit certify' keeps in private")
        return salts

    def without(self, rows: np.ndarray) -> Salts:
        """Returns all but some of them.

        Args:
            rows: int64 (k,), which are left out.
        """
        kept = np.delete(np.arange(len(self.salts)), rows)
        return Salts(self.contents[kept], self.salts[kept], self.leaves[kept])

    def rows_of(self, contents: np.ndarray) -> np.ndarray:
        """Returns the rows of all records whose content is among these, int64, rising.

        Args:
            contents: uint8 (k, 32).
        """
        return np.flatnonzero(_rows_of(self.contents, contents) >= 0)

    def records_among(self, data: Arrays, contents: np.ndarray | None = None) -> Arrays:
        """Returns the records that these are the salts of, in the order of their leaves, which is that of training.

        Args:
            data: holds them, in any order, beside others maybe.
            contents: of the data, if they are known.

        Raises:
            Rejected: some are not there.
        """
        rows = _rows_of(self.contents, commitment.contents(data) if contents is None else contents)
        missing = int((rows < 0).sum())
        if missing:
            raise Rejected(
                f"{missing:,} of {len(rows):,} committed records are not among the data. Expected each of them, "
                "to the bit. Give the data set that was certified (--challenge); if it is, the data were changed."
            )
        return data.take(rows)


def _rows_of(wanted: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """Returns the row of each wanted content, int64 (k,), -1 where there is none; uint8 (k, 32) and (n, 32).

    Where one content is wanted twice, each has a row of its own, if there are as many; else the last one again.
    """
    keys = np.concatenate([contents, wanted]).view(np.uint64)
    order = np.argsort(keys[:, 0], kind="stable")  # of equal ones, the contents come before those that are wanted
    begins = np.ones(len(keys), bool)
    begins[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    if (begins[1:] & (keys[order[1:], 0] == keys[order[:-1], 0])).any():  # the first eight bytes do not tell
        order = np.lexsort(keys.T)
        begins[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    starts, groups, places = np.flatnonzero(begins), np.empty_like(order), np.empty_like(order)
    groups[order], places[order] = np.cumsum(begins) - 1, np.arange(len(keys))
    counts = np.bincount(groups[: len(contents)], minlength=len(starts))
    there, start = counts[groups[len(contents) :]], starts[groups[len(contents) :]]
    occurrence = places[len(contents) :] - start - there
    return np.where(there > 0, order[start + np.minimum(occurrence, there - 1)], -1)
