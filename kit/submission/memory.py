"""How much memory processes have in use, what they keep in files that lie in memory included."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil

# What is written there stays in memory; a file of memfd lies nowhere at all.
_IN_MEMORY = ("/dev/shm/", "/memfd:")  # noqa: S108 (looked for, not written to)


@dataclass
class Memory:
    """Adds up the memory of processes, and remembers the files that they have had in it."""

    _files: dict[tuple[int, int], str] = field(default_factory=dict)

    def in_use(self, processes: Iterable[psutil.Process]) -> int:
        """Returns bytes: resident memory, and files in memory that are not mapped; shared pages count for each process.

        Args:
            processes: those whose memory is asked for; a file that one of them had open counts while it exists.
        """
        resident = mapped = in_files = 0
        seen: set[tuple[int, int]] = set()
        for process in processes:
            with contextlib.suppress(psutil.Error, OSError):
                resident += process.memory_info().rss
                mapped += _mapped_files(process.pid)
            for path, status in _open_in_memory(process.pid):
                key = (status.st_dev, status.st_ino)
                if key not in seen:
                    seen.add(key)
                    in_files += status.st_blocks * 512
                    self._files[key] = path
        return resident + max(0, in_files + self._closed(seen) - mapped)

    def _closed(self, seen: set[tuple[int, int]]) -> int:
        """Returns the bytes of files that were open once and still lie there."""
        total = 0
        for key, path in list(self._files.items()):
            if key not in seen:
                with contextlib.suppress(OSError):
                    status = os.lstat(path)
                    total += status.st_blocks * 512 if (status.st_dev, status.st_ino) == key else 0
        return total

    def remove_files(self) -> None:
        """Deletes the files that were seen in /dev/shm, as long as they are still the same."""
        for key, path in self._files.items():
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) == key:
                    os.unlink(path)


def _open_in_memory(number: int) -> list[tuple[str, os.stat_result]]:
    """Returns path and status of the files in memory that a process has open, on Linux."""
    files = []
    folder = f"/proc/{number}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                path = os.readlink(f"{folder}/{name}")
                if path.startswith(_IN_MEMORY):
                    status = os.stat(f"{folder}/{name}")
                    files += [(path, status)] if stat.S_ISREG(status.st_mode) else []
    return files


def _mapped_files(number: int) -> int:
    """Returns the resident bytes of files in memory that a process has mapped: they are in its resident memory too."""
    with contextlib.suppress(OSError), open(f"/proc/{number}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("RssShmem:"):
                return int(line.split()[1]) * 1024
    return 0
