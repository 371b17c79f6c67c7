"""The two errors of the kit, and what a broken submission raises."""

from __future__ import annotations

from typing import Any


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
