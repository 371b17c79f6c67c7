"""What a batch costs in a simulation: by which method it is forgotten, and how long that takes.

Of SISA with S slices, a record in slice f (from 0) costs `1 - f (f + 1) / (S (S + 1))` of its shard's training: slice j
is trained on j + 1 slices, and all before f stay. Of several records in a shard the first slice counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from kit.types import InputError

NAMES = ("retrain", "sisa:SHARDSxSLICES", "by-cost:SHARDSxSLICES:BUDGET")
# Of a retraining: a Newton step in the last layer, for instance.
_CERTIFIED_SHARE = 0.01


class Service(Protocol):
    """How batches are forgotten."""

    @property
    def name(self) -> str:
        """As it is asked for."""

    def cost(self, records: int, generator: np.random.Generator) -> tuple[str, float]:
        """Returns the method for a batch, and its share of a whole training's time.

        Args:
            records: to forget by the batch, 1 or more.
            generator: of the random numbers.
        """

    def anew(self) -> Service:
        """Returns the same service with an unspent budget."""


@dataclass(frozen=True)
class Retraining:
    """Each batch is a whole training."""

    name: str = "retrain"

    def cost(self, records: int, generator: np.random.Generator) -> tuple[str, float]:  # noqa: ARG002 (the interface)
        """See `Service.cost`."""
        return "retrain", 1.0

    def anew(self) -> Retraining:
        """See `Service.anew`."""
        return self


@dataclass(frozen=True)
class Sharded:
    """SISA: what has seen the records is trained again.

    Args:
        shards, slices: as of the method `sisa`, 1 or more.

    Example:
        >>> [round(Sharded(1, 4).share_from(first), 2) for first in range(4)]
        [1.0, 0.9, 0.7, 0.4]
    """

    shards: int
    slices: int

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"sisa:{self.shards}x{self.slices}"

    def share_from(self, first: int) -> float:
        """Returns the share of a shard's training that is done again.

        Args:
            first: the slice from which on, from 0.
        """
        return 1 - first * (first + 1) / (self.slices * (self.slices + 1))

    def share_of(self, shards: np.ndarray, slices: np.ndarray) -> float:
        """Returns the share of a whole training that records cost together, 0 to 1.

        Args:
            shards, slices: where each of them lies, whole numbers (n,).

        Example:
            >>> round(Sharded(2, 4).share_of(np.array([1, 1]), np.array([3, 1])), 2)
            0.45
        """
        firsts = np.full(self.shards, self.slices)
        np.minimum.at(firsts, shards, slices)
        return sum(self.share_from(int(first)) for first in firsts if first < self.slices) / self.shards

    def cost(self, records: int, generator: np.random.Generator) -> tuple[str, float]:
        """See `Service.cost`; where records lie is drawn, as a keyed hash places them."""
        places = generator.integers(self.shards, size=records), generator.integers(self.slices, size=records)
        return "sisa", self.share_of(*places)

    def anew(self) -> Sharded:
        """See `Service.anew`."""
        return self


@dataclass
class ByCost:
    """Certified until its budget is spent, then SISA where that is cheaper than retraining, which renews the budget.

    An idealised model: one that is both in shards and certified. In a queue (`kit.streams.methods.BY_COST`) it is one
    after the other, and nothing renews the budget but a new certified training.

    Args:
        sharded: its shards.
        budget: how many records the certified method can take between two retrainings.
    """

    sharded: Sharded
    budget: int
    spent: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"by-cost:{self.sharded.shards}x{self.sharded.slices}:{self.budget}"

    def cost(self, records: int, generator: np.random.Generator) -> tuple[str, float]:
        """See `Service.cost`."""
        if self.spent + records <= self.budget:
            self.spent += records
            return "certified", _CERTIFIED_SHARE
        self.spent = self.budget  # a smaller batch must not come in beside a larger one that was too large
        method, share = self.sharded.cost(records, generator)
        if share < 1:
            return method, share
        self.spent = 0
        return "retrain", 1.0

    def anew(self) -> ByCost:
        """See `Service.anew`."""
        return ByCost(self.sharded, self.budget)


def named(text: str) -> Service:
    """Returns the service of a name.

    Args:
        text: as on the command line, for instance `sisa:4x4`.

    Raises:
        InputError: there is none of this name.

    Example:
        >>> named("sisa:4x4").name, named("by-cost:4x4:50").name
        ('sisa:4x4', 'by-cost:4x4:50')
    """
    kind, *numbers = text.split(":")
    try:
        if text == "retrain":
            return Retraining()
        shards, slices = (int(number) for number in numbers[0].split("x"))
        if min(shards, slices) >= 1:
            sharded = Sharded(shards, slices)
            if kind == "sisa" and len(numbers) == 1:
                return sharded
            if kind == "by-cost" and len(numbers) == 2 and int(numbers[1]) >= 0:
                return ByCost(sharded, int(numbers[1]))
    except (ValueError, IndexError):
        pass
    raise InputError(
        f"There is no service '{text[:40]}'. Expected one of {', '.join(NAMES)}, with whole numbers, shards and slices "
        "1 or more. Correct --service."
    )
