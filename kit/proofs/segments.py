"""Segments of a training, executed again and held against the states that were logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kit.proofs.signatures import Rejected

if TYPE_CHECKING:  # what trains imports TensorFlow
    from kit.proofs.trainings import Execution

# How far the weights at the end of a segment may lie from those logged, as a share of their length, where the
# processor is another. Measured on noisy-digits, 15 epochs a segment: other instructions gave 4e-7 with one library of
# convolutions and 0.09 with another, since a training magnifies last bits. So what lies within is near, and what lies
# beyond may be honest all the same.
TOLERANCE = 1e-2


def check_segments(
    execution: Execution, states: Sequence[bytes], numbers: Sequence[int], *, tolerance: float | None = None
) -> None:
    """Executes segments again, each from the logged state before it.

    Args:
        execution: of the training.
        states: logged.
        numbers: of the segments; what is asked for twice is executed once.
        tolerance: None for equal bits, else the share of the weights' length that they may differ by.

    Raises:
        Rejected: one ends elsewhere than was logged.
    """
    for number in sorted(set(numbers)):
        state = execution.execute(number, states[number - 1] if number else b"")
        if tolerance is None and state == states[number]:
            continue
        distance = _distance(execution, state, states[number])
        if tolerance is None or not distance <= tolerance:
            raise Rejected(_beyond(number, distance, tolerance))


def _beyond(number: int, distance: float, tolerance: float | None) -> str:
    """Says what follows where a segment ends elsewhere: on the same machine a refusal, on another one nothing sure."""
    what = (
        f"Segment {number} of the training, executed again, does not end where the log says (distance {distance:.2g} "
        "of the weights' length)."
    )
    if tolerance is None:
        return (
            f"{what} Expected the same bits. The model is not what comes of the committed records, the code and the "
            "seed: do not believe the certificate."
        )
    return (
        f"{what} Expected {tolerance} at most, on a machine or with libraries other than those that trained. The "
        "training is not confirmed, and not refuted either: honest ones may drift so far. Verify it on a machine of "
        "the stated kind, or have states chained more often (kit certify --every 1)."
    )


def _distance(execution: Execution, state: bytes, logged: bytes) -> float:
    here, there = execution.numbers(state), execution.numbers(logged)
    return float(np.linalg.norm(here - there) / max(np.linalg.norm(there), np.finfo(float).tiny))
