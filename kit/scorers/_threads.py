"""Independent pieces of one computation on all cores: while NumPy and scikit-learn compute, they let others run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_threads(function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
    """Returns the function's result of each task, in the order of the tasks.

    What a task is must not depend on the number of cores: then no number does. Matrix products are no work for a task:
    NumPy's have threads of their own, which would be too many.

    Args:
        function: uses nothing that another call alters.
        tasks: what it is called with, some milliseconds of work each.

    Example:
        >>> in_threads(abs, [-1, 2, -3])
        [1, 2, 3]
    """
    listed = list(tasks)
    workers = min(_usable_cores(), len(listed))
    if workers < 2:
        return [function(task) for task in listed]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, listed))


def blocks(length: int, size: int) -> list[slice]:
    """Returns consecutive slices that cover a length, of a size that fits the processor's cache.

    Example:
        >>> blocks(5, 2)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, size)
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _usable_cores() -> int:
    from joblib.externals import loky  # type: ignore[import-untyped]

    return int(loky.cpu_count())  # after the process's affinity and the limits of its container
