"""Tombstones: names of records that only the queue's key leads to, for whatever comes back from a backup.

    tombstone = HMAC-SHA256(key, content),  content = `kit.proofs.commitment.contents`

The key lies beside the queue, for its owner alone. Whoever has key and record can tell whether the record was to be
forgotten: that is what a tombstone is for. Without the key it says nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from kit.storage import durable, files, locks
from kit.streams.request import Refused

NAME = "tombstones.key"
_KEY_BYTES = 32


@dataclass(frozen=True)
class Key:
    """The secret of a queue."""

    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> Key:
        """Returns the key in a folder, which is made at first use; the second of two processes finds the first one's.

        Args:
            folder: of the queue.

        Raises:
            InputError: the file is damaged.
            CannotWrite: it cannot be made.
        """
        path = folder / NAME
        try:
            if not path.exists():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with locks.held(folder / ".key.lock", on_wait=lambda: None):
                    if not path.exists():
                        with durable.atomic_write(path, mode=0o600) as stream:
                            stream.write(_line(secrets.token_bytes(_KEY_BYTES)))
        except OSError as error:
            raise files.cannot_write(path, error) from error
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> Key:
        """Returns the key in a folder; `InputError` where there is none, or it is damaged.

        Args:
            folder: of the queue.
        """
        path = folder / NAME

        def load() -> Key:
            content = path.read_bytes()
            secret = bytes.fromhex(content[: 2 * _KEY_BYTES].decode("ascii"))
            if _line(secret) != content:
                raise ValueError("it does not have the digest that it states")
            return cls(secret)

        key: Key = files.checked(load, path, "the key of the tombstones, which 'kit requests add' wrote")
        return key

    def names(self, contents: Iterable[bytes]) -> list[str]:
        """Returns the tombstone of each content.

        Args:
            contents: hashes of records, 32 bytes each.

        Returns:
            64 hexadecimal digits each: HMAC-SHA256 with the key.

        Example:
            >>> first, again, second = Key(bytes(32)).names([b"a", b"a", b"b"])
            >>> first == again, first == second, len(first)
            (True, False, 64)
        """
        return [hmac.digest(self.secret, content, "sha256").hex() for content in contents]


@dataclass(frozen=True)
class Register:
    """The records of a data set by their tombstones.

    Args:
        tombstones: by row; records of equal content have equal ones.
    """

    tombstones: tuple[str, ...]

    @classmethod
    def over(cls, key: Key, contents: np.ndarray) -> Register:
        """Returns the register of records with these contents, uint8 (n, 32).

        Args:
            key: of the queue.
            contents: see `kit.proofs.commitment.contents`.
        """
        return cls(tuple(key.names(content.tobytes() for content in contents)))

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows = defaultdict[str, list[int]](list)
        for row, tombstone in enumerate(self.tombstones):
            rows[tombstone].append(row)
        return rows

    def named(self, rows: Sequence[int]) -> tuple[str, ...]:
        """Returns the tombstones of rows, each once, in order: copies of a record are one record.

        Args:
            rows: of the data, from 0.

        Raises:
            Refused: there is no such row.
        """
        size = len(self.tombstones)
        wrong = [row for row in rows if type(row) is not int or not 0 <= row < size]
        if wrong:
            raise Refused(
                "unknown",
                f"There is no record {str(wrong[0])[:40]!r}. Expected whole numbers from 0 to {size - 1:,}, rows of "
                "the training data. Correct the request.",
            )
        return tuple(sorted({self.tombstones[row] for row in rows}))

    def rows_of(self, tombstones: Iterable[str]) -> np.ndarray:
        """Returns all rows of these records, copies included, rising, int64.

        Args:
            tombstones: of records; those of no record are left out.
        """
        return np.array(sorted({row for name in tombstones for row in self._rows.get(name, ())}), np.int64)


def _line(secret: bytes) -> bytes:
    """Returns what is in the file of a key: its digits, and those of its digest, by which damage shows."""
    return f"{secret.hex()} {hashlib.sha256(secret).hexdigest()}\n".encode()
