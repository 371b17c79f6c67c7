"""When waiting requests are served, and how many of them by one training: the same rules for the queue and simulation.

| name | begins | takes |
|---|---|---|
| `at-once` | whenever one waits | the first that came |
| `every:K` | when K wait | the first K |
| `period:DAYS` | at the first tick of a clock of that period after one came | all |
| `deadline` | whenever one waits | the one whose deadline is nearest |

`every` and `period` begin earlier where the nearest deadline is less than `slack` away, and take all that wait then.
Fewer and larger batches cost less, tell less by their time, and leave records longer in the model that is served.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.types import InputError

DAY = 86_400.0
SLACK = 7 * DAY
NAMES = ("at-once", "every:K", "period:DAYS", "deadline")


@dataclass(frozen=True)
class Waiting:
    """A request, as a policy sees it.

    Args:
        number: of the request.
        received: when it came, in UTC seconds.
        deadline: until when it is to be settled, in UTC seconds.
    """

    number: int
    received: float
    deadline: float


class Policy(Protocol):
    """Says what is begun now, and when to ask again."""

    @property
    def name(self) -> str:
        """As it is given on the command line, for instance `every:10`."""

    def batch(self, waiting: Sequence[Waiting], now: float) -> Sequence[Waiting]:
        """Returns the requests to serve by one training now.

        Args:
            waiting: in the order of their numbers.
            now: UTC seconds.
        """

    def wake(self, waiting: Sequence[Waiting], now: float) -> float | None:
        """Returns when some would be begun though no other came, in UTC seconds; None for never.

        Args:
            waiting: in the order of their numbers.
            now: UTC seconds.
        """


@dataclass(frozen=True)
class AtOnce:
    """First come, first served, one by one.

    Example:
        >>> [each.number for each in AtOnce().batch([Waiting(4, 0, 10), Waiting(5, 0, 5)], now=1)]
        [4]
    """

    name: str = "at-once"

    def batch(self, waiting: Sequence[Waiting], now: float) -> Sequence[Waiting]:  # noqa: ARG002 (the interface)
        """See `Policy.batch`: takes the first."""
        return waiting[:1]

    def wake(self, waiting: Sequence[Waiting], now: float) -> float | None:
        """See `Policy.wake`: never waits."""
        return now if waiting else None


@dataclass(frozen=True)
class EarliestDeadline:
    """One by one, the nearest deadline first.

    Example:
        >>> [each.number for each in EarliestDeadline().batch([Waiting(4, 0, 10), Waiting(5, 0, 5)], now=1)]
        [5]
    """

    name: str = "deadline"

    def batch(self, waiting: Sequence[Waiting], now: float) -> Sequence[Waiting]:  # noqa: ARG002 (the interface)
        """See `Policy.batch`: takes the most urgent."""
        return sorted(waiting, key=lambda each: (each.deadline, each.number))[:1]

    def wake(self, waiting: Sequence[Waiting], now: float) -> float | None:
        """See `Policy.wake`: never waits."""
        return now if waiting else None


@dataclass(frozen=True)
class EveryK:
    """So many at a time, unless a deadline is near.

    Args:
        size: requests a batch.
        slack: seconds before a deadline, at which all are begun that wait.

    Example:
        >>> waiting = [Waiting(1, 0, 100 * DAY), Waiting(2, DAY, 100 * DAY)]
        >>> len(EveryK(3).batch(waiting, now=DAY)), len(EveryK(2).batch(waiting, now=DAY))
        (0, 2)
        >>> len(EveryK(3).batch(waiting, now=94 * DAY))
        2
    """

    size: int
    slack: float = SLACK

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"every:{self.size}"

    def batch(self, waiting: Sequence[Waiting], now: float) -> Sequence[Waiting]:
        """See `Policy.batch`: takes the first so many, or all."""
        if len(waiting) >= self.size:
            return waiting[: self.size]
        return waiting if _urgent(waiting, self.slack) <= now else ()

    def wake(self, waiting: Sequence[Waiting], now: float) -> float | None:
        """See `Policy.wake`: waits for the nearest deadline's slack."""
        if not waiting:
            return None
        return now if len(waiting) >= self.size else max(now, _urgent(waiting, self.slack))


@dataclass(frozen=True)
class EveryPeriod:
    """All that wait, at each tick of a clock that does not depend on them, unless a deadline is near.

    Args:
        period: seconds between ticks, which are whole multiples of it since 1970.
        slack: seconds before a deadline, at which all are begun that wait.

    Example:
        >>> policy = EveryPeriod(7 * DAY, slack=0)
        >>> waiting = [Waiting(1, 6 * DAY, 100 * DAY)]
        >>> len(policy.batch(waiting, now=6.9 * DAY)), len(policy.batch(waiting, now=7 * DAY))
        (0, 1)
    """

    period: float
    slack: float = SLACK

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"period:{self.period / DAY:g}"

    def batch(self, waiting: Sequence[Waiting], now: float) -> Sequence[Waiting]:
        """See `Policy.batch`: takes all once a tick has passed since the first came."""
        return waiting if waiting and self._begins(waiting) <= now else ()

    def wake(self, waiting: Sequence[Waiting], now: float) -> float | None:
        """See `Policy.wake`: waits for the next tick, or the nearest deadline's slack."""
        return max(now, self._begins(waiting)) if waiting else None

    def _begins(self, waiting: Sequence[Waiting]) -> float:
        first = min(each.received for each in waiting)
        return min((first // self.period + 1) * self.period, _urgent(waiting, self.slack))


def _urgent(waiting: Sequence[Waiting], slack: float) -> float:
    """Returns from when on the nearest deadline is within the slack; never where none waits."""
    return min((each.deadline for each in waiting), default=float("inf")) - slack


def named(text: str, slack: float = SLACK) -> Policy:
    """Returns the policy of a name.

    Args:
        text: one of `NAMES`, with a number in the place of K or DAYS.
        slack: seconds, see `EveryK`.

    Raises:
        InputError: there is none.

    Example:
        >>> named("every:10").name, named("period:7").name
        ('every:10', 'period:7')
    """
    name, _, number = text.partition(":")
    if text == "at-once":
        return AtOnce()
    if text == "deadline":
        return EarliestDeadline()
    try:
        if name == "every" and int(number) >= 1:
            return EveryK(int(number), slack)
        if name == "period" and 0 < float(number) < float("inf"):
            return EveryPeriod(float(number) * DAY, slack)
    except ValueError:
        pass
    raise InputError(
        f"There is no policy '{text[:40]}'. Expected one of {', '.join(NAMES)}, with a number in the place of K (1 or "
        "more) or DAYS. Correct --policy."
    )
