"""CPU seconds of processes and of what they start, as the kernel counts them: nothing that a process says of itself.

User and system time, of threads and processes that have ended too: a process that was waited for is in the books of its
parent, an orphan in those of whoever adopted it. Two ways lead there, and the larger number counts:

- The books in `/proc` (`psutil` elsewhere), which every user may read. They lack one thing: children of a parent that
  has told the kernel not to keep their remains (SIGCHLD ignored) are in nobody's books once they have ended.
- A counter of the kernel's for a process and all that it will start, from which nothing is missing; it has to be
  started before they are, and not every system lets a user have one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
import time

import psutil

from kit.machine.process_tree import descendants

# perf_event_open, by the name of the processor.
_SYSTEM_CALL = {"x86_64": 298, "aarch64": 241}
_SOFTWARE, _TASK_CLOCK, _SIZE = 1, 1, 112
# Time in the kernel may be asked for by the administrator alone; this clock runs on through it all the same.
_INHERITED, _KERNEL_LEFT_OUT, _CLOSED_ON_EXEC = 1 << 1, 1 << 5, 8


class Stopwatch:
    """The CPU seconds of this process and of all that it starts, from now on; children that run already count too.

    Example:
        >>> stopwatch = Stopwatch()
        >>> total = sum(range(1_000_000))
        >>> stopwatch.seconds() > 0
        True
    """

    def __init__(self) -> None:
        """Begins to count."""
        others = _of_children()  # before this process's own time is read: to look for children takes some of it
        self._start = others + time.process_time()

    def seconds(self) -> float:
        """Returns the seconds so far."""
        own = time.process_time()
        return own + _of_children() - self._start


class Meter:
    """The CPU seconds of what a process starts, its own left out."""

    def __init__(self, pid: int) -> None:
        """Begins to count; to be made before the process has started anything."""
        self._pid, self._most = pid, 0.0
        self._counter = _counter(pid)

    @property
    def misses_nothing(self) -> bool:
        """Whether the kernel gave a counter, from which no descendant is missing."""
        return self._counter is not None

    def seconds(self) -> float:
        """Returns the seconds so far; what was counted once stays counted."""
        self._most = max(self._most, self._in_books(), self._in_counter())
        return self._most

    def _in_books(self) -> float:
        try:
            times = psutil.Process(self._pid).cpu_times()
        except psutil.Error:
            return 0.0
        # A parent before its children: who ends in between is missed this time, rather than counted twice for ever.
        return float(times.children_user + times.children_system) + sum(map(_of, descendants(self._pid)))

    def _in_counter(self) -> float:
        if self._counter is None:
            return 0.0
        (nanoseconds,) = struct.unpack("Q", os.read(self._counter, 8))
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(self._pid).cpu_times()
            return float(nanoseconds / 1e9 - own.user - own.system)
        return 0.0

    def close(self) -> None:
        """Lets go of the kernel's counter."""
        if self._counter is not None:
            os.close(self._counter)
            self._counter = None


def _of_children() -> float:
    """Returns the CPU seconds of what this process has started, alive or waited for."""
    waited_for = os.times()
    alive = sum(map(_of, descendants(os.getpid())))
    return waited_for.children_user + waited_for.children_system + alive


def _of(number: int) -> float:
    """Returns the CPU seconds of a process and of those that it has waited for; 0 of one that is gone."""
    try:
        times = psutil.Process(number).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _counter(pid: int) -> int | None:
    """Returns a descriptor that counts the nanoseconds of a process and of all that it will start, if there is one."""
    number = _SYSTEM_CALL.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return None
    wanted = struct.pack("IIQ", _SOFTWARE, _SIZE, _TASK_CLOCK).ljust(40, b"\0") + struct.pack(
        "Q", _INHERITED | _KERNEL_LEFT_OUT
    )
    wanted = wanted.ljust(_SIZE, b"\0")
    descriptor = ctypes.CDLL(None).syscall(number, wanted, pid, -1, -1, _CLOSED_ON_EXEC)
    return descriptor if descriptor >= 0 else None
