"""Stands between the kit and a contained process: watches its memory, and leaves nothing running when it ends.

A program of its own, started as `python -m kit.submission.supervisor`. Contained code can start processes in new
sessions, ignore signals, or kill its parent; all of them become children of this process (on Linux), which ends only
when none is left. It dies with the kit, and the contained process dies with it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from kit.machine.process_tree import descendants
from kit.submission.memory import Memory

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_POLL_SECONDS = 0.1
_SETTLE_SECONDS, _KILL_SECONDS = 0.5, 10.0
_MAX_PROCESSES = 200
_LARGEST_FILE = 4 << 30
_RUNS_ARE_FORKED = sys.platform == "linux"


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _limit_child(memory_bytes: int, cores: list[int]) -> None:
    """Runs in the contained process before its program starts."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if cores:
        os.sched_setaffinity(0, cores)
    with contextlib.suppress(ImportError):
        import resource

        limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, _LARGEST_FILE)]
        if sys.platform == "linux":
            # Beyond this an allocation fails inside the process, which can then say what it was; in between, the
            # supervisor ends it. TensorFlow reserves about 2 GiB that it never touches.
            limits.append((resource.RLIMIT_DATA, memory_bytes + (2 << 30)))
        for limit, value in limits:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(limit, (value, value))


def _descendants() -> list[psutil.Process]:
    processes = []
    for number in descendants(os.getpid()):
        with contextlib.suppress(psutil.Error):
            processes.append(psutil.Process(number))
    return processes


def is_stopped(number: int) -> bool:
    """Returns whether a process has been told to stop, and waits to be continued."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(number).status() == psutil.STATUS_STOPPED)
    return False


def _others(main: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Returns the descendants but the main process, whose exit code only `main` may collect; none is missed."""
    with contextlib.suppress(psutil.Error):
        return [process for process in psutil.Process().children(recursive=True) if process.pid != main.pid]
    return []


def _end_all(main: subprocess.Popen[bytes], grace: float) -> int:
    """Asks all descendants to end, then kills those that do not; returns how many outlived the main process."""
    outlived = 0
    if main.poll() is not None:  # what ends together with the main process takes a moment
        _, alive = psutil.wait_procs(_others(main), timeout=_SETTLE_SECONDS)
        outlived = len(alive)
    others = _others(main)
    for process in (main, *others):
        with contextlib.suppress(psutil.Error, OSError):
            process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        main.wait(grace)
    psutil.wait_procs(others, timeout=grace)
    deadline = time.monotonic() + _KILL_SECONDS
    while time.monotonic() < deadline:  # a process may start others while it is being killed
        alive = _others(main)
        if not alive and main.poll() is not None:
            break
        for process in (main, *alive):
            with contextlib.suppress(psutil.Error, OSError):
                process.kill()
        psutil.wait_procs(alive, timeout=0.2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            main.wait(0.2)
    return outlived


def supervise(command: list[str], memory_bytes: int, cores: list[int], grace: float) -> dict[str, Any]:
    """Runs `command` on these processors to its end, or until it takes too much memory or this process is told to stop.

    Returns:
        Exit code (negative: a signal), peak memory in bytes, what made the supervisor end it, processes left behind.
    """
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches everyone; the kit decides
    parent = os.getppid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    limit = functools.partial(_limit_child, memory_bytes, cores)
    posix = {"start_new_session": True, "preexec_fn": limit} if os.name == "posix" else {}
    main = subprocess.Popen(command, **posix)  # type: ignore[call-overload]
    ended_for, peak, memory = "", 0, Memory()
    while main.poll() is None and not ended_for:
        processes = _descendants()
        # Where runs are forked, what they are forked from is the kit's own, and shares its memory with them.
        used = memory.in_use(process for process in processes if not (_RUNS_ARE_FORKED and process.pid == main.pid))
        peak = max(peak, used)
        if used > memory_bytes:
            ended_for = "memory"
        elif len(processes) > _MAX_PROCESSES:
            ended_for = "processes"
        elif _RUNS_ARE_FORKED and is_stopped(main.pid):
            ended_for = "frozen"
        elif stopped or os.getppid() != parent:
            ended_for = "stopped"
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                main.wait(_POLL_SECONDS)
    outlived = _end_all(main, grace)
    memory.remove_files()
    return {"exit_code": main.poll(), "peak_memory": peak, "ended_for": ended_for, "outlived": outlived}


def main() -> None:
    """Reads the limits and the command from the arguments; writes the outcome as JSON to the file that is named."""
    parser = argparse.ArgumentParser(description="Runs a command and everything that it starts, within limits.")
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--outcome", type=Path, required=True)
    parser.add_argument("--cores", type=int, nargs="*", default=[])
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    outcome = supervise(arguments.command, arguments.memory, arguments.cores, arguments.grace)
    arguments.outcome.write_text(json.dumps(outcome))


if __name__ == "__main__":
    main()
