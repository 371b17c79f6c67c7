"""A request to forget: what is asked at the door, what the queue has of it, and its deadline."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from kit.types import InputError

State = Literal["waiting", "at work", "done"]
Reason = Literal["malformed", "unknown", "duplicate", "late"]
_KEY = re.compile(r"[!-~]{1,200}")
_LONGEST_NAME = 200
_YEARS = 1970, 9000


class Refused(InputError):
    """A request that the queue does not take; nothing was written.

    Args:
        reason: `malformed`, `unknown` records, a `duplicate`, or too `late`.
        message: one paragraph.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        """Takes why, and what to say."""
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class NewRequest:
    """What is asked.

    Args:
        key: of idempotency: the same request, sent again with it, is one request. 1 to 200 visible ASCII characters.
        records: tombstones of the records, each once.
        received: when it came, UTC seconds since 1970; the deadline counts from there.
        deadline: until when it is to be settled.
        requester: who took it in, on whose authority.
    """

    key: str
    records: tuple[str, ...]
    received: float
    deadline: float
    requester: str

    def check(self, now: float) -> None:
        """Checks what needs no look at the queue.

        Args:
            now: UTC seconds, by the queue's clock.

        Raises:
            Refused: it is malformed, of the future, or its deadline was before it came.
        """
        if not _KEY.fullmatch(self.key):
            raise Refused(
                "malformed",
                f"The request's key {self.key[:40]!r} cannot be used. Expected 1 to 200 visible ASCII characters "
                "without spaces, the same each time the request is sent. Give another one.",
            )
        if not self.records or len({*self.records}) < len(self.records):
            raise Refused(
                "malformed",
                f"The request names {len(self.records):,} records, {len({*self.records}):,} different ones. Expected "
                "one at least, each once. Correct the list.",
            )
        if not 0 < len(self.requester) <= _LONGEST_NAME or not self.requester.isprintable():
            raise Refused(
                "malformed",
                f"{self.requester[:40]!r} does not say who took the request in. Expected 1 to {_LONGEST_NAME} "
                "characters on one line. Give a name.",
            )
        if self.received > now:
            raise Refused(
                "late",
                f"The request was received on {shown(self.received)}, and it is {shown(now)}. Expected a time that has "
                "passed. Correct the date, or the clock.",
            )
        if self.deadline <= self.received:
            raise Refused(
                "late",
                f"The deadline {shown(self.deadline)} is not after {shown(self.received)}, when the request was "
                "received. Expected a later one. Correct the date; without one it is a month.",
            )


@dataclass(frozen=True)
class Request:
    """A request in the queue.

    Args:
        number: from 1, in the order in which they were taken in.
        key, records, received, deadline, requester: see `NewRequest`.
        batch: the number of the batch that it is in, None while it waits.
        settled: when its evidence was complete; None before.
    """

    number: int
    key: str
    records: tuple[str, ...]
    received: float
    deadline: float
    requester: str
    batch: int | None = None
    settled: float | None = None

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.settled is not None:
            return "done"
        return "waiting" if self.batch is None else "at work"

    def missed(self, now: float) -> bool:
        """Returns whether its deadline passed before it was settled.

        Args:
            now: UTC seconds.
        """
        return (now if self.settled is None else self.settled) > self.deadline

    def to_json(self, now: float) -> dict[str, Any]:
        """Returns it as plain values, without its records' names.

        Args:
            now: UTC seconds, by which a deadline may be missed.
        """
        return {
            "number": self.number,
            "key": self.key,
            "state": self.state,
            "records": len(self.records),
            "requester": self.requester,
            "received": shown(self.received),
            "deadline": shown(self.deadline),
            "settled": None if self.settled is None else shown(self.settled),
            "missed": self.missed(now),
        }


def month_after(seconds: float) -> float:
    """Returns the same day and time of the next month, or its last day: the deadline of Article 12(3) GDPR.

    Args:
        seconds: UTC seconds since 1970.

    Example:
        >>> shown(month_after(seconds_of("2026-01-31T10:00:00Z")))
        '2026-02-28T10:00:00Z'
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day).timestamp()


def seconds_of(text: str) -> float:
    """Returns a date, or a date with a time, as UTC seconds since 1970; without a zone it is UTC.

    Args:
        text: in ISO 8601, for instance 2026-11-27 or 2026-11-27T09:30:00Z.

    Raises:
        Refused: it is none.

    Example:
        >>> seconds_of("1970-01-02"), seconds_of("1970-01-01T01:00:00+01:00")
        (86400.0, 0.0)
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if not _YEARS[0] <= moment.year <= _YEARS[1]:
            raise ValueError
    except (ValueError, OverflowError, TypeError):
        raise Refused(
            "malformed",
            f"{str(text)[:40]!r} is no date. Expected one such as 2026-11-27 or 2026-11-27T09:30:00Z. Correct it.",
        ) from None
    return moment.timestamp()


def shown(seconds: float) -> str:
    """Returns a time as ISO 8601 has it, UTC, to the second.

    Args:
        seconds: UTC seconds since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
