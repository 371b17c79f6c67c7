"""How fast this processor is just now: seconds of a fixed piece of work, to hold those of other work against.

A second of the processor is not always worth as much: beside busy processes, or other guests of the same machine, the
same work takes up to twice as many. What this takes goes up and down with it.
"""

from __future__ import annotations

import time

_ROUNDS = 80_000


def seconds() -> float:
    """Returns the CPU seconds of the piece of work, some hundredths.

    Example:
        >>> 0 < seconds() < 10
        True
    """
    start = time.thread_time()
    counts: dict[int, int] = {}
    for number in range(_ROUNDS):
        counts[number % 997] = counts.get(number % 991, 0) + 1
    return time.thread_time() - start
