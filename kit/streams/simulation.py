"""A queue with one server, simulated: what a policy costs, how long people wait, and for how long a model is exposed.

Requests come (`arrivals`), wait, and are begun by a policy, which is the very object that the real queue asks; a batch
takes its time (`costs`), while others wait. When no more come, the rest is served as the policy says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.streams.arrivals import Arrivals
from kit.streams.costs import Service
from kit.streams.policies import DAY, Policy, Waiting
from kit.types import InputError

_MONTH = 30.0


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Args:
        arrivals: when requests come.
        service: what a batch costs.
        seconds: a whole training takes.
        days: requests come for so long.
        deadline: days, from each request's arrival.

    Raises:
        InputError: one of the numbers is not above 0.
    """

    arrivals: Arrivals
    service: Service
    seconds: float
    days: float = 365.0
    deadline: float = 30.0

    def __post_init__(self) -> None:
        if not all(0 < number < math.inf for number in (self.seconds, self.days, self.deadline)):
            raise InputError(
                f"A training takes {self.seconds} seconds, and requests come for {self.days} days with deadlines of "
                f"{self.deadline} days. Expected numbers above 0. Correct --seconds, --days or --deadline."
            )


@dataclass(frozen=True, eq=False)
class Simulated:
    """What happened.

    Args:
        received, begun, settled: float64 (n,), seconds from the beginning, of each request.
        deadline: seconds, that each had.
        methods: of the batches, in their order.
        busy: seconds that the server worked.
    """

    received: np.ndarray
    begun: np.ndarray
    settled: np.ndarray
    deadline: float
    methods: tuple[str, ...]
    busy: float

    def numbers(self) -> dict[str, float]:
        """Returns what is reported; times in days.

        - `wait`: mean time before a request is begun; `p50`, `p95`, `max`: of the time until it is settled;
        - `missed`: share of requests that were settled after their deadline;
        - `trainings`, and `a_month`: batches in all, and in 30 days; `busy`: share of the time that they took;
        - `exposed`: share of the time in which the model that is served holds a record that is to be forgotten;
        - `record_days`: the sum over records of the days that they stayed.
        """
        latency = (self.settled - self.received) / DAY
        end = max(float(self.settled.max(initial=0.0)), DAY)
        p50, p95 = np.quantile(latency, [0.5, 0.95]) if len(latency) else (0.0, 0.0)
        return {
            "requests": float(len(latency)),
            "wait": float(np.mean(self.begun - self.received)) / DAY if len(latency) else 0.0,
            "p50": float(p50),
            "p95": float(p95),
            "max": float(latency.max(initial=0.0)),
            "missed": float(np.mean(self.settled > self.received + self.deadline)) if len(latency) else 0.0,
            "trainings": float(len(self.methods)),
            "a_month": len(self.methods) / (end / DAY) * _MONTH,
            "busy": self.busy / end,
            "exposed": covered(self.received, self.settled) / end,
            "record_days": float(latency.sum()),
        }

    def by_method(self) -> dict[str, int]:
        """Returns how many batches each method served."""
        return dict(Counter(self.methods))


def covered(begins: np.ndarray, ends: np.ndarray) -> float:
    """Returns the length of the union of intervals.

    Args:
        begins: float64 (n,).
        ends: float64 (n,), each not before its beginning.

    Example:
        >>> covered(np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 6.0]))
        4.0
    """
    total, reached = 0.0, -math.inf
    for begin, end in sorted(zip(begins.tolist(), ends.tolist(), strict=True)):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def simulate(setting: Setting, policy: Policy, seed: int) -> Simulated:
    """Simulates one stream of requests; the same seed has the same arrivals under every policy.

    Args:
        setting: what is simulated.
        policy: when batches are begun.
        seed: of arrivals, and of where records lie.
    """
    of_arrivals, of_places = (np.random.default_rng([seed, stream]) for stream in range(2))
    received = setting.arrivals.times(setting.days, of_arrivals)
    begun, settled = np.full(len(received), math.nan), np.full(len(received), math.nan)
    service, methods, busy = setting.service.anew(), list[str](), 0.0
    deadline = setting.deadline * DAY
    now, coming, waiting = 0.0, 0, list[Waiting]()
    while True:
        while coming < len(received) and received[coming] <= now:
            waiting.append(Waiting(coming, float(received[coming]), float(received[coming]) + deadline))
            coming += 1
        chosen = policy.batch(waiting, now)
        if not chosen:
            moments = [received[coming]] if coming < len(received) else []
            moments += [wake] if (wake := policy.wake(waiting, now)) is not None else []
            if not moments:
                break
            now = max(float(min(moments)), math.nextafter(now, math.inf))
            continue
        method, share = service.cost(len(chosen), of_places)
        numbers = [each.number for each in chosen]
        begun[numbers], settled[numbers] = now, now + share * setting.seconds
        waiting = _without(waiting, numbers)
        methods.append(method)
        now, busy = now + share * setting.seconds, busy + share * setting.seconds
    return Simulated(received, begun, settled, deadline, tuple(methods), busy)


def _without(waiting: list[Waiting], numbers: Sequence[int]) -> list[Waiting]:
    if waiting[0].number == numbers[0] and waiting[len(numbers) - 1].number == numbers[-1]:
        return waiting[len(numbers) :]  # the first so many
    gone = set(numbers)
    return [each for each in waiting if each.number not in gone]


@dataclass(frozen=True)
class Estimate:
    """The mean of a number over streams, and its standard error; None for one stream."""

    mean: float
    stderr: float | None


def estimates(streams: Sequence[Simulated]) -> dict[str, Estimate]:
    """Returns each number's mean over streams of the same setting and policy.

    Args:
        streams: one or more.
    """
    numbers = [stream.numbers() for stream in streams]
    columns = {name: np.array([row[name] for row in numbers]) for name in numbers[0]}
    count = len(streams)
    return {
        name: Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else None)
        for name, values in columns.items()
    }
