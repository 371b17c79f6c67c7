"""Folders for what a process needs for a while: gone at its end, or, if it was killed, when the next one needs one."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from kit.storage import files, locks

# Between making a folder and marking it as in use, it looks like a killed process's.
_YOUNG_SECONDS = 60.0


class Scratch:
    """A folder of this process's own, made at once; `close`, or the end of a `with` block, removes it.

    Those of the same prefix that belong to no process any more are removed first.

    Example:
        >>> with Scratch("kit-example-") as folder:
        ...     path = folder.path
        ...     path.is_dir()
        True
        >>> path.exists()
        False
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        """Takes the beginning of the folder's name, and where it is made: by default in the system's folder for that.

        Raises:
            OSError: it cannot be made.
        """
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        _sweep(parent, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(locks.in_use(self.path))

    def close(self) -> None:
        """Removes the folder and all that is in it."""
        files.remove(self.path)
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _sweep(parent: Path, prefix: str) -> None:
    """Removes what killed processes have left."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            folder = parent / name
            if name.startswith(prefix) and _is_left(folder):
                files.remove(folder)


def _is_left(folder: Path) -> bool:
    """Returns whether a folder of this user's is some minutes old, and no process has marked it."""
    try:
        status = folder.lstat()
    except OSError:  # its process has just removed it
        return False
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return own and time.time() - status.st_mtime > _YOUNG_SECONDS and not locks.is_in_use(folder)
