"""What comes back from a contained run, and what its process says of itself: checked, or a number and a few names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kit.submission.diagnosis import printable
from kit.types import Cost

_LARGEST = 1e12


@dataclass(frozen=True)
class Returned:
    """What came back from one call.

    Args:
        weights: checked.
        cost: CPU seconds are those of all processes of the run, the import of the submission included.
        reply: what the process says about itself.
        outlived: how many processes it has left behind, which are killed.
    """

    weights: tuple[np.ndarray, ...]
    cost: Cost
    reply: Mapping[str, Any]
    outlived: int = 0


@dataclass(frozen=True)
class Imported:
    """What the last import of a submission took and did, as its process says.

    Args:
        seconds: its duration.
        changed: names of what it changed.
        printed: how many bytes it printed.
    """

    seconds: float = 0.0
    changed: tuple[str, ...] = ()
    printed: int = 0

    @classmethod
    def heard(cls, reply: Mapping[str, Any], printed: int) -> Self:
        """Returns it from a reply, which can say anything."""
        changed = reply.get("changed")
        names = changed[:10] if isinstance(changed, list) else []
        return cls(number(reply.get("seconds")), tuple(printable(name, 80) for name in names), printed)


def number(value: object) -> float:
    """Returns a finite number for whatever a contained process says.

    Example:
        >>> number(2), number("much"), number(float("nan"))
        (2.0, 0.0, 0.0)
    """
    isnumber = isinstance(value, int | float) and abs(value) < _LARGEST  # JSON has numbers without end
    return float(value) if isnumber else 0.0  # type: ignore[arg-type]
