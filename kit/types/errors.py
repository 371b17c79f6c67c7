"""The two errors of the kit, what a broken submission raises, and how an error about a name ends."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def did_you_mean(name: str, known: Iterable[str], otherwise: str, *, most: int = 3, likeness: float = 0.5) -> str:
    """Returns the end of an error about an unknown name: names like it, or else another piece of advice.

    Args:
        name: that nothing has.
        known: the names that there are.
        otherwise: what is said where none of them is like it.
        most: how many names are shown.
        likeness: from 0 to 1 (the same), of those that are shown.

    Example:
        >>> did_you_mean("fintune", ["finetune", "scrub"], "See 'kit list methods'.")
        'Did you mean finetune?'
    """
    near = difflib.get_close_matches(name, known, n=most, cutoff=likeness)
    return f"Did you mean {' or '.join(near)}?" if near else otherwise


class InputError(ValueError):
    """A user's mistake: the message is one paragraph with what happened, what was expected and how to fix it."""


class FailedRun(RuntimeError):
    """Work that was asked for correctly and failed: damaged files, a method that broke its contract."""


class BrokenSubmission(FailedRun):
    """A submission failed; `check` names the check of `kit validate` that it fails."""

    def __init__(self, check: str, message: str) -> None:
        """Takes the check's name, and a paragraph for the author of the submission."""
        super().__init__(message)
        self.check = check

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from what their base class was given, which is the message alone.
        return type(self), (self.check, str(self)), self.__dict__
