"""Ctrl-C that is heeded: Python drops an exception that is raised in the callback of a weak reference, for instance.

A library in C++ may drop one too. What began with Ctrl-C would then go on to its end, and write what nobody wants.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Interrupts:
    """Whether somebody has pressed Ctrl-C since `watched` began."""

    def __init__(self) -> None:
        """Begins with nothing pressed."""
        self._pressed = False

    def press(self, number: int, frame: FrameType | None) -> None:
        """Handles SIGINT: notes it, and raises `KeyboardInterrupt`, as Python does.

        Args:
            number: of the signal.
            frame: which it interrupts.

        Raises:
            KeyboardInterrupt: always.
        """
        self._pressed = True
        signal.default_int_handler(number, frame)

    def check(self) -> None:
        """Raises `KeyboardInterrupt` where one was raised that got lost; to be called between two pieces of work.

        Example:
            >>> Interrupts().check()
        """
        if self._pressed:
            raise KeyboardInterrupt


@contextlib.contextmanager
def watched() -> Iterator[Interrupts]:
    """Gives what notes Ctrl-C; to be called in the main thread.

    Where SIGINT is ignored, or another handler has it, that stays so.
    """
    interrupts, before = Interrupts(), signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.press)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
