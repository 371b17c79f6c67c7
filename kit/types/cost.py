"""What a call has cost, and what a retraining costs: numerators and denominators of the ratios that are held against a
budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# Timings are noisy: so many times a measured one is not called more.
TIMING_NOISE = 1.5
# Of the CPU seconds of a call, tracing is taken out: as much as so many first steps of plain Keras, at most.
MOST_TRACES = 8
# The same work does not take more than so many times as long at another moment.
_MOST_PACE = 2.0


@dataclass(frozen=True)
class Cost:
    """What one call has cost.

    Args:
        seconds: by the clock.
        cpu_seconds: of all its processes, as the kernel counts them; NaN where they were not measured.
        tracing: seconds of these in first steps, in which TensorFlow traces; of a contained process, as it claims.
        operations: in the graphs that were traced, as claimed.
        passes: over single examples, forward and backward together being one; NaN where they are not counted.
        yardstick: CPU seconds of a fixed piece of work (`kit.machine.yardstick`) just before and after; NaN where that
            was not measured.

    Example:
        >>> Cost(4.0, cpu_seconds=6.0, passes=100.0).shared(2).cpu_seconds
        3.0
    """

    seconds: float
    cpu_seconds: float = math.nan
    tracing: float = 0.0
    operations: int = 0
    passes: float = math.nan
    yardstick: float = math.nan

    def shared(self, number: int) -> Cost:
        """Returns the cost of one of several runs that were computed together: its share of the seconds.

        Args:
            number: of runs, >= 1. Passes are counted for each run, and stay as they are.
        """
        return replace(self, seconds=self.seconds / number, cpu_seconds=self.cpu_seconds / number)


@dataclass(frozen=True)
class Retraining:
    """What one retraining costs on this machine: the units of all ratios.

    Args:
        seconds: by the clock, in plain Keras, tracing included: what patience and limits are multiples of.
        work: CPU seconds in plain Keras without tracing.
        tracing: CPU seconds of the first step of `fit`, in which TensorFlow traces.
        operations: in the graphs that were traced.
        passes: over single examples: epochs of the recipe times examples of the retain set; NaN where a function of the
            user's trains.
        by_the_clock: whether `work` is in seconds by the clock, since an accelerator computes, whose work no processor
            counts.
        yardstick: CPU seconds of a fixed piece of work just before and after.
    """

    seconds: float
    work: float
    tracing: float
    operations: int
    passes: float
    by_the_clock: bool = False
    yardstick: float = math.nan

    def work_of(self, cost: Cost) -> float:
        """Returns the seconds of a call without tracing, in the unit of `work`; NaN where they were not measured.

        What is taken out for tracing is bounded by what was measured here, on plain Keras and the same network: for
        each operation of a graph 1.5 times what one cost there (timings are noisy), and as much as `MOST_TRACES` first
        steps in all. A process that lies about its traces gains no more than that.

        Args:
            cost: of the call.

        Returns:
            Seconds, >= 0.

        Example:
            >>> unit = Retraining(seconds=7.0, work=5.0, tracing=1.0, operations=500, passes=56_600)
            >>> unit.work_of(Cost(2.0, cpu_seconds=2.0, tracing=1.0, operations=500))
            1.0
            >>> unit.work_of(Cost(2.0, cpu_seconds=2.0, tracing=1.0, operations=5))  # hardly anything was traced
            1.985
        """
        return max(self.whole_of(cost) - self.traced_of(cost), 0.0)

    def whole_of(self, cost: Cost) -> float:
        """Returns the seconds of a call, tracing included, at the processor's pace during the retraining.

        Args:
            cost: of the call.
        """
        return cost.seconds if self.by_the_clock else cost.cpu_seconds * self._pace_of(cost)

    def traced_of(self, cost: Cost) -> float:
        """Returns the seconds of a call that are taken out for tracing; NaN where they were not measured.

        Args:
            cost: of the call.
        """
        an_operation = TIMING_NOISE * self.tracing / self.operations if self.operations else 0.0
        most = min(cost.operations * an_operation, MOST_TRACES * self.tracing)
        return math.nan if math.isnan(cost.cpu_seconds) else min(cost.tracing * self._pace_of(cost), most)

    def _pace_of(self, cost: Cost) -> float:
        """Returns how many seconds of the retraining one of the call was worth: the processor may be slower by then."""
        pace = self.yardstick / cost.yardstick
        return 1.0 if math.isnan(pace) else min(max(pace, 1 / _MOST_PACE), _MOST_PACE)

    @property
    def unit(self) -> str:
        """The kind of seconds that `work` is in: `CPU seconds` or `by the clock`."""
        return "by the clock" if self.by_the_clock else "CPU seconds"
