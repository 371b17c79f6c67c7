"""What runs in a worker process: the payload that it holds, a task, and the way of its result to the driver."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import cloudpickle

from kit.machine import environment, threads
from kit.types import FailedRun

# The first process would take all of a graphics card that several share.
_SHARED_CARD = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def usable_cores() -> int:
    """Returns how many cores this process may use, after its affinity and the limits of its container."""
    from joblib.externals import loky  # type: ignore[import-untyped]

    return int(loky.cpu_count())


def worker_variables() -> dict[str, str]:
    """Returns the environment variables of a worker besides the driver's, which alone shows progress."""
    return (
        {"OMP_NUM_THREADS": str(threads.number()), threads.VARIABLE: str(threads.number())}
        | threads.variables()
        | environment.instructions()
        | _SHARED_CARD
        | {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    )


class PayloadSlot:
    """The function and payload of one process: a single pair, for a payload may take a good part of the memory."""

    def __init__(self) -> None:
        """Holds nothing yet."""
        self._key: object = None
        self._pair: tuple[Callable[[Any, int], Any], Any] | None = None

    def get(self, key: object, load: Callable[[], Any]) -> Any:
        """Returns the pair under this key, loaded if it is another one than the last time.

        Args:
            key: of the pair, compared with `==`.
            load: reads and returns the pair; called only if the key differs from that of the last call.

        Returns:
            The pair, a function and its payload.
        """
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
    """Runs a task in a worker.

    Args:
        key: of the function and its payload, see `PayloadSlot.get`.
        load: reads both.
        task: number of the task, which the function is called with.

    Returns:
        The pickled result, or the pickled exception, so that no library wraps or prints it; for `unpack`.
    """
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
        "pickled. Fix the function; the traceback says where."
    )
    described.add_note(note)
    return described


def unpack(answer: bytes) -> Any:
    """Returns what a task returned, or raises what it raised.

    Args:
        answer: what `attempt` returned, in a worker of this engine (it is unpickled).

    Raises:
        Exception: what the task raised, as it was raised there.
    """
    result = pickle.loads(answer)  # noqa: S301 (from a worker of this engine)
    if isinstance(result, _Failure):
        raise result.error
    return result


def lost_task(task: int, times: int, ending: str) -> FailedRun:
    """Returns the error for a task that is not tried again.

    Args:
        task: number of the task.
        times: how many workers ended while they ran it.
        ending: how the last one ended, for people: `exit code -9`.
    """
    return FailedRun(
        f"Task {task} has lost its worker process {times} times ({ending}). Expected the process to outlive its task; "
        "most likely memory ran out, and the system ended the process. Run fewer tasks at a time with fewer --workers, "
        "or on machines with more memory."
    )
