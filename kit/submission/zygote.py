"""A fresh process for every run, forked from one that has the libraries and has done nothing with them.

TensorFlow takes seconds to import, and a fork a hundredth of one. The process that is forked, the zygote, executes
nothing of the submission and has a single thread: TensorFlow starts its own at the first operation. In a sandbox, each
run has one that is made for it alone. So nothing of a run is left for the next: no module, setting or thread, no file,
process, socket, or number that the kernel keeps.

What a run says comes through a pipe of its own and is passed on, each line after a tabulator, by which the kit knows it
from what the zygote says.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from kit.machine.process_tree import descendants
from kit.storage import files
from kit.submission import confinement

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LARGEST_LINE = 1 << 20
_SETTLE_SECONDS, _KILL_SECONDS = 0.5, 10.0

# Makes one run: its seed (None: it imports and calls nothing), and what takes the lines that it sends.
Run = Callable[[int | None, Callable[[bytes], None]], None]


class Zygote:
    """Serves requests for runs, one after another, each in a process that is gone before the next begins."""

    def __init__(self, folder: Path, run: Run, send: Callable[[bytes], None], sandbox: Sequence[str]) -> None:
        """Takes what a run does.

        Args:
            folder: with `work` and `home`, which are empty when a run begins, and `given`, which is as it is now.
            run: called in a forked process.
            send: takes a line for the kit.
            sandbox: command of bubblewrap with its options, empty for none.
        """
        self._folders = [folder / name for name in ("work", "home")]
        self._given = _Given(folder / "given")
        self._run, self._send, self._sandbox = run, send, sandbox
        # Processes that a run leaves behind become children of this one.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def serve(self, requests: Iterable[str]) -> None:
        """Makes a run for each line `{"seed": ...}`, and says `ended` when all of its processes have."""
        for line in requests:
            try:
                content = {"kind": "ended", **self._in_a_fresh_process(json.loads(line)["seed"])}
            except OSError as error:
                content = {"kind": "unconfined", "reason": str(error)}
            self._send(json.dumps(content).encode())

    def _in_a_fresh_process(self, seed: int | None) -> dict[str, Any]:
        """Returns the exit code (negative: a signal), and how many processes outlived it."""
        for folder in self._folders:
            files.remove(folder)
            folder.mkdir(exist_ok=True)
        self._given.restore()
        sandbox = confinement.Sandbox(self._sandbox) if self._sandbox else None
        reading, writing = os.pipe()
        try:
            process = self._fork(sandbox, writing, seed)
            os.close(writing)
            code = self._relay(reading, process)
            outlived = _end_others(sandbox)
        finally:
            os.close(reading)
            if sandbox is not None:
                sandbox.close()
        return {"exit_code": code, "outlived": outlived}

    def _fork(self, sandbox: confinement.Sandbox | None, writing: int, seed: int | None) -> int:
        """Returns the number of the process that makes the run, a child of this one."""
        if sandbox is None:
            process = os.fork()
            if process == 0:
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a killed supervisor kills us both
                self._begin(writing, seed)
            return process
        numbers, number = os.pipe()
        between = os.fork()
        if between == 0:  # of processes, its children alone are in the sandbox; it ends, and they become ours
            with _last_words():
                sandbox.enter()
                process = os.fork()
                if process == 0:
                    confinement.give_up_privileges()
                    self._begin(writing, seed)
                os.write(number, str(process).encode())
        os.close(number)
        os.waitpid(between, 0)
        with os.fdopen(numbers, "rb") as file:
            number_text = file.read()
        if not number_text:
            raise OSError("the sandbox cannot be entered")
        return int(number_text)

    def _begin(self, writing: int, seed: int | None) -> NoReturn:
        """Makes the run, in its own process."""
        with _last_words():
            os.setsid()  # a signal to the own group would reach this one's, out of the sandbox even
            os.closerange(3, writing)
            os.closerange(writing + 1, os.sysconf("SC_OPEN_MAX"))
            os.chdir(self._folders[0])
            confinement.deny_lasting_state()
            self._run(seed, lambda line: _write(writing, line))
        raise AssertionError  # never reached

    def _relay(self, reading: int, process: int) -> int:
        """Passes on what a run says until its process ends; returns the exit code."""
        descriptor, waiting, waited_for = os.pidfd_open(process), b"", [reading]
        try:
            while True:
                ready, _, _ = select.select([*waited_for, descriptor], [], [])
                chunk = os.read(reading, _LARGEST_LINE) if reading in ready else b""
                if reading in ready and not chunk:
                    waited_for = []  # it has closed the pipe, and goes on
                *lines, waiting = (waiting + chunk).split(b"\n")
                if len(waiting) > _LARGEST_LINE:
                    lines, waiting = [*lines, waiting], b""
                for line in lines:
                    self._send(b"\t" + line)
                if descriptor in ready and len(chunk) < _LARGEST_LINE:
                    break
        finally:
            os.close(descriptor)
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status)


class _Given:
    """What was handed over, as it is before anything of the submission has run: its own text, above all.

    In a sandbox it cannot be written to; elsewhere a run could leave something in it for the next one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "inputs.npz"]  # read by now
        self._contents = {path: path.read_bytes() for path in paths}
        self._seen = self._look()

    def _look(self) -> dict[Path, tuple[int, ...]]:
        """Returns what changes with whatever is in the folder, and which nobody but the kernel can set."""
        states = {path: path.lstat() for path in (self._folder, *self._folder.rglob("*"))}
        return {path: (state.st_ino, state.st_mode, state.st_size, state.st_ctime_ns) for path, state in states.items()}

    def restore(self) -> None:
        """Writes it anew if a run has changed anything."""
        if self._folder.is_dir() and self._look() == self._seen:
            return
        files.remove(self._folder)
        for path, content in self._contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._seen = self._look()


def _write(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line + b"\n")


@contextlib.contextmanager
def _last_words() -> Iterator[None]:
    """Ends this forked process after the block, whatever happens there; an error is printed."""
    code = 1
    try:
        yield
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _end_others(sandbox: confinement.Sandbox | None) -> int:
    """Kills what a run has left behind, and waits for it, so that it is billed; returns how many there were."""
    root, kept = (os.getpid(), 0) if sandbox is None else (sandbox.init, sandbox.program)

    def left() -> list[int]:
        with contextlib.suppress(ChildProcessError):
            while sandbox is None and os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return [number for number in descendants(root) if number != kept]

    start = time.monotonic()
    while left() and time.monotonic() < start + _SETTLE_SECONDS:  # what ends together with it takes a moment
        time.sleep(0.01)
    outlived = len(left())
    while (numbers := left()) and time.monotonic() < start + _KILL_SECONDS:  # they may start others meanwhile
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.01)
    return outlived
