"""What a check of a pack has found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PackCheck:
    """One check of a pack: its name, whether it passed, and what was found."""

    name: str
    status: str
    message: str
