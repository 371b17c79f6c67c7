"""How a file is run: its limits, which are measured on a challenge, and whether in a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from kit.rules import PATIENCE_RETRAININGS, PATIENCE_SECONDS
from kit.runs import timing
from kit.submission import sandbox
from kit.submission.contained import Limits
from kit.submission.entry import Entry
from kit.types import Challenge


def limits_for(challenge: Challenge) -> Limits:
    """Returns what a contained run may take by default: far more than the budget, to end what never would.

    Args:
        challenge: whose retraining, measured on this machine, is the unit.
    """
    return Limits(seconds=PATIENCE_SECONDS + PATIENCE_RETRAININGS * timing.reference(challenge).seconds)


# What separates a method from the process that scores it, in reports: nothing for functions and built-in methods.
Level = Literal["in-process", "contained", "sandboxed"]


@dataclass(frozen=True)
class Containment:
    """How a file is run.

    Args:
        seconds, memory_bytes: of a call; where None, those of `limits_for(challenge)`.
        sandboxed: in bubblewrap; where None, if that works here.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    sandboxed: bool | None = None

    def settled(self) -> Containment:
        """Returns the same, with or without a sandbox; this machine decides where nobody has."""
        return self if self.sandboxed is not None else replace(self, sandboxed=not sandbox.sandbox_problem())

    def level(self, entry: Entry) -> Level:
        """Returns what separates a method from the process that scores it.

        Args:
            entry: the method.

        Example:
            >>> Containment().level(Entry("finetune"))
            'in-process'
        """
        if entry.source is None:
            return "in-process"
        return "sandboxed" if self.settled().sandboxed else "contained"

    def limits(self, challenge: Challenge) -> Limits:
        """Returns the limits that were set, and where none were, those by default.

        Args:
            challenge: see `limits_for`.
        """
        if self.seconds is not None and self.memory_bytes is not None:  # nothing has to be measured
            return Limits(self.seconds, self.memory_bytes)
        limits = limits_for(challenge)
        return Limits(self.seconds or limits.seconds, self.memory_bytes or limits.memory_bytes)
