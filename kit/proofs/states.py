"""The states of a training: after which epochs they are read, and the chain over them. No framework is needed here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A state is read after an epoch, or, where epochs are short, after as many as show so many examples: to come out of
# the compiled loop costs as much as an epoch of a small network.
_EXAMPLES = 20_000
_CHAIN = "kit.proofs"


def stride(records: int) -> int:
    """Returns after how many epochs a state is read, if nothing else is asked for.

    Args:
        records: how many are learnt, 1 or more.

    Returns:
        Epochs, 1 or more.

    Example:
        >>> stride(1_258), stride(54_000)
        (15, 1)
    """
    return max(1, _EXAMPLES // records)


def epochs_read(epochs: int, every: int) -> tuple[int, ...]:
    """Returns after which epochs the state is read: before the first, each multiple, and the last.

    Args:
        epochs: of the training, 0 or more.
        every: 1 or more.

    Example:
        >>> epochs_read(50, 15)
        (0, 15, 30, 45, 50)
    """
    return tuple(sorted({*range(0, epochs + 1, every), epochs}))


def chained(names: Sequence[str], digests: Sequence[str]) -> str:
    """Returns the end of the chain over states: each link is a hash of the one before, a name and a state's digest.

    Args:
        names: of the states, in their order.
        digests: their sha256, in hexadecimal; as many.

    Returns:
        The last link, a sha256 in hexadecimal.

    Raises:
        ValueError: there are more of one than of the other.
    """
    link = hashlib.sha256(_CHAIN.encode()).hexdigest()
    for name, digest in zip(names, digests, strict=True):
        link = hashlib.sha256(f"{link} {name} {digest}".encode()).hexdigest()
    return link


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training has left: its states in their order, uint8 (states, bytes), and the model's weights."""

    states: np.ndarray
    weights: list[np.ndarray]

    @property
    def digests(self) -> list[str]:
        """The sha256 of each state."""
        return [hashlib.sha256(state.data).hexdigest() for state in self.states]
