"""Which method to use, found out on other examples than the records.

A model that was retrained without the records stands in for the original: from it, examples of the retain set are
forgotten that nobody asked to forget, and each method is held against models retrained without these. So neither the
records nor a model that has learnt them takes any part in the choice, and the choice can tell nothing of them.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import methods
from kit.machine.bars import progress
from kit.methods import _facts
from kit.models.weights import in_order, numbered
from kit.requests import drawing, references
from kit.rules import LANDMARKS, RETRAIN
from kit.runs import run, store
from kit.runs.population import Request
from kit.runs.seeds import run_seed
from kit.runs.settings import hyperparameters
from kit.runs.worker import Worker
from kit.scorers._resampling import interval_of
from kit.scorers.distance import FEWEST_RETRAINED, retraining_distance
from kit.storage import files, seals
from kit.submission.entry import Entry
from kit.types import Challenge, FailedRun, InputError, Outputs

# A distance up to which a method may stand for retraining: half of the deviation from training to training, squared.
NEAR = 0.25
# Beyond it (two deviations) in the first rehearsal, a method is not rehearsed again.
FAR = 4.0


@dataclass(frozen=True)
class Plan:
    """How methods are rehearsed.

    Args:
        rehearsals: forget sets that are drawn, 2 or more.
        retrained: models that each method's is held against, 3 or more.
        minutes: after which no other method is begun; None for no end.
        seed: of the draws and the runs.
        root: folder where finished models' answers, and the weights of those that stand in for the original, are kept
            and found again; None for nowhere.

    Raises:
        InputError: fewer of them.
    """

    rehearsals: int = 6
    retrained: int = 4
    minutes: float | None = None
    seed: int = 0
    root: Path | None = None

    def __post_init__(self) -> None:
        if self.rehearsals < 2 or self.retrained < FEWEST_RETRAINED:
            raise InputError(
                f"{self.rehearsals} rehearsals were asked for, with {self.retrained} retrained models each. Expected "
                f"at least 2 rehearsals and {FEWEST_RETRAINED} models: fewer do not show how much of a distance is "
                "chance. Raise the smaller number."
            )


@dataclass(frozen=True)
class RehearsalResult:
    """How far a method was from retraining (`retraining_distance`), which is at 0 by definition.

    Args:
        method: its name.
        distance: mean over the rehearsals.
        low, high: 95 % for it, by Student's t over the rehearsals.
        cost: in retrainings, by the examples that are shown to the network; None where nobody counts them.
    """

    method: str
    distance: float
    low: float
    high: float
    cost: float | None = None

    @property
    def near(self) -> bool:
        """Whether it may stand for retraining."""
        return self.high <= NEAR


@dataclass(frozen=True)
class Choice:
    """Which method was chosen, and why.

    Args:
        method: its name.
        reason: a sentence.
        tried: the methods by their distance, the nearest first; `retrain` is among them.
        failures: method -> why it gave no model.
        left_out: method -> why it was not tried.
        kind: what was forgotten in the rehearsals, in words.
    """

    method: str
    reason: str
    tried: tuple[RehearsalResult, ...] = ()
    failures: Mapping[str, str] = dataclasses.field(default_factory=dict)
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kind: str = ""


@dataclass(frozen=True)
class _Rehearsal:
    """One forget set of retained examples: the models that start from the stand-in, and those retrained without it."""

    worker: Worker
    retrained: Outputs


def candidates(challenge: Challenge) -> tuple[list[Entry], dict[str, str]]:
    """Returns the methods of the kit that can start from a finished model, the cheapest first.

    A method that shows the network as many examples as a retraining is none: it could only be as good.

    Args:
        challenge: whose model it is.

    Returns:
        The methods; and of the others, by name, why not, as half a sentence.
    """
    costs, left_out = dict[str, float](), dict[str, str]()
    for name in methods.names():
        if name in LANDMARKS:
            continue
        if methods.trains_its_own(name):
            left_out[name] = "it trains the original in a way of its own, which yours was not"
            continue
        try:
            cost = cost_of(Entry(name), challenge)
        except InputError as error:
            left_out[name] = str(error)
            continue
        if cost is not None and cost >= 1:
            left_out[name] = f"it costs {cost:.1f} of a retraining, which is exact"
        else:
            costs[name] = 0.0 if cost is None else cost
    return [Entry(name) for name in sorted(costs, key=lambda name: (costs[name], name))], left_out


def cost_of(entry: Entry, challenge: Challenge) -> float | None:
    """Returns what a built-in method costs, in retrainings.

    Args:
        entry: the method, with its hyper-parameters.
        challenge: what it runs on.

    Returns:
        Passes over passes of a retraining, >= 0; None of a method that is not the kit's.
    """
    if not entry.built_in or entry.name not in methods.built_in():
        return None
    settings = _facts.hyperparameters(entry.name) | hyperparameters(entry, challenge)
    whole = challenge.recipe.total_epochs * len(challenge.split.retain)
    return _facts.passes(entry.name, challenge, settings) / max(whole, 1)


def choose(
    worker: Worker,
    entries: Sequence[Entry] | None,
    plan: Plan,
    announce: Callable[[str], None],
) -> Choice:
    """Rehearses methods on examples like the records, and chooses one.

    Args:
        worker: of the request; of its challenge the retained, validation and test examples are used, no record.
        entries: the candidates; by default those of the kit.
        plan: how.
        announce: is told what is being done.

    Returns:
        The method nearest to retraining, or `retrain` where none is near enough, and how each of them did.
    """
    challenge = worker.challenge
    default, left_out = candidates(challenge)
    entries, left_out = (default, left_out) if entries is None else (list(entries), {})
    try:
        splits = drawing.draw(challenge, plan.rehearsals, plan.seed)
    except drawing.NoSimilarExamples as error:
        reason = f"Nothing of the same kind could be forgotten for trial ({error}), and retraining is exact."
        return Choice(RETRAIN, reason, left_out=left_out)
    announce(f"rehearsing on {plan.rehearsals} other forget sets: {drawing.described(challenge)}")
    end = None if plan.minutes is None else time.monotonic() + 60 * plan.minutes
    rehearsals = list(_prepared(worker, splits, plan))
    tried, failures = [RehearsalResult(RETRAIN, 0.0, 0.0, 0.0, 1.0)], dict[str, str]()
    for entry in progress(entries, label="rehearsing", unit="method"):
        if end is not None and time.monotonic() > end:
            left_out[entry.name] = f"the {plan.minutes:g} minutes were over"
            continue
        try:
            distances = _distances(entry, rehearsals, plan)
        except (FailedRun, InputError) as failure:
            failures[entry.name] = str(failure)
            continue
        if len(distances) == 1:
            left_out[entry.name] = f"it was {distances[0]:.1f} from retraining in the first rehearsal"
        else:
            tried.append(_result(entry.name, distances, cost_of(entry, challenge)))
    tried.sort(key=lambda each: each.distance)
    return dataclasses.replace(_decided(tried), failures=failures, left_out=left_out, kind=drawing.described(challenge))


def _prepared(worker: Worker, splits: Sequence[drawing.Split], plan: Plan) -> list[_Rehearsal]:
    """Returns the rehearsals, each with an original and retrained models of its own, none of which saw a record."""
    challenge, rehearsals = worker.challenge, []
    retained = challenge.train.take(challenge.split.retain)
    for number, split in enumerate(progress(splits, label="preparing", unit="rehearsal")):
        weights = _stand_in(worker, run_seed(plan.seed, "stand-in", number), plan.root)
        problem = dataclasses.replace(challenge, train=retained, split=split, original=weights)
        training = None if worker.training is None else worker.training.among(challenge.split.retain)
        rehearsing = Worker(problem, like=worker, training=training)
        request = Request(plan.retrained, run_seed(plan.seed, "rehearsal", number), plan.root)
        rehearsals.append(_Rehearsal(rehearsing, references.models(Entry(RETRAIN), rehearsing, request)))
    return rehearsals


def _stand_in(worker: Worker, seed: int, root: Path | None) -> tuple[np.ndarray, ...]:
    """Returns the weights of a model that was retrained without the records, trained now where they are not kept."""
    challenge, path, place = worker.challenge, None, f"stand-in/{seed}"
    if root is not None:
        path = store.population_folder(root, Entry(RETRAIN), challenge, worker.original) / f"stand-in-{seed}.npz"
        files.remove_leftovers(path.parent, path.name)
        kept = seals.read_arrays(path, place)
        if kept is not None:
            return worker.checked(in_order(kept), RETRAIN)
    retrained = run.run_once(Entry(RETRAIN), challenge, worker, seed=seed)
    weights = tuple(np.array(array) for array in retrained.net.get_weights())
    if path is not None:
        seals.write_arrays(path, place, numbered(weights))
    return weights


def _distances(entry: Entry, rehearsals: Sequence[_Rehearsal], plan: Plan) -> list[float]:
    """Returns how far a model of a method is from the retrained ones, of the first rehearsal alone where that is far.

    One model each, as one is delivered, and from another original each time: whose luck it inherits is its own.
    """
    distances: list[float] = []
    for number, rehearsal in enumerate(rehearsals):
        request = Request(1, run_seed(plan.seed, "run", number), plan.root)
        outputs = references.models(entry, rehearsal.worker, request)
        distances.append(retraining_distance(outputs, rehearsal.retrained))
        if distances[0] > FAR:
            break
    return distances


def _result(name: str, distances: Sequence[float], cost: float | None) -> RehearsalResult:
    mean, stderr = float(np.mean(distances)), float(np.std(distances, ddof=1)) / len(distances) ** 0.5
    return RehearsalResult(name, mean, *interval_of(mean, stderr, len(distances) - 1), cost)


def _decided(tried: Sequence[RehearsalResult]) -> Choice:
    """Returns the nearest of those that are near enough, else retraining."""
    near = [each for each in tried if each.near and each.method != RETRAIN]
    if not near:
        others = [each for each in tried if each.method != RETRAIN]
        nearest = f" (the nearest, {others[0].method}, up to {others[0].high:.2f})" if others else ""
        reason = f"No method was within {NEAR} of retraining in the rehearsals{nearest}, and retraining is exact."
        return Choice(RETRAIN, reason, tuple(tried))
    best = near[0]
    reason = (
        f"In the rehearsals '{best.method}' was the nearest to retraining: {best.distance:.2f} "
        f"({best.low:.2f} to {best.high:.2f}), where {NEAR} is near enough."
    )
    return Choice(best.method, reason, tuple(tried))
