"""Contained runs whose processes have TensorFlow before they begin: a twentieth of a second rather than five.

The supervisor and the contained program are the kit's own, from the copy beside the submission, with the pipes, the
environment, the sessions and the limits that they always have. Only how a process comes to be is another: both are
forked, one from the other, where interpreters would be started. For tests of what a submission does; those of what it
can see, and of how a contained process starts and dies begin real ones.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import psutil
from processes import forkserver

if TYPE_CHECKING:
    import pytest

_PR_SET_NAME = 15
# By which those that are forked are told from others; a program that one of them starts has an environment of its own.
_NAME = f"guest-{os.getpid()}"


def fork_them(patch: pytest.MonkeyPatch, *, rehearsed: bool = False) -> None:
    """Has contained runs of this process forked, until the patch is undone; on Linux, where that is safe.

    Args:
        patch: undone when it is over.
        rehearsed: measure what handing over costs, for tests of what a call costs.
    """
    if sys.platform != "linux":
        return
    from kit.submission import contained  # here: those that are forked read this module too, and have a kit of theirs
    from kit.types import Cost

    ours = SimpleNamespace(Popen=Supervisor, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)
    patch.setattr(contained, "subprocess", ours)
    if not rehearsed:
        patch.setattr(contained.Contained, "_rehearsed", lambda _: Cost(0.0, cpu_seconds=0.0))


def still_running(home: Path) -> list[psutil.Process]:
    """Returns the contained processes of this test process, and what they started, whose home lies in a folder."""
    running = []
    for process in psutil.process_iter():
        try:
            if process.name() == _NAME or process.environ().get("HOME", "").startswith(str(home)):
                running.append(process)
        except (psutil.Error, OSError):
            continue
    return running


class Supervisor:
    """What `kit.submission.contained` uses of `subprocess.Popen`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        start_new_session: bool,
        **pipes: int,
    ) -> None:
        """Forks a process from one that has the libraries, and has it supervise."""
        assert start_new_session
        assert pipes == dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        program = list(command[command.index("-m") + 2 :])
        theirs, ours = zip(os.pipe(), *(os.pipe()[::-1] for _ in range(2)), strict=True)
        ends = [Connection(end, readable=not number, writable=bool(number)) for number, end in enumerate(theirs)]
        self._process = forkserver().Process(target=_supervise, args=(program, str(cwd), dict(env), _NAME, ends))
        self._process.start()
        for end in ends:
            end.close()
        self.stdin, self.stdout, self.stderr = (
            os.fdopen(end, mode) for end, mode in zip(ours, ("wb", "rb", "rb"), strict=True)
        )
        self.terminate, self.kill = self._process.terminate, self._process.kill

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> None:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("supervisor", timeout)


class Guest:
    """What `kit.submission.supervisor` uses of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], *, start_new_session: bool, preexec_fn: Callable[[], None]) -> None:
        """Forks this process, which has the libraries, and has it run the contained program."""
        assert start_new_session
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            preexec_fn()
            at = command.index("-m") + 1
            sys.argv = list(command[at:])
            _run(lambda: runpy.run_module(command[at], run_name="__main__", alter_sys=True))

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float) -> int:
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("guest", timeout)
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _supervise(program: list[str], folder: str, env: dict[str, str], name: str, ends: list[Connection]) -> None:
    """Runs in a forked process: the surroundings that an interpreter would find, then the supervisor of the copy."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
    os.setsid()
    for descriptor, end in enumerate(ends):
        os.dup2(end.fileno(), descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for descriptor, stream, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        setattr(sys, stream, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    sys.stderr.reconfigure(line_buffering=True)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # a library may have asked where that is
    os.chdir(folder)
    sys.argv = ["supervisor", *program]
    installed = [entry for entry in sys.path if Path(entry).is_relative_to(sys.prefix) or "/lib/python" in entry]
    sys.path[:] = [env["PYTHONPATH"], *installed]
    sys.dont_write_bytecode = True

    def supervise() -> None:
        from kit.submission import supervisor

        supervisor.subprocess = SimpleNamespace(Popen=Guest, TimeoutExpired=subprocess.TimeoutExpired)
        supervisor.main()

    _run(supervise)


def _run(program: Callable[[], object]) -> NoReturn:
    """Ends this process with the program, as an interpreter does."""
    code = 0
    try:
        program()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
