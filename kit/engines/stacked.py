"""The engine `stacked`: many models at once in one process whose Keras runs on JAX, on whatever device JAX finds."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Generator, Sequence
from typing import Any

from kit.engines.engine import P, R
from kit.engines.processes import Processes
from kit.machine import accelerators, environment
from kit.types import InputError

# Models at once: on a card as many as there may be, and fewer where memory runs out; on a processor as many as fit its
# caches, beyond which nothing becomes quicker.
_ON_A_CARD, _ON_A_PROCESSOR = 512, 16


class Stacked(Processes):
    """One worker process on this machine, which is handed many tasks at a time."""

    name, shares_disk, together, backend = "stacked", True, True, environment.JAX

    def __init__(self, at_once: int | None) -> None:
        """Takes the number of models at once; by default what suits the device.

        Raises:
            InputError: JAX is not installed.
        """
        if importlib.util.find_spec("jax") is None:
            raise InputError(
                "The engine 'stacked' computes many models at once with JAX, which is not installed. Expected the "
                "package 'jax'. Run 'python -m pip install jax' (on NVIDIA cards 'python -m pip install "
                '"jax[cuda12]"\'), or choose another engine.'
            )
        super().__init__(1, {"KERAS_BACKEND": self.backend})
        accelerator = accelerators.find()
        self.workers = at_once or (_ON_A_PROCESSOR if accelerator is None else _ON_A_CARD * accelerator.count)

    def map(self, function: Callable[[P, Any], Any], payload: P, tasks: Sequence[int]) -> Generator[tuple[int, R]]:
        """Yields (task, result) as groups of tasks are finished.

        Args:
            function: takes the payload and a group of tasks, and returns their results in their order.
            payload, tasks: see `Engine.map`.
        """
        groups = [tuple(tasks[start : start + self.workers]) for start in range(0, len(tasks), self.workers)]
        work = _Groups(function, payload, groups)
        for number, results in super().map(_Groups.run, work, range(len(groups))):
            yield from zip(groups[number], results, strict=True)


class _Groups:
    """A payload whose tasks are groups of tasks."""

    def __init__(self, function: Callable[[Any, Any], Any], payload: Any, groups: Sequence[tuple[int, ...]]) -> None:
        self._function, self._payload, self._groups = function, payload, groups

    def run(self, number: int) -> Any:
        return self._function(self._payload, self._groups[number])

    def close(self) -> None:
        close = getattr(self._payload, "close", None)
        if callable(close):
            close()
