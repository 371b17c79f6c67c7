"""Where the tasks of a population run: in this process, in several of this machine, or on a Ray cluster.

A task is a number, and the work is `function(payload, task)`. The payload (data, weights, a method) is handed to each
process once, however many tasks run there, and results come back as they are finished. What a lost process or node was
at is done again, so `function` has to give the same result whenever it is called with the same task.

Decisions:

- Worker processes are the kit's own, over loky's start: loky's executor gives up all tasks when one worker dies.
- The worker process writes its runs, not the driver, where they share a disk: a model is stored before the next one
  begins. From Ray results come to the driver, which stores them.
"""

from __future__ import annotations

from kit.engines.engine import Engine, Serial
from kit.engines.worker import usable_cores
from kit.types import InputError

__all__ = ["NAMES", "Engine", "Serial", "check_options", "start", "usable_cores"]

NAMES = ("serial", "processes", "ray", "stacked")


def start(name: str, *, workers: int | None = None, address: str | None = None, gpus_per_worker: float = 0.0) -> Engine:
    """Starts an engine: `serial`, `processes`, `ray` or `stacked`.

    Args:
        name: one of `NAMES`.
        workers: >= 1; by default 1 for `serial`, the usable cores for `processes` and for Ray on this machine. On a
            cluster: how many tasks it is given at a time, by default enough to keep all of its CPUs busy. Of `stacked`:
            models computed at once, by default as many as suit the device; fewer where its memory runs out.
        address: of a Ray cluster ("auto", "host:port", "ray://host:port"); by default Ray starts on this machine.
        gpus_per_worker: with `ray` only, >= 0; 0.5 lets two tasks share a graphics card.

    Returns:
        The engine, started: a context manager, which ends its workers. For `serial`, nothing is started.

    Raises:
        InputError: an option that the engine does not have, Ray is not installed, no cluster at this address.

    Example:
        >>> with start("serial") as engine:
        ...     list(engine.map(pow, 2, [3, 10]))
        [(3, 8), (10, 1024)]
    """
    check_options(name, workers, address, gpus_per_worker)
    if name == "processes":
        from kit.engines.processes import Processes

        return Processes(workers)
    if name == "ray":
        from kit.engines.ray import Ray

        return Ray(workers, address, gpus_per_worker)
    if name == "stacked":
        from kit.engines.stacked import Stacked

        return Stacked(workers)
    return Serial()


def check_options(name: str, workers: int | None, address: str | None, gpus_per_worker: float) -> None:
    """Checks the arguments of `start`; nothing is started.

    Args:
        name, workers, address, gpus_per_worker: as for `start`.

    Raises:
        InputError: an unknown name, or an option that the engine does not have.
    """
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
