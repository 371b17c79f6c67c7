"""The queue takes requests in once, refuses others in a paragraph, and shows damage."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from queues import BEGINNING, Hands, asked, names

from kit.streams import database
from kit.streams.policies import DAY
from kit.streams.request import NewRequest, Refused, month_after, seconds_of, shown
from kit.streams.store import Store
from kit.types import InputError

GRAMMAR = re.compile(r"\S.{10,}?[.] Expected \S.{10,}?[.] \S.{8,}[.?]", re.DOTALL)


def refused(store: Store, request: NewRequest, known: frozenset[str], reason: str) -> str:
    before = store.counts(), len(store.history())
    with pytest.raises(Refused) as error:
        store.add(request, known)
    assert error.value.reason == reason
    assert GRAMMAR.fullmatch(str(error.value)), str(error.value)
    assert (store.counts(), len(store.history())) == before, "nothing was written"
    return str(error.value)


def test_a_request_is_taken_in_and_read_by_another_process(store: Store, known: frozenset[str], clock: Hands) -> None:
    request, new = store.add(asked(1, 4, 2), known)
    assert new
    with Store(store.folder, clock) as other:
        (read,) = other.requests()
    assert read == request
    assert (read.number, read.state, read.records, read.missed(clock.now)) == (1, "waiting", names(2, 4), False)
    assert [event.kind for event in store.events_of(1)] == ["received"]


def test_a_request_sent_again_is_one_request(store: Store, known: frozenset[str], clock: Hands) -> None:
    first, _ = store.add(asked(1, 4), known)
    clock.now += DAY
    again, new = store.add(asked(1, 4, clock=clock), known)
    assert (again, new) == (first, False)
    assert len(store.history()) == 1


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"key": ""}, "malformed", "visible ASCII"),
        ({"key": "a b"}, "malformed", "visible ASCII"),
        ({"key": "k" * 201}, "malformed", "visible ASCII"),
        ({"key": "key\n"}, "malformed", "visible ASCII"),
        ({"records": ()}, "malformed", "names 0 records"),
        ({"records": names(3, 3)}, "malformed", "1 different"),
        ({"requester": ""}, "malformed", "who took the request in"),
        ({"requester": "a\nb"}, "malformed", "who took the request in"),
        ({"records": names(3, 99)}, "unknown", "1 of 2 records"),
        ({"received": BEGINNING + 1}, "late", "a time that has passed"),
        ({"deadline": BEGINNING}, "late", "is not after"),
        ({"records": names(3)}, "duplicate", "request 1 already, which is waiting"),
        ({"key": "key-1", "records": names(7)}, "duplicate", "is that of request 1"),
    ],
)
def test_what_is_refused(
    store: Store, known: frozenset[str], changes: dict[str, object], reason: str, words: str
) -> None:
    store.add(asked(1, 3), known)
    assert words in refused(store, replace(asked(2, 5), **changes), known, reason)


def test_a_request_that_is_overdue_when_it_comes_is_taken_all_the_same(store: Store, known: frozenset[str]) -> None:
    request, _ = store.add(replace(asked(1), received=BEGINNING - 40 * DAY, deadline=BEGINNING - DAY), known)
    assert request.missed(BEGINNING)


def test_there_is_no_such_request(store: Store) -> None:
    with pytest.raises(Refused, match="There is no request 7"):
        store.get(7)


@pytest.mark.parametrize(
    ("day", "deadline"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-30", "2028-02-29"),
        ("2026-12-05", "2027-01-05"),
        ("2026-03-31", "2026-04-30"),
    ],
)
def test_a_month_is_a_month_of_the_calendar(day: str, deadline: str) -> None:
    assert shown(month_after(seconds_of(f"{day}T12:00:00"))) == f"{deadline}T12:00:00Z"


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "1969-12-31", "9999-12-31", "2026-01-01T25:00"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(Refused, match="is no date"):
        seconds_of(text)


def test_a_clock_that_runs_backwards_stops_and_is_written_down(
    store: Store, known: frozenset[str], clock: Hands
) -> None:
    store.add(asked(1), known)
    clock.now -= 5 * DAY
    request, _ = store.add(asked(2, clock=clock), known)
    assert request.deadline == clock.now + 30 * DAY, "counted from the earlier time: nobody waits longer for it"
    assert store.now() == BEGINNING
    assert [(event.kind, event.at) for event in store.history()][1:] == [("clock", BEGINNING), ("received", BEGINNING)]
    clock.now = BEGINNING + 1
    assert store.now() == BEGINNING + 1


def change(path: Path, statement: str) -> None:
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE history SET text = 'nothing' WHERE number = 2",
        "UPDATE history SET at = at + 1 WHERE number = 1",
        "DELETE FROM history WHERE number = 1",
        "UPDATE history SET request = 2 WHERE number = 1",
    ],
)
def test_a_changed_history_shows(store: Store, known: frozenset[str], statement: str) -> None:
    for number in range(1, 4):
        store.add(asked(number), known)
    change(store.path, statement)
    with pytest.raises(InputError, match=r"history .* is damaged"):
        store.history()


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM records WHERE tombstone = '{names(3)[0]}'",
        "UPDATE requests SET deadline = deadline + 1",
        "UPDATE requests SET settled = received + 1",
        "UPDATE requests SET requester = 'another'",
    ],
)
def test_a_request_that_was_changed_shows(store: Store, known: frozenset[str], statement: str) -> None:
    store.add(asked(1, 3, 4), known)
    change(store.path, statement)
    with pytest.raises(InputError, match=r"Request 1 .* is damaged"):
        store.requests()


@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_a_file_that_was_cut_shows(tmp_path: Path, known: frozenset[str], clock: Hands, keep: float) -> None:
    with Store(tmp_path / "requests", clock) as store:
        for number in range(40):
            store.add(asked(number), known)
    content = store.path.read_bytes()
    store.path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError) as error:
        Store(store.folder, clock)
    assert GRAMMAR.fullmatch(str(error.value))


def test_a_file_of_something_else_or_of_another_version_shows(tmp_path: Path, clock: Hands) -> None:
    folder = tmp_path / "requests"
    folder.mkdir()
    (folder / database.NAME).write_bytes(b"no database, but long enough to look like one" * 99)
    with pytest.raises(InputError, match="is damaged"):
        Store(folder, clock)
    (folder / database.NAME).unlink()
    Store(folder, clock).close()
    change(folder / database.NAME, "PRAGMA user_version = 7")
    with pytest.raises(InputError, match="has version 7"):
        Store(folder, clock)


def test_a_write_that_was_cut_in_the_middle_is_as_if_it_had_not_begun(
    tmp_path: Path, known: frozenset[str], clock: Hands
) -> None:
    """Of the write-ahead log the end is missing, as after a power cut: whole transactions are left, and no other."""
    with Store(tmp_path / "requests", clock) as store:
        for number in range(20):
            store.add(asked(number), known)
        files = {path.name: path.read_bytes() for path in store.folder.iterdir() if not path.name.endswith("-shm")}
    log = files[f"{database.NAME}-wal"]
    counts = []
    for share in (0.2, 0.5, 0.9, 1.0):
        folder = tmp_path / f"cut-{share}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / f"{database.NAME}-wal").write_bytes(log[: int(len(log) * share)])
        with Store(folder, clock) as cut:
            requests = cut.requests()
            assert [request.records for request in requests] == [names(number) for number in range(len(requests))]
            assert len(cut.history()) == len(requests)
            counts.append(len(requests))
    assert counts == sorted(counts)
    assert counts[-1] == 20 > counts[0]
