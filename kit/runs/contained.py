"""How a file is run: its limits, which are measured on a challenge, and whether in a sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from kit.rules import PATIENCE_RETRAININGS, PATIENCE_SECONDS
from kit.runs import timing
from kit.submission.contained import Limits
from kit.types import Challenge


def limits_for(challenge: Challenge) -> Limits:
    """Returns what a contained run may take by default: far more than the budget, to end what never would."""
    return Limits(seconds=PATIENCE_SECONDS + PATIENCE_RETRAININGS * timing.reference_seconds(challenge))


@dataclass(frozen=True)
class Containment:
    """How a file is run: seconds of a call and bytes of memory (where None, `limits_for(challenge)`), and a sandbox."""

    seconds: float | None = None
    memory_bytes: int | None = None
    sandboxed: bool = False

    def limits(self, challenge: Challenge) -> Limits:
        """Returns the limits on a challenge."""
        if self.seconds is not None and self.memory_bytes is not None:  # nothing has to be measured
            return Limits(self.seconds, self.memory_bytes)
        limits = limits_for(challenge)
        return Limits(self.seconds or limits.seconds, self.memory_bytes or limits.memory_bytes)
