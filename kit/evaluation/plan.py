"""What an evaluation is to do: how many models, which retrained ones, and where they are made and kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kit.engines import Engine
from kit.runs.population import Request
from kit.scorers._resampling import MIN_MODELS
from kit.types import InputError

# Retrained models besides those that stand in the row `retrain`: the fewest whose spread says anything.
MIN_OTHERS = 5


@dataclass(frozen=True)
class Plan:
    """What was asked for, whatever the methods and the challenge.

    Args:
        population: of each method: how many models, with which seed, where they are kept, how files are contained.
        num_retrained: retrained models, 3 or more; None for as many as serve.
        fresh_oracle: retrain, even where an oracle comes with the kit.
        engine: where models are made: a name, or one that was started; None for what pays.
        workers: of an engine that is started here.
        num_originals: that each method is run from, 1 or more.

    Raises:
        InputError: fewer than 3 retrained models.
    """

    population: Request
    num_retrained: int | None = None
    fresh_oracle: bool = False
    engine: str | Engine | None = None
    workers: int | None = None
    num_originals: int = 1

    def __post_init__(self) -> None:
        if self.num_retrained is not None and self.num_retrained < 3:
            raise InputError(
                f"{self.num_retrained} retrained models cannot serve as reference. Expected 3 or more, one for the row "
                "'retrain' and two to compare it with. Raise num_retrained."
            )

    @property
    def num_models(self) -> int:
        """Models of each method, from all originals."""
        return self.population.num_models * self.num_originals

    @property
    def retraining(self) -> Request:
        """The population of `retrain` where none is at hand."""
        return replace(self.population, num_models=self.num_retrained or self._enough)

    @property
    def _enough(self) -> int:
        # Half of them stand in the row 'retrain': enough, on either side, for what compares populations.
        populations_compared = self.num_models >= MIN_MODELS
        return max(self.num_models + MIN_OTHERS, 2 * MIN_MODELS if populations_compared else 0)
