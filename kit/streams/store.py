"""The queue: requests taken in, looked at, and their history, whose lines are chained so that none can go unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kit.storage.digests import digest_of
from kit.streams import database
from kit.streams.database import transaction, translated
from kit.streams.history import Event, History
from kit.streams.policies import Waiting
from kit.streams.request import NewRequest, Refused, Request, shown
from kit.types import InputError

Clock = Callable[[], float]
_BACKWARDS_SECONDS = 1.0
_LARGEST = 2**63 - 1  # of SQLite


class Store:
    """A queue on disk; a context manager. Each method is one transaction, or none.

    Args:
        folder: of the queue's own files.
        clock: tells UTC seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Opens the queue, and makes it where there is none."""
        self.folder, self.path = folder, folder / database.NAME
        self.connection = database.connect(self.path)
        self._history = History(self.connection, self.path)
        self.clock = clock

    @classmethod
    def existing(cls, folder: Path, clock: Clock) -> Store:
        """Opens a queue that is there.

        Args:
            folder: of the queue.
            clock: tells UTC seconds.

        Raises:
            InputError: there is none.
        """
        database.require_queue(folder)
        return cls(folder, clock)

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def time(self) -> float:
        """Returns the queue's time: the clock's, but never before the history's. Call it within a transaction."""
        now, seen = self.clock(), self._history.last().at
        if now < seen - _BACKWARDS_SECONDS:
            text = f"the clock said {shown(now)}, before {shown(seen)}, which it had said: time stands still"
            self.record(Event(seen, "clock", None, None, text))
        return max(now, seen)

    def now(self) -> float:
        """Returns the queue's time, for who only looks."""
        with translated(self.path):
            return max(self._history.last().at, self.clock())

    def add(self, asked: NewRequest, known: Container[str]) -> tuple[Request, bool]:
        """Takes a request in.

        Args:
            asked: what is asked.
            known: tombstones of the records that the model has learnt, those of earlier requests included.

        Returns:
            The request, and whether it is new: one that was sent before with the same key is returned as it stands.

        Raises:
            Refused: it is malformed or late, or names unknown records, or some of another request.
            InputError: the row of an earlier request is damaged.
        """
        with translated(self.path), transaction(self.connection):
            now = self.time()
            asked.check(now)
            row = self.connection.execute("SELECT number FROM requests WHERE key = ?", (asked.key,)).fetchone()
            if row is not None:
                return self._again(asked, row[0]), False
            self._require_new(asked.records, known)
            number = self.connection.execute(
                "INSERT INTO requests (key, requester, received, deadline, sha256) VALUES (?, ?, ?, ?, '')",
                (asked.key, asked.requester, asked.received, asked.deadline),
            ).lastrowid
            assert number is not None
            self.connection.executemany("INSERT INTO records VALUES (?, ?)", [(name, number) for name in asked.records])
            self.change(number, batch=None, settled=None)
            text = f"{len(asked.records)} records, taken in by {asked.requester}"
            self.record(Event(now, "received", number, None, text))
            return self.get(number), True

    def change(self, number: int, *, batch: int | None, settled: float | None) -> None:
        """Writes where a request stands, and the digest of its row, within a transaction.

        Args:
            number: of the request, from 1.
            batch: that it is in; None while it waits.
            settled: when it was, UTC seconds; None before.
        """
        self.connection.execute("UPDATE requests SET batch = ?, settled = ? WHERE number = ?", (batch, settled, number))
        request, _ = self._read(number)
        self.connection.execute("UPDATE requests SET sha256 = ? WHERE number = ?", (_digest(request), number))

    def _again(self, asked: NewRequest, number: int) -> Request:
        request = self.get(number)
        if sorted(request.records) != sorted(asked.records):
            raise Refused(
                "duplicate",
                f"The key '{asked.key}' is that of request {number}, which is about other records. Expected the same "
                "ones, where a request is sent again. Give the new request a key of its own.",
            )
        return request

    def _require_new(self, records: Sequence[str], known: Container[str]) -> None:
        unknown = sum(name not in known for name in records)
        if unknown:
            raise Refused(
                "unknown",
                f"{unknown:,} of {len(records):,} records are not among those that the model has learnt. Expected rows "
                "of its training data. Correct the request; about a record that was never learnt nothing is to be "
                "forgotten.",
            )
        for name in records:
            row = self.connection.execute("SELECT request FROM records WHERE tombstone = ?", (name,)).fetchone()
            if row is not None:
                raise Refused(
                    "duplicate",
                    f"A record of the request is that of request {row[0]} already, which is "
                    f"{self.get(row[0]).state}. Expected each record in one request. Look at that one, and leave the "
                    "record out.",
                )

    def get(self, number: int) -> Request:
        """Returns a request.

        Args:
            number: of the request, from 1.

        Raises:
            Refused: there is none of this number.
            InputError: the row is damaged.
        """
        request, sha256 = self._read(number)
        if _digest(request) != sha256:
            raise InputError(
                f"Request {number} in '{self.path}' is damaged: it is not what was written. Expected it as it was "
                "taken in. Restore the queue from a copy."
            )
        return request

    def _read(self, number: int) -> tuple[Request, str]:
        """Returns a request and the digest that was written with it."""
        rows = self._rows(
            "SELECT number, key, received, deadline, requester, batch, settled, sha256 FROM requests WHERE number = ?",
            min(number, _LARGEST),
        )
        if not rows:
            raise Refused(
                "unknown",
                f"There is no request {number}. Expected the number of one in the queue. See 'kit requests list'.",
            )
        number, key, *rest, sha256 = rows[0]
        names = self._rows("SELECT tombstone FROM records WHERE request = ? ORDER BY tombstone", number)
        return Request(number, key, tuple(name for (name,) in names), *rest), sha256

    def requests(self, *, unsettled: bool = False, after: int = 0, limit: int = -1) -> list[Request]:
        """Returns requests in their order.

        Args:
            unsettled: those alone that are not settled.
            after: those alone of higher numbers.
            limit: at most so many; -1 for all.

        Raises:
            InputError: a row is damaged.
        """
        rows = self._rows(
            "SELECT number FROM requests WHERE number > ? AND (settled IS NULL OR NOT ?) ORDER BY number LIMIT ?",
            after,
            unsettled,
            limit,
        )
        return [self.get(number) for (number,) in rows]

    def requested_records(self) -> list[str]:
        """Returns the tombstones of all requests' records, in order."""
        return [name for (name,) in self._rows("SELECT tombstone FROM records ORDER BY tombstone")]

    def counts(self) -> dict[str, int]:
        """Returns how many requests wait, are at work, and are done."""
        rows = self._rows("SELECT count(*), count(batch), count(settled) FROM requests")
        total, begun, done = rows[0]
        return {"waiting": total - begun, "at work": begun - done, "done": done}

    def waiting(self) -> list[Waiting]:
        """Returns what waits, in the order of numbers."""
        rows = self._rows(
            "SELECT number, received, deadline FROM requests WHERE settled IS NULL AND batch IS NULL ORDER BY number"
        )
        return [Waiting(*row) for row in rows]

    def settled_records(self) -> list[str]:
        """Returns the tombstones of all records that were forgotten, in order."""
        rows = self._rows(
            "SELECT tombstone FROM records JOIN requests ON request = number WHERE settled IS NOT NULL "
            "ORDER BY tombstone"
        )
        return [name for (name,) in rows]

    def record(self, event: Event) -> None:
        """Writes a line of the history, within a transaction.

        Args:
            event: what happened.
        """
        self._history.append(event)

    def note(self, kind: str, text: str) -> None:
        """Writes a line of the history that is about no request.

        Args:
            kind: of the line.
            text: what happened.
        """
        with translated(self.path), transaction(self.connection):
            self.record(Event(self.time(), kind, None, None, text))

    def history(self) -> list[Event]:
        """Returns the whole history; `InputError` where a line was changed, or left out."""
        with translated(self.path):
            return self._history.all()

    def events_of(self, request: int) -> list[Event]:
        """Returns the lines of the history that are about a request.

        Args:
            request: its number, from 1.
        """
        with translated(self.path):
            return self._history.of(request)

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with translated(self.path):
            cursor: sqlite3.Cursor = self.connection.execute(statement, values)
            return cursor.fetchall()


def _digest(request: Request) -> str:
    """Returns the digest of all that a row says, and of the records that belong to it."""
    return digest_of(request)
