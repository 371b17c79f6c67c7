"""Ctrl-C that is heeded: Python drops an exception that is raised in the callback of a weak reference, for instance.

A library in C or C++ may drop one too, or raise an error of its own in its place. Work would then go on to its end and
write what nobody wants, or end as a fault of a method that has none.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class _Handler:
    """Notes whether somebody has pressed Ctrl-C."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handles SIGINT as Python does, which raises `KeyboardInterrupt`."""
        self.pressed = True
        signal.default_int_handler(number, frame)


def heed() -> None:
    """Raises `KeyboardInterrupt` where one was raised within `watched` and got lost; for between two pieces of work.

    Raises:
        KeyboardInterrupt: somebody has pressed Ctrl-C since `watched` began.

    Example:
        >>> heed()
    """
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Handler) and handler.pressed:
        raise KeyboardInterrupt


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Notes Ctrl-C for `heed`, and heeds it itself where an error ends the work; to be called in the main thread.

    Where SIGINT is ignored, or another handler has it, that stays so.

    Raises:
        KeyboardInterrupt: in place of an error that comes after Ctrl-C, which is most likely what a library made of it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _Handler())
    try:
        yield
    except Exception:
        heed()
        raise
    finally:
        signal.signal(signal.SIGINT, before)
