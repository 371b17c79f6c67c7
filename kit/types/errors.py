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
    """A user's mistake: a paragraph with what happened, what was expected and how to fix it.

    The command line prints it without a traceback and ends with exit code 2.

    Example:
        >>> import kit
        >>> try:
        ...     kit.load_method("fintune")
        ... except kit.InputError as error:
        ...     print(str(error)[-22:])
        Did you mean finetune?
    """


class FailedRun(RuntimeError):
    """A correct request that could not be carried out: damaged files, or a method that broke its contract.

    The command line prints it without a traceback and ends with exit code 1. Unlike an `InputError`, which is raised
    before anything is computed, it may come in the middle of a run; what was finished by then is kept.

    Example:
        >>> issubclass(FailedRun, RuntimeError), issubclass(FailedRun, InputError)
        (True, False)
    """


class BrokenSubmission(FailedRun):
    """A submission failed a check of `kit validate`.

    Args:
        check: the check's name, a key of `kit.testing.CHECKS`; an attribute of the error.
        message: a paragraph for the author of the submission.

    Example:
        >>> error = BrokenSubmission("returns_model", "The method returned None. Return the network.")
        >>> error.check, str(error)[:24]
        ('returns_model', 'The method returned None')
    """

    def __init__(self, check: str, message: str) -> None:
        """Takes the check's name and the paragraph."""
        super().__init__(message)
        self.check = check

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from what their base class was given, which is the message alone.
        return type(self), (self.check, str(self)), self.__dict__
