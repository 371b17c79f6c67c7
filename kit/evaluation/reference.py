"""Which retrained models the methods are compared with: shipped, stored, or made for the occasion."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from kit.evaluation.plan import Plan
from kit.rules import RETRAIN
from kit.runs import oracles, retrained
from kit.runs.population import Request
from kit.submission.entry import Entry
from kit.types import Challenge, Outputs

# Runs a method as often as a request says.
Population = Callable[[Entry, Request], Outputs]


@dataclasses.dataclass(frozen=True)
class Reference:
    """Where the retrained models come from, decided before anything is run.

    Args:
        entry: `retrain`, trained as the originals of the compared methods were.
        request: how many of them are made here.
        oracle: models that come with the kit, None where there are none for this split, or too few.
    """

    entry: Entry
    request: Request
    oracle: Outputs | None = None

    @classmethod
    def choose(cls, challenge: Challenge, pretraining: str, plan: Plan) -> Reference:
        """Chooses an oracle that is large enough, for a single model the stored one, else models made here."""
        entry = Entry(RETRAIN, pretraining=pretraining)
        if pretraining or plan.fresh_oracle:  # what is stored was trained by the challenge's recipe
            return cls(entry, plan.retraining)
        oracle = _shipped(challenge, plan)
        if oracle is not None:
            once = dataclasses.replace(plan.population, num_models=1)
            return cls(entry, once, oracle)
        if plan.num_models == 1 and plan.num_retrained is None and retrained.available(challenge):
            stored = dataclasses.replace(plan.population, num_models=1, seed=retrained.SEED, stored_retrained=True)
            return cls(entry, stored)
        return cls(entry, plan.retraining)

    def outputs(self, population: Population) -> Outputs:
        """Returns what the retrained models say; an oracle with the cost of one retraining on this machine."""
        retrained_here = population(self.entry, self.request)
        if self.oracle is None:
            return retrained_here
        number, cost = self.oracle.num_models, retrained_here.costs[0]
        return dataclasses.replace(self.oracle, seconds=np.full(number, cost.seconds), costs=(cost,) * number)


def _shipped(challenge: Challenge, plan: Plan) -> Outputs | None:
    """Returns the oracle that comes with the kit, where there is one and it is large enough."""
    oracle, number = oracles.load(challenge), plan.num_retrained
    if oracle is None or oracle.num_models < max(plan.num_models, number or 0):
        return None
    return oracle if number is None else oracle.select(slice(number))
