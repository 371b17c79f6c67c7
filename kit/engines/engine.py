"""What an engine is, and the one that needs no other process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from kit.engines.worker import PayloadSlot

P = TypeVar("P")
R = TypeVar("R")


class Engine(ABC):
    """Where tasks run; a context manager.

    Attributes:
        name: one of `kit.engines.NAMES`.
        workers: how many tasks run at a time.
        shares_disk: whether tasks may write their results to this machine's disk.
        together: whether the function is handed several tasks at once, to return a result for each.
        backend: of Keras where the tasks run, if it is not the one here.

    Example:
        with start("processes", workers=4) as engine:
            for task, result in engine.map(function, payload, range(512)):
                ...
    """

    name: str
    workers: int
    shares_disk: bool
    together: bool = False
    backend: str | None = None

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


class Serial(Engine):
    """One task after another in this process, each when it is asked for."""

    name, workers, shares_disk = "serial", 1, True

    def __init__(self) -> None:
        """Needs nothing."""
        self._slot = PayloadSlot()

    def map(self, function: Callable[[P, int], R], payload: P, tasks: Sequence[int]) -> Generator[tuple[int, R]]:
        """See `Engine.map`."""
        self._slot.get(id(payload), lambda: (function, payload))  # the id is its own for as long as it is held
        for task in tasks:
            yield task, function(payload, task)

    def close(self) -> None:
        """Closes the last payload."""
        self._slot.drop()
