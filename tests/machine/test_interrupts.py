"""Ctrl-C that Python loses, and that is heeded all the same."""

from __future__ import annotations

import os
import signal
import weakref

import pytest

from kit.machine import interrupts


class Something:
    """What can be referred to weakly."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_was_lost_is_heeded_at_the_next_check() -> None:
    def press(_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _number in range(1000):  # the handler runs between two instructions of these
            pass

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts.watched() as pressed:
            pressed.check()
            something = Something()
            reference = weakref.ref(something, press)
            del something  # raises in the callback, where Python drops it
            assert reference() is None
            with pytest.raises(KeyboardInterrupt):
                pressed.check()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_it_is_ignored_it_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.watched() as pressed:
            os.kill(os.getpid(), signal.SIGINT)
            pressed.check()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
