"""Writing that a power cut does not undo: what is renamed lies on the disk, and so does its name.

For what was promised, and cannot be made again: logs, receipts, evidence, keys. All else the kit makes anew where it is
gone, and does not wait for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kit.storage import files

_NO_SUCH_CALL = (errno.EINVAL, errno.ENOTSUP)  # of file systems that write names at once, or cannot say


@contextlib.contextmanager
def atomic_write(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Does what `files.atomic_write` does, and returns once the file is on the disk.

    Args:
        path, mode: as for `files.atomic_write`.

    Returns:
        A context manager with the stream to write to.

    Raises:
        CannotWrite: see there.
    """
    is_new = not path.parent.is_dir()
    with files.atomic_write(path, mode) as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
    try:
        sync_folder(path.parent)
        if is_new:
            sync_folder(path.parent.parent)
    except OSError as error:
        raise files.cannot_write(path, error) from error


def sync_tree(folder: Path) -> None:
    """Forces all files of a folder, and their names, to the disk.

    Args:
        folder: to force, with the folders in it.

    Raises:
        OSError: the disk is full, or broken.
    """
    for place, _, names in os.walk(folder):
        sync_files(*(Path(place, name) for name in names))
        sync_folder(Path(place))


def sync_files(*paths: Path) -> None:
    """Returns once what is in these files is on the disk; `OSError` as above. Not for one that SQLite has open."""
    for path in paths:
        handle = os.open(path, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_folder(folder: Path) -> None:
    """Forces the names in a folder to the disk; does nothing on Windows, where that cannot be asked for.

    Args:
        folder: whose names; files in it are not forced.

    Raises:
        OSError: the disk is broken.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    finally:
        os.close(handle)
