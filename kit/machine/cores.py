"""Processors for contained processes: each has its own, as far as there are enough, so that one thread means one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kit.storage import files


class Cores:
    """Some of the processors that this process may use, which no other one of the kit takes while this has them.

    None where the system cannot tie a process to some (outside Linux), where too few are left, or where the kit has no
    folder to note in which are taken: a process is better not tied at all than to a processor that another one has.

    Example:
        >>> cores = Cores(0)
        >>> cores.numbers
        ()
        >>> cores.close()
    """

    def __init__(self, number: int) -> None:
        """Takes `number` of them."""
        self._locks: dict[int, int] = {}
        if hasattr(os, "sched_getaffinity"):
            with contextlib.suppress(OSError):
                self._take(number, files.cache_folder() / "cores")
        if len(self._locks) < number:
            self.close()

    def _take(self, number: int, folder: Path) -> None:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        for core in sorted(os.sched_getaffinity(0)):
            if len(self._locks) == number:
                return
            lock = os.open(folder / f"{core}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._locks[core] = lock
            except OSError:  # another process has it
                os.close(lock)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The system's numbers of the processors."""
        return tuple(self._locks)

    def close(self) -> None:
        """Gives them back; harmless when done twice."""
        for lock in self._locks.values():
            os.close(lock)
        self._locks = {}
