"""What a method costs: the examples that pass through a network, counted where they do.

A pass is what training on one example costs, forward and backward; a forward pass alone is a third of it, a product
with a curvature matrix two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_FORWARD, _SECOND_ORDER = 1 / 3, 2.0


@dataclass
class Counter:
    """Examples that went through a network, each as often as it did.

    Args:
        forward: forward only.
        backward: forward and backward, for a step of training or a gradient.
        second_order: for products with curvature matrices.
        compiling: seconds that XLA has compiled for, once a machine.
    """

    forward: int = 0
    backward: int = 0
    second_order: int = 0
    compiling: float = 0.0

    @property
    def passes(self) -> float:
        """All of them, in units of forward and backward."""
        return self.backward + _FORWARD * self.forward + _SECOND_ORDER * self.second_order


@dataclass
class Traces:
    """What was traced.

    Args:
        seconds: of the processor, in first steps, as far as they can be laid to tracing whoever's function it is.
        operations: in all graphs that were made.
        making: of the seconds, those in which operations were made.
        first_steps: seconds of the processor in whole first steps: of the kit's own methods all of that is tracing, and
            compiling what was traced.
    """

    seconds: float = 0.0
    operations: int = 0
    making: float = 0.0
    first_steps: float = 0.0


# A context variable: what runs in another thread or task is not counted here.
_ACTIVE: ContextVar[tuple[Counter, ...]] = ContextVar("active counters", default=())


@contextmanager
def counted() -> Iterator[Counter]:
    """Counts, while it lasts, what passes through networks by way of the toolbox.

    One inside another counts for both.

    Example:
        >>> import numpy as np
        >>> from kit.models import mlp
        >>> from kit.toolbox.inference import predict_logits
        >>> with counted() as counter:
        ...     logits = predict_logits(mlp((4,), 4), np.eye(4, dtype="float32"))
        >>> counter
        Counter(forward=4, backward=0, second_order=0, compiling=0.0)
        >>> round(counter.passes, 4)
        1.3333
    """
    counter = Counter()
    token = _ACTIVE.set((*_ACTIVE.get(), counter))
    try:
        yield counter
    finally:
        _ACTIVE.reset(token)


def add(*, forward: int = 0, backward: int = 0, second_order: int = 0, compiling: float = 0.0) -> None:
    """Reports work to the counters that are active, if there are any.

    Args:
        forward: examples that went forward only.
        backward: examples that went forward and backward.
        second_order: examples in products with curvature matrices.
        compiling: seconds for which XLA has compiled.

    Example:
        >>> with counted() as counter:
        ...     add(forward=3, backward=2)
        >>> counter.passes
        3.0
    """
    for counter in _ACTIVE.get():
        counter.forward += forward
        counter.backward += backward
        counter.second_order += second_order
        counter.compiling += compiling
