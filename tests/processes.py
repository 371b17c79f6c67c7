"""Processes in which TensorFlow is imported before they begin: they cost a twentieth of a second rather than five.

For tests of what a process does. Those of how one starts, of what it imports, or of what the environment tells the
libraries when they are loaded, begin a real one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, reduction
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

_LIBRARIES = ["tensorflow", "keras", "scipy.stats", "sklearn.linear_model", "matplotlib.figure"]


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
        self._streams = tempfile.TemporaryDirectory()
        argv = [str(target), *map(str, arguments)]
        is_script = isinstance(target, Path)
        self.process = _start(_begin, is_script, argv, str(folder), dict(env), self._streams.name)

    @property
    def pid(self) -> int:
        """The number by which signals reach it."""
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self.process.exitcode

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


def _start(target: Any, *arguments: Any) -> Any:
    """Calls a function in a process forked from one that has imported the libraries and computed nothing."""
    process = _context().Process(target=target, args=arguments, daemon=False)
    process.start()
    return process


def _context() -> Any:
    """Returns what makes such processes, with the one that they are forked from running.

    It says nothing of its threads, for it computes nothing and its children begin anew.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "ignore")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"))
        forkserver.ensure_running()
    return context


def _begin(is_script: bool, argv: list[str], folder: str, env: dict[str, str], streams: str) -> None:
    """Runs in the forked process: the surroundings of a fresh one, then the module or script as the main one."""
    _default_signals()
    for descriptor, stream in ((1, "stdout"), (2, "stderr")):
        file = os.open(os.path.join(streams, stream), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
        setattr(sys, stream, os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", closefd=False))
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = argv
    sys.path[:0] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    if is_script:
        sys.path.insert(0, os.path.dirname(argv[0]))
        runpy.run_path(argv[0], run_name="__main__")
    else:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


# Worker processes


def fork_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the workers of the engine `processes` forked: for tests of what they compute, not of how they start."""
    from kit.engines import processes

    if sys.platform == "linux":  # elsewhere a process that has TensorFlow is not safe to fork
        monkeypatch.setattr(processes, "get_context", lambda _: SimpleNamespace(Process=_worker))


def _worker(target: Any, args: tuple[Any, ...], env: Mapping[str, str]) -> Any:
    return _context().Process(target=_work, args=(target, *args, os.environ | dict(env)), daemon=False)


def _work(serve: Any, pipe: Any, driver: int, folder: str, env: dict[str, str]) -> None:
    """Runs in the forked process, whose parent is the one that it was forked from, and ends with the driver too."""
    os.environ.clear()
    os.environ.update(env)
    serve(pipe, os.getppid(), folder)


# Contained processes


def fork_contained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has contained processes without a sandbox forked, supervised as ever: for tests of what the kit makes of them.

    What separates a contained process from the kit, how it starts and how it ends is for real ones to show.
    """
    from kit.submission import contained

    if sys.platform == "linux":
        replaced = SimpleNamespace(Popen=_Supervisor, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)
        monkeypatch.setattr(contained, "subprocess", replaced)


class _Supervisor:
    """What `kit.submission.contained` uses of `subprocess.Popen`, with a forked supervisor that forks in its turn."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], **_: Any) -> None:
        pipes = [os.pipe() for _ in range(3)]
        theirs = [_Handle(ends[number > 0]) for number, ends in enumerate(pipes)]
        ours = [ends[number == 0] for number, ends in enumerate(pipes)]
        self._process = _start(_supervise, theirs, list(command), str(cwd), dict(env))
        for handle in theirs:
            os.close(handle.descriptor)
        self.stdin: IO[bytes] = os.fdopen(ours[0], "wb")
        self.stdout, self.stderr = (os.fdopen(descriptor, "rb") for descriptor in ours[1:])
        self.pid = self._process.pid
        self.terminate, self.kill = self._process.terminate, self._process.kill

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a contained process", timeout or 0)
        return self.poll()


@dataclass(frozen=True)
class _Handle:
    """A file descriptor that is handed to a forked process."""

    descriptor: int

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (reduction.DupFd(self.descriptor),)


def _received(handle: Any) -> _Handle:
    return _Handle(handle.detach())


def _supervise(handles: Sequence[_Handle], command: Sequence[str], folder: str, env: dict[str, str]) -> None:
    """Runs in the forked process: the supervisor, which forks once more where it would start the contained process."""
    os.setsid()
    _default_signals()
    for number, handle in enumerate(handles):
        os.dup2(handle.descriptor, number)
        os.close(handle.descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.path = [env["PYTHONPATH"], *(path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix)))]
    subprocess.Popen = _ForkedPopen  # type: ignore[misc]
    _run_command(command)


def _run_command(command: Sequence[str]) -> None:
    """Runs `python -P -m MODULE ARGUMENTS` in this process."""
    module = command.index("-m") + 1
    sys.argv = list(command[module:])
    runpy.run_module(command[module], run_name="__main__", alter_sys=True)


class _ForkedPopen(subprocess.Popen[bytes]):
    """Forks this process where a new one would be started; all else is the standard library's."""

    def _execute_child(self, args: Sequence[str], executable: Any, preexec_fn: Any, *_: Any) -> None:
        self.pid = os.fork()
        if self.pid:
            self._child_created = True
            return
        code = 1
        try:
            os.setsid()
            preexec_fn()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _run_command(args)
            code = 0
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
