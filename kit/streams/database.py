"""The queue's SQLite file: its tables, and connections by which a kill at any instruction loses nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kit.storage import files
from kit.types import FailedRun, InputError

FOLDER, NAME = "requests", "requests.sqlite"
_VERSION = 1
_WAIT_SECONDS = 30.0
_TABLES = (
    """CREATE TABLE batches (
        number INTEGER PRIMARY KEY, token INTEGER NOT NULL, owner TEXT NOT NULL, until REAL NOT NULL,
        decision TEXT NOT NULL, plan TEXT, outcome TEXT, ended REAL)""",
    """CREATE TABLE requests (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, requester TEXT NOT NULL, received REAL NOT NULL,
        deadline REAL NOT NULL, sha256 TEXT NOT NULL, batch INTEGER REFERENCES batches, settled REAL)""",
    "CREATE TABLE records (tombstone TEXT PRIMARY KEY, request INTEGER NOT NULL REFERENCES requests) WITHOUT ROWID",
    """CREATE TABLE history (
        number INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, request INTEGER, batch INTEGER,
        text TEXT NOT NULL, link TEXT NOT NULL)""",
    "CREATE INDEX waiting_requests ON requests (number) WHERE batch IS NULL",
    "CREATE INDEX requests_of ON requests (batch)",
    "CREATE INDEX open_batches ON batches (number) WHERE ended IS NULL",
    "CREATE INDEX records_of ON records (request)",
    "CREATE INDEX history_of ON history (request)",
    f"PRAGMA user_version = {_VERSION}",
)


def require_queue(folder: Path) -> None:
    """Checks that there is a queue in a folder.

    Args:
        folder: of the queue: `requests` in that of a certified model.

    Raises:
        InputError: there is none.
    """
    if not (folder / NAME).is_file():
        raise InputError(
            f"There is no queue in '{folder.parent}'. Expected the folder of a certified model to which a request was "
            "added. Add one with: kit requests add DIR --forget WHAT."
        )


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file, and makes its tables where there are none.

    Args:
        path: of the file; its folder is made.

    Raises:
        InputError: it is damaged, or of another version of the kit.
        CannotWrite: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(path, error) from error
    with translated(path):
        connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {setting}")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(str(verdict).splitlines()[0])
    if _version(connection) == 0:
        with transaction(connection):
            if _version(connection) == 0:  # nobody was quicker
                for statement in _TABLES:
                    connection.execute(statement)
    if _version(connection) != _VERSION:
        raise InputError(
            f"The queue '{path}' has version {_version(connection)}. Expected {_VERSION}, which this kit writes. Use "
            "the version of the kit that made it."
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Does all that the block writes, or nothing; others wait meanwhile.

    Args:
        connection: to the queue.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into one paragraph.

    Args:
        path: of the file, for the message.

    Raises:
        FailedRun: another process kept the file locked, or the disk is full.
        InputError: the file is damaged, or none of SQLite's.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise FailedRun(
            f"The queue '{path}' cannot be used now ({error}). Expected a file that can be written to, on a disk with "
            "room, and no other process that keeps it locked. Try again; nothing of what was settled is lost."
        ) from error
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"The queue '{path}' is damaged ({error}). Expected the SQLite file that the kit wrote. Restore it from a "
            "copy together with the files beside it; 'kit requests replay' applies what was settled since."
        ) from error
