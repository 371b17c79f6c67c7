"""The kit's own cache of data sets: a folder each, one process at a time writes, and a file goes only for another."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kit.datasets import places
from kit.datasets.places import Candidate
from kit.datasets.registry import DataSet
from kit.storage import files, seals

# Beside the files: the digests of those that were copied from a user's folder, for which no other is published.
RECORD = "copied.json"
# A download that goes on writes more often than that: it is given up after half a minute without a byte.
LEFT_SECONDS = 3600.0
_LOCK = ".lock"


class CannotStore(Exception):
    """The cache cannot take a file; the text is a clause that says why and what to do."""


@contextlib.contextmanager
def one_at_a_time(folder: Path, announce: Callable[[str], None]) -> Iterator[None]:
    """Makes a folder of the cache and lets one process at a time write to it; the lock dies with its process.

    Raises:
        CannotStore: the folder cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("ab")
    except OSError as error:
        raise CannotStore(
            f"the kit's cache '{folder}' cannot be written to ({error.strerror or error}); set the environment "
            "variable KIT_HOME to a folder of yours"
        ) from error
    with stream:
        _lock(stream, folder, announce)
        yield


def _lock(stream: BinaryIO, folder: Path, announce: Callable[[str], None]) -> None:
    if sys.platform == "win32":  # without it files are still whole, but two processes may download the same one
        return
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        announce(f"waiting for another process, which writes to {folder}")
        fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        return


@contextlib.contextmanager
def storing(path: Path, num_bytes: int) -> Iterator[BinaryIO]:
    """Opens a file that appears under its name when all is written, and turns a full disk into a clause.

    What a killed process has left of the same file is removed, when it has not grown for an hour.

    Raises:
        CannotStore: the disk is full, or fails otherwise.
    """
    for leftover in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > LEFT_SECONDS:
                leftover.unlink()
    try:
        with files.atomic_write(path) as stream:
            yield stream
            stream.flush()
    except files.CannotWrite as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise CannotStore(
            f"'{path}' cannot be stored ({reason}); it takes {num_bytes / 1e6:.1f} MB: free some space, or set the "
            "environment variable KIT_HOME to a folder of yours on another disk"
        ) from error


def recorded(data_set: DataSet) -> dict[str, frozenset[str]]:
    """Returns the digests of copied files by name; none where the record is missing or damaged."""
    record = seals.read_json(places.cache_folder(data_set) / RECORD, _place(data_set)) or {}
    return {name: frozenset([digest]) for name, digest in record.items()}


def _place(data_set: DataSet) -> str:
    return f"{places.cache_folder(data_set).name}/{RECORD}"


def keep(data_set: DataSet, candidate: Candidate, digests: Sequence[str], announce: Callable[[str], None]) -> None:
    """Copies files into the cache, and records their digests.

    A file without the right digest, whose other name would have it taken before its copy, is removed.

    Raises:
        CannotStore: the cache cannot be written to, the disk is full, or a file has changed since it was checked.
    """
    folder = places.cache_folder(data_set)
    with one_at_a_time(folder, announce):
        for path, digest in zip(candidate.paths, digests, strict=True):
            _copy(path, folder / path.name, digest)
        record = {name: min(digests_of_file) for name, digests_of_file in recorded(data_set).items()}
        record |= {path.name: digest for path, digest in zip(candidate.paths, digests, strict=True)}
        with storing(folder / RECORD, 1000) as stream:
            stream.write(seals.to_bytes(_place(data_set), record))
        for names, path in zip(candidate.form.names, candidate.paths, strict=True):
            for name in names[: names.index(path.name)]:
                _drop_if_wrong(folder / name, data_set.official | {record.get(name, "")}, announce)


def _drop_if_wrong(path: Path, right: Collection[str], announce: Callable[[str], None]) -> None:
    with contextlib.suppress(OSError):  # most often it is not there
        if files.sha256_of(path) not in right:
            path.unlink()
            announce(f"{path}, which did not have the right sha256, is replaced by the copy")


def _copy(source: Path, target: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as content, storing(target, os.path.getsize(source)) as stream:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
            stream.write(chunk)
        if digest.hexdigest() != expected:
            raise CannotStore(f"'{source}' has changed while it was copied; try again when it is at rest")
