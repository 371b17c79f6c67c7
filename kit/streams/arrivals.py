"""When requests come, in a simulation: by chance, in bursts, or by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kit.streams.policies import DAY
from kit.types import InputError

NAMES = ("poisson:PER_DAY", "bursts:PER_DAY:SIZE", "regular:PER_DAY")


class Arrivals(Protocol):
    """A process of arrivals."""

    @property
    def name(self) -> str:
        """As it is given on the command line, for instance `poisson:3`."""

    def times(self, days: float, generator: np.random.Generator) -> np.ndarray:
        """Returns when requests come.

        Args:
            days: that are simulated, > 0.
            generator: of the random numbers.

        Returns:
            float64 (n,), seconds from the beginning, rising.
        """


@dataclass(frozen=True)
class Poisson:
    """A Poisson process: each request independent of the others.

    Args:
        per_day: requests on average, > 0.
    """

    per_day: float

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"poisson:{self.per_day:g}"

    def times(self, days: float, generator: np.random.Generator) -> np.ndarray:
        """See `Arrivals.times`."""
        number = generator.poisson(self.per_day * days)
        return np.sort(generator.uniform(0, days * DAY, number))


@dataclass(frozen=True)
class Bursts:
    """In bursts that come by chance, of a random size (geometric) each: after a report in the news, for instance.

    Args:
        per_day: requests on average, over all bursts.
        size: requests a burst on average, 1 or more.
    """

    per_day: float
    size: float

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"bursts:{self.per_day:g}:{self.size:g}"

    def times(self, days: float, generator: np.random.Generator) -> np.ndarray:
        """See `Arrivals.times`."""
        begins = Poisson(self.per_day / self.size).times(days, generator)
        return np.repeat(begins, generator.geometric(1 / self.size, len(begins)))


@dataclass(frozen=True)
class Regular:
    """At equal distances, the first after half of one.

    Args:
        per_day: requests, > 0.

    Example:
        >>> (Regular(2).times(1, np.random.default_rng(0)) / DAY).tolist()
        [0.25, 0.75]
    """

    per_day: float

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"regular:{self.per_day:g}"

    def times(self, days: float, generator: np.random.Generator) -> np.ndarray:  # noqa: ARG002 (the interface)
        """See `Arrivals.times`."""
        return (np.arange(int(self.per_day * days)) + 0.5) * DAY / self.per_day


def named(text: str) -> Arrivals:
    """Returns the arrivals of a name.

    Args:
        text: as on the command line, for instance `bursts:3:20`.

    Raises:
        InputError: there are none of this name.

    Example:
        >>> named("bursts:3:20").name
        'bursts:3:20'
    """
    kind, *numbers = text.split(":")
    try:
        values = [float(number) for number in numbers]
        if all(0 < value < float("inf") for value in values):
            if kind == "poisson" and len(values) == 1:
                return Poisson(*values)
            if kind == "regular" and len(values) == 1:
                return Regular(*values)
            if kind == "bursts" and len(values) == 2 and values[1] >= 1:
                return Bursts(*values)
    except ValueError:
        pass
    raise InputError(
        f"There are no arrivals '{text[:40]}'. Expected one of {', '.join(NAMES)}, with numbers above 0, SIZE 1 or "
        "more. Correct --arrivals."
    )
