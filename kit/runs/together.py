"""What many runs of a built-in method make, all at once: as many as the device's memory holds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from kit.runs.worker import Worker
from kit.toolbox import lockstep
from kit.types import FailedRun

R = TypeVar("R")


class Together:
    """Calls a function for many runs in lockstep; where memory runs out, for half as many at once from then on.

    A computation is filled up to as many as there are at once: how many runs are left of an interrupted population
    changes no bit. `at_once` is how many that are now; `sharing` is among how many the seconds of the present ones are
    to be shared out.
    """

    def __init__(self, worker: Worker, at_once: int) -> None:
        """Takes the models that all runs use, and how many at once."""
        self._worker, self.at_once = worker, at_once
        self.sharing = 1

    def run(
        self, make: Callable[[int], R], numbers: Sequence[int], keep: Callable[[int, R], None] = lambda *_: None
    ) -> list[R]:
        """Makes models in groups, halved whenever memory runs out.

        Args:
            make: makes one model; as many calls as a group has run in lockstep.
            numbers: of the models.
            keep: is called with each number and its model as soon as the group is finished.

        Returns:
            The models, in the order of `numbers`.

        Raises:
            FailedRun: the memory does not even hold one model.
        """
        results: list[R] = []
        while len(results) < len(numbers):
            group = numbers[len(results) : len(results) + self.at_once]
            group_results = self._in_lockstep(make, group)
            if group_results is None:
                gc.collect()
                self.at_once = -(-self.at_once // 2)
                continue
            for number, result in zip(group, group_results, strict=True):
                keep(number, result)
            results += group_results
        return results

    def _in_lockstep(self, make: Callable[[int], R], group: Sequence[int]) -> list[R] | None:
        """Returns what the group makes, or None where memory ran out."""
        functions = [partial(make, number) for number in group]
        self.sharing = len(group)
        try:
            return lockstep.run(functions, self._worker.nets(), at_once=self.at_once)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            if self.at_once == 1:
                raise FailedRun(
                    "The device ran out of memory with one model. Expected room for one at least. Use a smaller batch "
                    "size, another device, or the engine 'processes'."
                ) from error
            return None
        finally:
            self.sharing = 1


def _out_of_memory(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()
