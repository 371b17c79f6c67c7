"""Which retrained models the methods are compared with: shipped, stored, or made for the occasion."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kit.evaluation.plan import Plan
from kit.rules import RETRAIN
from kit.runs import choice, oracles, retrained, same_truth
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
        oracle: models that come with the kit, None where there are none for this split, or too few, or those of a
            backend whose models have not been tested to be like those of the compared methods.
        made_by: engine, backend and device of the oracle.
        tested: by how many models a side methods on both backends could not be told apart; 0 where one backend makes
            all, or there is no oracle.
    """

    entry: Entry
    request: Request
    oracle: Outputs | None = None
    made_by: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tested: int = 0

    @classmethod
    def choose(cls, challenge: Challenge, pretraining: str, plan: Plan, methods: Sequence[Entry]) -> Reference:
        """Chooses an oracle that is large enough, for a single model the stored one, else models made here.

        Args:
            challenge, pretraining: of the original.
            plan: how many models, and where they are made.
            methods: that are compared.
        """
        entry = Entry(RETRAIN, pretraining=pretraining)
        if pretraining or plan.fresh_oracle:  # what is stored was trained by the challenge's recipe
            return cls(entry, plan.retraining)
        oracle = _shipped(challenge, plan)
        if oracle is not None:
            made_by, once = oracles.made_by(challenge), dataclasses.replace(plan.population, num_models=1)
            engine = choice.engine_for(methods, plan.engine, plan.workers, plan.num_models)
            if choice.backend_of(engine) == made_by["backend"]:
                return cls(entry, once, oracle, made_by)
            tested = same_truth.models_a_side(challenge, [method.name for method in methods])
            if tested:
                return cls(entry, once, oracle, made_by, tested)
        if plan.num_models == 1 and plan.num_retrained is None and retrained.available(challenge):
            stored = dataclasses.replace(plan.population, num_models=1, seed=retrained.SEED, stored_retrained=True)
            return cls(entry, stored)
        return cls(entry, plan.retraining)

    def outputs(self, population: Population) -> Outputs:
        """Returns what the retrained models say; of an oracle, with the cost of one retraining on this machine.

        Args:
            population: makes a method's models: called with an entry and a request.
        """
        retrained_here = population(self.entry, self.request)
        if self.oracle is None:
            return retrained_here
        number, cost = self.oracle.num_models, retrained_here.costs[0]
        return dataclasses.replace(self.oracle, seconds=np.full(number, cost.seconds), costs=(cost,) * number)

    def mixture(self) -> str:
        """Returns why retrained models of another backend than the methods' may be used; "" if they are of the same."""
        if not self.tested:
            return ""
        return (
            f"the retrained models come with the kit, made by the engine '{self.made_by['engine']}' on "
            f"{self.made_by['backend']}, and this method's by another: of both, {self.tested} models a side could not "
            "be told apart by their accuracies, losses or U-LiRA. --fresh-oracle has all made by one."
        )


def _shipped(challenge: Challenge, plan: Plan) -> Outputs | None:
    """Returns the oracle that comes with the kit, where there is one and it is large enough."""
    oracle, number = oracles.load(challenge), plan.num_retrained
    if oracle is None or oracle.num_models < max(plan.num_models, number or 0):
        return None
    return oracle if number is None else oracle.select(slice(number))
