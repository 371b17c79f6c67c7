"""Where the tasks of a population run: in this process, in several of this machine, or on a Ray cluster.

A task is a number, and the work is `function(payload, task)`. The payload (data, weights, a method) is handed to each
process once, however many tasks run there, and results come back as they are finished. What a lost process or node was
at is done again, so `function` has to give the same result whenever it is called with the same task.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import cloudpickle

from kit.machine import threads
from kit.types import FailedRun, InputError

NAMES = ("serial", "processes", "ray")
# The first process would take all of a graphics card that several share.
_SHARED_CARD = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
P = TypeVar("P")
R = TypeVar("R")


class Engine(ABC):
    """Runs tasks; a context manager. `shares_disk` says whether tasks may write their results to this machine's disk.

    Example:
        with start("processes", workers=4) as engine:
            for task, result in engine.map(function, payload, range(512)):
                ...
    """

    name: str
    workers: int
    shares_disk: bool

    @abstractmethod
    def map(self, function: Callable[[P, int], R], payload: P, tasks: Sequence[int]) -> Generator[tuple[int, R]]:
        """Yields (task, `function(payload, task)`) as they are finished, in any order.

        Args:
            function: of a module. Its exceptions come through as they are, with the worker's traceback as a note, and
                end the other tasks.
            payload: sent to each process once, where every task is given the same object; do not write into its
                arrays, which are read-only on Ray. If it has a method `close()`, that is called when another payload
                takes its place and when the process ends.
            tasks: numbers. Those that run when the iterator is closed are cancelled, and their processes ended.

        Raises:
            FailedRun: a task lost its process again and again.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends all workers. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(name: str, *, workers: int | None = None, address: str | None = None, gpus_per_worker: float = 0.0) -> Engine:
    """Starts an engine: `serial`, `processes` or `ray`.

    Args:
        name: one of `NAMES`.
        workers: >= 1; by default 1 for `serial`, the usable cores for `processes` and for Ray on this machine. On a
            cluster: how many tasks it is given at a time, by default enough to keep all of its CPUs busy.
        address: of a Ray cluster ("auto", "host:port", "ray://host:port"); by default Ray starts on this machine.
        gpus_per_worker: with `ray` only, >= 0; 0.5 lets two tasks share a graphics card.

    Raises:
        InputError: an option that the engine does not have, Ray is not installed, no cluster at this address.

    Example:
        >>> with start("serial") as engine:
        ...     list(engine.map(pow, 2, [3, 10]))
        [(3, 8), (10, 1024)]
    """
    _check_options(name, workers, address, gpus_per_worker)
    if name == "processes":
        from kit.engines.processes import Processes

        return Processes(workers)
    if name == "ray":
        from kit.engines.ray import Ray

        return Ray(workers, address, gpus_per_worker)
    return Serial()


def usable_cores() -> int:
    """Returns how many cores this process may use, after its affinity and the limits of its container."""
    from joblib.externals import loky  # type: ignore[import-untyped]

    return int(loky.cpu_count())


def worker_variables() -> dict[str, str]:
    """Returns what the environment of a worker has besides the driver's: its progress is the driver's to show."""
    return (
        {"OMP_NUM_THREADS": str(threads.number()), threads.VARIABLE: str(threads.number())}
        | threads.variables()
        | _SHARED_CARD
        | {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    )


def _check_options(name: str, workers: int | None, address: str | None, gpus_per_worker: float) -> None:
    if name not in NAMES:
        raise InputError(f"There is no engine '{name}'. Expected one of {', '.join(NAMES)}. Correct the name.")
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers were asked for. Expected 1 or more. Correct the number, or leave it out.")
    if name == "serial" and workers not in (None, 1):
        raise InputError(
            f"The engine 'serial' was asked for {workers} workers. Expected 1, for it runs one task after another. "
            "Choose the engine 'processes', or leave the number out."
        )
    if name != "ray" and (address is not None or gpus_per_worker):
        what = f"the address '{address}'" if address is not None else f"{gpus_per_worker} graphics cards per worker"
        raise InputError(
            f"The engine '{name}' was given {what}. Expected that with 'ray' only. Choose the engine 'ray', or leave "
            "the option out."
        )
    if gpus_per_worker < 0 or (gpus_per_worker > 1 and gpus_per_worker % 1):
        raise InputError(
            f"A worker was given {gpus_per_worker} graphics cards. Expected a part of one, such as 0.5, or a whole "
            "number. Correct it, or leave it out."
        )


class PayloadSlot:
    """The function and payload of one process: a single pair, for a payload may take a good part of the memory."""

    def __init__(self) -> None:
        """Holds nothing yet."""
        self._key: object = None
        self._pair: tuple[Callable[[Any, int], Any], Any] | None = None

    def get(self, key: object, load: Callable[[], Any]) -> Any:
        """Returns the pair under this key, loaded if it is another one than the last time."""
        if self._pair is None or key != self._key:
            self.drop()
            self._pair, self._key = load(), key
        return self._pair

    def drop(self) -> None:
        """Lets go of the payload, and closes it if it can be closed."""
        pair, self._pair = self._pair, None
        close = getattr(pair[1], "close", None) if pair else None
        if callable(close):
            close()


# Of a worker process, and empty in the driver's: only what a module holds is there still when the next task comes.
slot = PayloadSlot()
atexit.register(slot.drop)


class _Failure(NamedTuple):
    """The exception of a task, on its way to the driver."""

    error: Exception


def attempt(key: str, load: Callable[[], Any], task: int) -> bytes:
    """Runs a task in a worker; returns the pickled result, or exception, which no library then wraps or prints."""
    try:
        function, payload = slot.get(key, load)
        return bytes(cloudpickle.dumps(function(payload, task), protocol=5))
    except Exception as error:
        return bytes(cloudpickle.dumps(_Failure(_portable(error, task))))


def _portable(error: Exception, task: int) -> Exception:
    """Returns the exception if it survives the way, else a `FailedRun` in its place; the traceback goes as a note."""
    note = f"In a worker:\n{''.join(traceback.format_exception(error)).rstrip()}"
    with contextlib.suppress(Exception):
        error.add_note(note)
        if type(pickle.loads(cloudpickle.dumps(error))) is type(error):  # noqa: S301 (pickled on the same line)
            return error
    described = FailedRun(
        f"Task {task} failed with {type(error).__name__}: {error} Expected a result, or an exception, that can be "
        "pickled. Mend the function; the traceback says where."
    )
    described.add_note(note)
    return described


def unpack(answer: bytes) -> Any:
    """Returns what a task returned, or raises what it raised; `answer` comes from `attempt`."""
    result = pickle.loads(answer)  # noqa: S301 (from a worker of this engine)
    if isinstance(result, _Failure):
        raise result.error
    return result


def lost_task(task: int, times: int, ending: str) -> FailedRun:
    """Returns the error for a task that may not be tried again; `ending` says how its process ended."""
    return FailedRun(
        f"Task {task} has lost its worker process {times} times ({ending}). Expected the process to outlive its task; "
        "most likely memory ran out, and the system ended the process. Run fewer tasks at a time with fewer --workers, "
        "or on machines with more memory."
    )


class Serial(Engine):
    """One task after another in this process, each when it is asked for."""

    name, workers, shares_disk = "serial", 1, True

    def __init__(self) -> None:
        """Needs nothing."""
        self._slot = PayloadSlot()

    def map(self, function: Callable[[P, int], R], payload: P, tasks: Sequence[int]) -> Generator[tuple[int, R]]:
        """See `Engine.map`."""
        self._slot.get(id(payload), lambda: (function, payload))  # the id is its own for as long as it is kept
        for task in tasks:
            yield task, function(payload, task)

    def close(self) -> None:
        """Closes the last payload."""
        self._slot.drop()
