"""How long many models would take here: a retraining, tried for two seconds on the engine that would make them.

Of several phases the last one is tried, and all epochs are taken to be as long as its.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.engines import Engine
from kit.machine import quiet
from kit.machine.quiet import Sealed
from kit.types import Challenge

SECONDS = 2.0
# Batches tried: few, of which a large network has enough, then more, among which what an epoch costs besides is little.
_FEW, _MORE, _MAX_EPOCHS = 2, 16, 1000


def seconds_of_models(challenge: Challenge, num_models: int, engine: Engine) -> float:
    """Returns about how many seconds so many retrained models take on an engine, without what is compiled first.

    Args:
        challenge: its architecture and recipe are tried, on a few of its batches.
        num_models: >= 1.
        engine: `stacked`, where the trial is many models at once; of any other, this process tries one model, and the
            engine's workers are taken to be as quick.
    """
    at_once = min(engine.workers, num_models)
    trial = Trial(challenge, at_once if engine.together else 1)
    if engine.together:
        function: Callable[[Any, Any], Any] = quiet.run_sealed_together
        (_, seconds), *_ = engine.map(function, Sealed.of(trial), [0])
    else:
        seconds = trial.run(0)
    return float(seconds) * -(-num_models // at_once)


@dataclass(frozen=True)
class Trial:
    """Some epochs of a retraining, of so many models at once: what an engine is handed."""

    challenge: Challenge
    at_once: int

    def run_together(self, numbers: Sequence[int]) -> list[float]:
        """As `run`, for engines that make many models at once.

        Args:
            numbers: of the tasks.

        Returns:
            Seconds, one for each.
        """
        return [self.run(number) for number in numbers]

    def run(self, _number: int) -> float:
        """Trains for a moment, and extrapolates to the whole recipe.

        Args:
            _number: of the task; without effect.

        Returns:
            Seconds by the clock for one retraining (for as many as are computed at once, together).
        """
        quiet.load_tensorflow()
        from kit.runs import originals, process
        from kit.toolbox import examples

        process.prepare()
        challenge, net = self.challenge, originals.build(self.challenge)
        retain, share, seconds = challenge.split.retain, 1.0, 0.0
        for batches in (_FEW, _MORE):
            some = retain[: batches * challenge.batch_size]
            data, share = examples.batches(challenge.train, some, challenge.batch_size), len(some) / len(retain)
            self._train(net, data, 1)  # compiles
            seconds = self._train(net, data, 1)
            if seconds > SECONDS / 4:
                break
        epochs = int(np.clip(SECONDS / max(seconds, 1e-3), 1, _MAX_EPOCHS))
        return self._train(net, data, epochs) / epochs * challenge.recipe.total_epochs / share

    def _train(self, net: object, data: object, epochs: int) -> float:
        from kit.toolbox import lockstep, training

        settings: dict[str, Any] = dict.fromkeys(("milestones", "step_factor", "rates", "earlier", "start"))
        recipe = replace(self.challenge.recipe, epochs=epochs, schedule="constant", **settings)

        def train() -> None:
            training.fit(net, data, recipe, seed=0)

        start = time.perf_counter()
        if self.at_once == 1:
            train()
        else:
            lockstep.run([train] * self.at_once, [net])
        return time.perf_counter() - start

    def close(self) -> None:
        """Holds nothing."""
