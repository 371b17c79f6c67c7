"""What a retraining costs, as tests want it: measuring one takes seconds."""

from __future__ import annotations

from kit.types import Retraining


def taking(seconds: float) -> Retraining:
    """Returns a retraining of so many seconds, by the clock and of the processor, in which nothing is traced."""
    return Retraining(seconds=seconds, work=seconds, tracing=0.0, operations=0, passes=1000.0)
