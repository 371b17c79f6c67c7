"""The engine `processes`: workers on this machine, each a fresh interpreter that serves one task after another.

loky starts the processes, and does not import the user's script in them, which may lack a `__main__` guard. Handing
out is done here rather than by loky's executor: that gives up all tasks when one worker dies, and cannot tell whose.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import uuid
import weakref
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from multiprocessing import Pipe, resource_tracker
from multiprocessing.connection import Connection, wait
from types import MappingProxyType
from typing import Any

import cloudpickle
import psutil
from joblib.externals.loky.backend import get_context  # type: ignore[import-untyped]
from tqdm import tqdm

from kit.engines.engine import Engine, P, R
from kit.engines.worker import attempt, lost_task, slot, unpack, usable_cores, worker_variables
from kit.storage.scratch import Scratch

_MAX_LOSSES = 3
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.5
_SAFE_PATH = "PYTHONSAFEPATH"


class _Worker:
    """One process, the pipe to it and the task that it has."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self.pipe, self._theirs = Pipe()
        self.task: int | None = None
        self.process: Any = get_context("loky").Process(
            target=_serve,
            args=(self._theirs, os.getpid(), folder),
            env=worker_variables() | {"TMPDIR": folder, **environment},
        )

    def start(self) -> None:
        with _working_folder_left_out(), _interrupts_held_back():
            self.process.start()
            self._theirs.close()

    def give(self, path: str, task: int) -> None:
        self.task = task
        with contextlib.suppress(OSError):  # it has died: that shows when its answer is read
            self.pipe.send((path, task))

    def answer(self) -> bytes | None:
        """Returns None if the process died, and keeps the task in mind."""
        try:
            answer = self.pipe.recv_bytes() if self.pipe.poll() else None
        except (EOFError, OSError):
            return None
        if answer is not None:
            self.task = None
        return answer


@contextlib.contextmanager
def _working_folder_left_out() -> Iterator[None]:
    """Starts programs that do not look for modules in the working folder first; a worker gets the driver's search path.

    loky's programs are Python's `-m` and `-c`: a file random.py of the user's would end them before they have begun.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[_SAFE_PATH]
        if before is not None:
            os.environ[_SAFE_PATH] = before


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Lets Ctrl-C wait, here and in a process started meanwhile, which could not ignore it yet and show a traceback."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # or it is started on the way, and lets interrupts through when it is done
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, driver: int, folder: str) -> None:
    """Runs in a worker process: one task after another until the driver closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business
    signal.signal(signal.SIGTERM, _end_here)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with, args=(driver, folder), daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own is a semaphore between processes, which nobody takes down
    with contextlib.suppress(EOFError, OSError):
        while True:
            path, task = pipe.recv()
            pipe.send_bytes(attempt(path, functools.partial(_read, path), task))
    _end_here()


def _end_here(*_: object) -> None:
    """Ends this process with all that its tasks started; as a signal's handler too, hence no ordinary exit."""
    with contextlib.suppress(Exception):
        slot.drop()
    _exit_with_children()


def _exit_with_children() -> None:
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _read(path: str) -> Any:
    with open(path, "rb") as stream:
        return pickle.load(stream)  # noqa: S301 (the driver's, in a folder that nobody else can enter)


def _die_with(driver: int, folder: str) -> None:
    """Ends this process, whatever it is at, when the driver was killed, and removes the payload that it left behind."""
    while os.getppid() == driver and psutil.pid_exists(driver):
        time.sleep(_POLL_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    threading.Timer(_POLL_SECONDS, _exit_with_children).start()  # if the payload cannot be closed while it is used
    _end_here()


class Processes(Engine):
    """Worker processes on this machine, started when they are needed and kept from one `map` to the next."""

    name, shares_disk = "processes", True

    def __init__(self, workers: int | None, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        """By default as many workers as this process may use cores; in this environment besides their usual one."""
        self.workers = self._most = workers or usable_cores()
        self._environment = environment
        scratch = Scratch("kit-engine-")
        self._folder = str(scratch.path)
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._close = weakref.finalize(self, _end_all, self._all, scratch)
        atexit.register(self._close)  # runs before multiprocessing's own, which waits for the workers for ever

    def map(self, function: Callable[[P, int], R], payload: P, tasks: Sequence[int]) -> Generator[tuple[int, R]]:
        """See `Engine.map`."""
        # A file rather than the pipes: written once, and there for workers that start later.
        path = os.path.join(self._folder, uuid.uuid4().hex)
        waiting, losses, busy = deque(tasks), Counter[int](), list[_Worker]()
        try:
            with open(path, "wb") as stream:
                cloudpickle.dump((function, payload), stream, protocol=5)
            self._hand_out(path, waiting, busy)
            while busy:
                finished = self._collect(waiting, busy, losses)
                self._hand_out(path, waiting, busy)  # before the caller is served, who may take a while
                for task, answer in finished:
                    yield task, unpack(answer)
        finally:
            self._forget(busy)
            with contextlib.suppress(FileNotFoundError):  # the engine was closed before this iterator
                os.unlink(path)

    def _hand_out(self, path: str, waiting: deque[int], busy: list[_Worker]) -> None:
        self._forget([worker for worker in self._idle if not worker.process.is_alive()])
        while waiting and len(busy) < self._most:
            if not self._idle:
                self._all.append(
                    _Worker(self._folder, self._environment)
                )  # known before it runs: Ctrl-C can come at any line
                self._all[-1].start()
                self._idle.append(self._all[-1])
            busy.append(self._idle.pop())
            busy[-1].give(path, waiting.popleft())

    def _collect(self, waiting: deque[int], busy: list[_Worker], losses: Counter[int]) -> list[tuple[int, bytes]]:
        """Returns what has been finished since; tasks whose process died go back to the front of those waiting."""
        finished = []
        for worker, task in [(worker, worker.task) for worker in _ready(busy) if worker.task is not None]:
            answer = worker.answer()
            busy.remove(worker)
            if answer is not None:
                self._idle.append(worker)
                finished.append((task, answer))
                continue
            self._forget([worker])
            losses[task] += 1
            if losses[task] == _MAX_LOSSES:
                raise lost_task(task, _MAX_LOSSES, f"exit status {worker.process.exitcode}")
            waiting.appendleft(task)
        return finished

    def _forget(self, workers: list[_Worker]) -> None:
        self._idle = [worker for worker in self._idle if worker not in workers]
        _end(workers)
        for worker in workers:
            with contextlib.suppress(ValueError):
                self._all.remove(worker)

    def close(self) -> None:
        """Ends the processes and removes what was written for them."""
        self._idle.clear()
        self._close()
        atexit.unregister(self._close)


def _ready(busy: list[_Worker]) -> list[_Worker]:
    """Waits for answers. A death is looked for too: a grandchild may keep the pipe of a dead process open."""
    readable = wait([worker.pipe for worker in busy], _POLL_SECONDS)
    return [worker for worker in busy if worker.pipe in readable or not worker.process.is_alive()]


def _end(workers: list[_Worker]) -> None:
    """Ends processes and all that they started: idle ones by closing the pipe, busy ones by a signal."""
    workers = [worker for worker in workers if worker.process.pid is not None]  # Ctrl-C may have come before its start
    for worker in workers:
        worker.pipe.close()
        if worker.task is not None:
            worker.process.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            _kill_tree(worker.process.pid)
            worker.process.join()


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.suspend()  # so that it starts no more
        for member in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                member.kill()


def _end_all(workers: list[_Worker], scratch: Scratch) -> None:
    _end(workers)
    workers.clear()
    scratch.close()
