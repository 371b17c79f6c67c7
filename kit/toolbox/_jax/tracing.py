"""What JAX spends on tracing is not told apart here: it is part of a call, and of the retraining that is its unit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kit.toolbox.costs import Traces


@contextlib.contextmanager
def watched() -> Iterator[Traces]:
    """Gives an object that stays at zero."""
    yield Traces()
