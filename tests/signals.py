"""Processes that are interrupted as people interrupt them."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator

from processes import Forked


@contextlib.contextmanager
def children_take_interrupts() -> Iterator[None]:
    """Lets processes that are started in it end at SIGINT: a parallel test run ignores it, and so its children too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes] | Forked, how: int) -> None:
    """Sends a signal until it is heeded, as people press Ctrl-C again.

    One in hundreds is lost, it is not known where: perhaps where TensorFlow asks from C++ what an object is, and takes
    an interruption in the midst of that for a no.
    """
    for _ in range(10):
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.5)
            return
