"""The history of a queue: what happened when, a line each, chained so that none can be changed or left out unseen."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.storage.digests import digest_of
from kit.streams.request import shown
from kit.types import InputError

_COLUMNS = "SELECT at, kind, request, batch, text, link FROM history"


@dataclass(frozen=True)
class Event:
    """A line of the history: what happened at what time (UTC seconds), to which request or batch."""

    at: float
    kind: str
    request: int | None
    batch: int | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return {"at": shown(self.at), "kind": self.kind, "batch": self.batch, "text": self.text}


@dataclass(frozen=True)
class History:
    """The lines, in an open database."""

    connection: sqlite3.Connection
    path: Path

    def append(self, event: Event) -> None:
        """Writes a line, within a transaction.

        Args:
            event: what happened.
        """
        rows = self.connection.execute("SELECT link FROM history ORDER BY number DESC LIMIT 1").fetchall()
        link = _linked(rows[0][0] if rows else "", event)
        self.connection.execute(
            "INSERT INTO history (at, kind, request, batch, text, link) VALUES (?, ?, ?, ?, ?, ?)",
            (event.at, event.kind, event.request, event.batch, event.text, link),
        )

    def last(self) -> Event:
        """Returns the last line; one of time 0 where there is none.

        Raises:
            InputError: it does not follow from the one before.
        """
        rows = self.connection.execute(f"{_COLUMNS} ORDER BY number DESC LIMIT 2").fetchall()
        if not rows:
            return Event(0.0, "", None, None, "")
        event = Event(*rows[0][:-1])
        if _linked(rows[1][-1] if rows[1:] else "", event) != rows[0][-1]:
            raise self._damaged("its last line")
        return event

    def all(self) -> list[Event]:
        """Returns all lines; `InputError` where one was changed, or left out."""
        events: list[Event] = []
        link = ""
        for *row, stored in self.connection.execute(f"{_COLUMNS} ORDER BY number"):
            event = Event(*row)
            link = _linked(link, event)
            if link != stored:
                raise self._damaged(f"line {len(events) + 1}")
            events.append(event)
        return events

    def of(self, request: int) -> list[Event]:
        """Returns the lines that are about a request.

        Args:
            request: its number, from 1.
        """
        rows = self.connection.execute(f"{_COLUMNS} WHERE request = ? ORDER BY number", (request,)).fetchall()
        return [Event(*row[:-1]) for row in rows]

    def _damaged(self, line: str) -> InputError:
        return InputError(
            f"The history in '{self.path}' is damaged: {line} does not follow from those before it. Expected each as "
            "it was written. Restore the queue from a copy."
        )


def _linked(before: str, event: Event) -> str:
    """Returns the link of the chain at an event."""
    return digest_of([before, event])
