"""Whether XLA may compile the training of small networks: part of what the bits of a trained model depend on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

VARIABLE = "KIT_XLA"

_IN_A_USERS_CALL: ContextVar[bool] = ContextVar("in a user's call", default=False)


@contextlib.contextmanager
def not_in_a_users_call() -> Iterator[None]:
    """Has nothing compiled by XLA within: a user's call is timed, and to compile would be most of its seconds.

    What the kit's own methods compile is not counted (`kit.toolbox.costs`), because it is done once a machine. Seconds
    that a stranger's process reports to have compiled for would have to be believed.
    """
    token = _IN_A_USERS_CALL.set(True)
    try:
        yield
    finally:
        _IN_A_USERS_CALL.reset(token)


def wish() -> str:
    """Returns `$KIT_XLA`: `auto`, the default, or `never`.

    Raises:
        InputError: it is neither.
    """
    value = os.environ.get(VARIABLE, "auto")
    if value not in {"auto", "never"}:
        from kit.types import InputError  # which loads NumPy

        raise InputError(
            f"The environment variable {VARIABLE} is '{value}'. Expected 'auto' (the default: small networks are "
            "compiled by XLA) or 'never'. Correct it, or leave it out."
        )
    return value


def is_allowed() -> bool:
    """Returns whether the form of a training is left to the network.

    Example:
        >>> with not_in_a_users_call():
        ...     is_allowed()
        False
    """
    return wish() == "auto" and not _IN_A_USERS_CALL.get()
