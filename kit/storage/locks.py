"""Locks between processes on one file system: the system lets go of them when their process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class Busy(Exception):
    """Another process has the lock."""


@contextlib.contextmanager
def held(path: Path, *, on_wait: Callable[[], object] | None) -> Iterator[None]:
    """Holds a lock while the block runs; its file is made, and removed at the end.

    Where a system or a disk has no such locks, the block runs without: files are still written whole.

    Args:
        path: of the lock's file, in a folder that exists.
        on_wait: is called once if another process has the lock, and then waited for; None to raise `Busy` instead.

    Raises:
        OSError: the file cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with held(Path(folder) / ".lock", on_wait=None):
        ...         print(os.listdir(folder))
        ...     print(os.listdir(folder))
        ['.lock']
        []
    """
    handle = _acquired(path, on_wait)
    try:
        yield
    finally:
        try:
            with contextlib.suppress(OSError):  # while nobody else has the lock: who waits looks for its file again
                os.unlink(path)
        finally:
            os.close(handle)


def _acquired(path: Path, on_wait: Callable[[], object] | None) -> int:
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if _lock(handle, wait=False) or _lock(handle, wait=_announced(on_wait)):
                on_wait = None if on_wait is None else _silent  # told once
                if _is_file(handle, path):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the one who had it has removed it: another file is the lock now


def _announced(on_wait: Callable[[], object] | None) -> bool:
    if on_wait is None:
        raise Busy
    on_wait()
    return True


def _silent() -> None:
    """Is called in place of what has been called once."""


def _lock(handle: int, *, wait: bool) -> bool:
    """Returns whether the lock was got; True too where there are none."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_file(handle: int, path: Path) -> bool:
    """Returns whether an open file is the one that has this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Marks a folder as in use while the block runs, for `is_in_use` in other processes.

    Args:
        folder: which exists. On Windows nothing is marked.

    Returns:
        A context manager.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def is_in_use(folder: Path) -> bool:
    """Returns whether a running process has marked a folder.

    Args:
        folder: to look at.

    Returns:
        True also where that cannot be told: on Windows, or the folder is not there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with in_use(Path(folder)):
        ...         marked = is_in_use(Path(folder))
        ...     marked, is_in_use(Path(folder))
        (True, False)
    """
    if sys.platform == "win32":
        return True
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
