"""Processes in which TensorFlow is imported before they begin: they cost a twentieth of a second rather than five.

For tests of what a process does. Those of how one starts, of what it imports, or of what the environment tells the
libraries when they are loaded, begin a real one.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import multiprocessing.forkserver
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@dataclass(frozen=True)
class Finished:
    """What a process left: its exit code (negative: a signal) and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Forked:
    """A process that runs a module or a script as the interpreter would, forked from one that has the libraries."""

    def __init__(
        self, target: str | Path, arguments: Sequence[str | Path], folder: Path, env: Mapping[str, str]
    ) -> None:
        """Starts it; `target` is the name of a module (`-m`) or the path of a script."""
        context = forkserver()
        self._streams = tempfile.TemporaryDirectory()
        argv = [str(target), *map(str, arguments)]
        is_script = isinstance(target, Path)
        self.process = context.Process(
            target=_begin, args=(is_script, argv, str(folder), dict(env), self._streams.name), daemon=False
        )
        self.process.start()

    @property
    def pid(self) -> int:
        """The number by which signals reach it."""
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self.process.exitcode

    def wait(self, seconds: float) -> None:
        """Waits for the end, for so long at most, as `subprocess.Popen` does."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("a forked process", seconds)

    def send_signal(self, number: int) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def output(self, name: str) -> str:
        """Returns what it has printed so far, to `stdout` or `stderr`."""
        path = Path(self._streams.name) / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def finish(self, seconds: float = 300.0) -> Finished:
        """Waits for the end; what takes longer is killed, and fails."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"After {seconds} s it had printed: {self.output('stderr')}")
        assert self.process.exitcode is not None
        finished = Finished(self.process.exitcode, self.output("stdout"), self.output("stderr"))
        self._streams.cleanup()
        return finished


def run(
    target: str | Path,
    *arguments: str | Path,
    folder: Path,
    env: Mapping[str, str] | None = None,
    seconds: float = 300.0,
) -> Finished:
    """Runs a module (`run("kit", "list", ...)`) or a script to its end, in a process of its own."""
    return Forked(target, arguments, folder, os.environ if env is None else env).finish(seconds)


def forkserver() -> multiprocessing.context.ForkServerContext:
    """Returns what makes processes that are forked from one with the libraries, which runs then.

    It says nothing of its threads: it computes nothing, and its children begin anew, with the environment that they
    are given.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["libraries"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", "/tmp")  # a test may have one of its own, too long a name for a socket
        multiprocessing.util.get_temp_dir()
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("PYTHONWARNINGS", "ignore")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"))
        multiprocessing.forkserver.ensure_running()
    return context


def fork_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the workers of the engine `processes` forked: for tests of what they compute, not of how they start."""
    from kit.engines import processes

    if sys.platform == "linux":  # elsewhere a process that has TensorFlow is not safe to fork
        monkeypatch.setattr(processes, "get_context", lambda _: SimpleNamespace(Process=_worker))


def _worker(
    target: Callable[..., None], args: tuple[Any, ...], env: Mapping[str, str]
) -> multiprocessing.process.BaseProcess:
    return forkserver().Process(target=_work, args=(target, *args, os.environ | dict(env)))


def _work(serve: Callable[..., None], pipe: Connection, driver: int, folder: str, env: dict[str, str]) -> None:
    """Runs in the forked process, whose parent is the one that it was forked from, and ends with the driver too."""
    os.environ.clear()
    os.environ.update(env)
    serve(pipe, os.getppid(), folder)


def _begin(is_script: bool, argv: list[str], folder: str, env: dict[str, str], streams: str) -> None:
    """Runs in the forked process: the surroundings of a fresh one, then the module or script as the main one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    for descriptor, stream in ((1, "stdout"), (2, "stderr")):
        file = os.open(os.path.join(streams, stream), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
        setattr(sys, stream, os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", closefd=False))
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # a library may have asked where that is
    os.chdir(folder)
    sys.argv = argv
    sys.path[:0] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    if is_script:
        sys.path.insert(0, os.path.dirname(argv[0]))
        runpy.run_path(argv[0], run_name="__main__")
    else:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
