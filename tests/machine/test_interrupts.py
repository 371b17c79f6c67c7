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
        with interrupts.watched():
            interrupts.heed()
            something = Something()
            reference = weakref.ref(something, press)
            del something  # raises in the callback, where Python drops it
            assert reference() is None
            with pytest.raises(KeyboardInterrupt):
                interrupts.heed()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("pressed", [True, False])
def test_an_error_after_an_interrupt_is_one_that_a_library_made_of_it(pressed: bool) -> None:
    def in_c() -> None:
        try:
            if pressed:
                os.kill(os.getpid(), signal.SIGINT)
                for _number in range(1000):
                    pass
        except KeyboardInterrupt:
            pass
        raise SystemError("bad argument to internal function")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt if pressed else SystemError), interrupts.watched():
            in_c()
        interrupts.heed()
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_it_is_ignored_it_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.watched():
            os.kill(os.getpid(), signal.SIGINT)
            interrupts.heed()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
