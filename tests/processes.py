"""Processes in which TensorFlow is imported before they begin: they cost a twentieth of a second rather than five.

For tests of what a process does. Those of how one starts, of what it imports, or of what the environment tells the
libraries when they are loaded, begin a real one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.context
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


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
        with quiet_fork():
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
    """Returns what makes processes that are forked from one with the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["libraries"])
    folder, tempfile.tempdir = tempfile.tempdir, "/tmp"  # a test may have one of its own, too long a name for a socket
    try:
        multiprocessing.util.get_temp_dir()
    finally:
        tempfile.tempdir = folder
    return context


@contextlib.contextmanager
def quiet_fork() -> Iterator[None]:
    """Has the process that forks find `libraries`, and say nothing of its threads: it computes nothing.

    Its children begin anew, with the environment that they are given.
    """
    ours = {
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(is_script: bool, argv: list[str], folder: str, env: dict[str, str], streams: str) -> None:
    """Runs in the forked process: the surroundings of a fresh one, then the module or script as the main one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
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
    if is_script:
        sys.path.insert(0, os.path.dirname(argv[0]))
        runpy.run_path(argv[0], run_name="__main__")
    else:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
