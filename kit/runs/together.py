"""Runs of a built-in method for many seeds at once: as many as the device's memory holds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from kit.runs.store import Run
from kit.runs.worker import Worker
from kit.toolbox import lockstep
from kit.types import FailedRun


class Together:
    """Makes runs in lockstep; where memory runs out, half as many at once from then on.

    A computation is filled up to as many as there are at once: how many runs are left of an interrupted population
    changes no bit.
    """

    def __init__(
        self, worker: Worker, make: Callable[[int], Run], keep: Callable[[int, Run], None], at_once: int
    ) -> None:
        """Takes the models, what makes a run with them, what keeps a finished one, and how many are made at once."""
        self._worker, self._make, self._keep, self._at_once = worker, make, keep, at_once

    def run(self, numbers: Sequence[int]) -> list[Run]:
        """Returns the runs of these numbers, in their order.

        Raises:
            FailedRun: the memory does not even hold one model.
        """
        runs: list[Run] = []
        while len(runs) < len(numbers):
            group = numbers[len(runs) : len(runs) + self._at_once]
            try:
                runs += self._in_lockstep(group)
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                if self._at_once == 1:
                    raise FailedRun(
                        "The device ran out of memory with one model. Expected room for one at least. Use a smaller "
                        "batch size, another device, or the engine 'processes'."
                    ) from error
            else:
                continue
            gc.collect()
            self._at_once = -(-self._at_once // 2)
        return runs

    def _in_lockstep(self, group: Sequence[int]) -> list[Run]:
        functions = [partial(self._make, number) for number in group]
        runs = lockstep.run(functions, self._worker.nets(), at_once=self._at_once)
        runs = [replace(run, seconds=run.seconds / len(group)) for run in runs]
        for number, run in zip(group, runs, strict=True):
            self._keep(number, run)
        return runs


def _out_of_memory(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()
