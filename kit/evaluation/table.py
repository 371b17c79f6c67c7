"""The rows of one table: methods that start from the same original, or the same several, between the two landmarks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.challenges import hyperparameters
from kit.engines import Engine, Serial
from kit.evaluation import nested, scoring
from kit.evaluation.comparison import compare, doubts_about_original
from kit.evaluation.plan import Plan
from kit.evaluation.reference import Population, Reference
from kit.evaluation.result import Evaluation
from kit.machine import accelerators, environment, threads
from kit.rules import LANDMARKS, ORIGINAL, RETRAIN, SCORE_VERSION
from kit.runs import choice, copies, population, timing
from kit.runs.contained import Containment
from kit.runs.originals import Pretrained
from kit.runs.population import Request
from kit.runs.pretraining import original_of
from kit.submission.entry import Entry
from kit.tasks import CLASSIFICATION
from kit.types import Challenge, Comparison, FailedRun, InputError, Once, Outputs, Report, Score

if TYPE_CHECKING:
    from kit.runs.worker import Worker

_LATE = (
    "TensorFlow computed something before the kit was imported, with a number of threads that the kit has not set: the "
    "same seed may give slightly different results elsewhere."
)


class _Start:
    """An original that methods start from, and the models of this process that they are run with."""

    def __init__(self, challenge: Challenge, training: str, worker: Worker | None) -> None:
        self.challenge, self._training, self._at_hand = challenge, training, worker
        self.original: Pretrained = original_of(challenge, training)

    @functools.cached_property
    def worker(self) -> Worker:
        from kit.runs.worker import Worker

        return self._at_hand or Worker(self.challenge, self.original, pretraining=self._training)


class ComparisonTable:
    """The evaluation of methods that start from the same originals: one row each, between the two landmarks."""

    def __init__(
        self,
        entries: Sequence[Entry],
        challenge: Challenge,
        training: str,
        plan: Plan,
        *,
        announce: Callable[[str], None],
        worker: Worker | None,
    ) -> None:
        """Takes the methods, what they are run on, how, and models of this process that may be used."""
        self._entries, self._challenge, self._training, self._plan = entries, challenge, training, plan
        self._announce, self._own = announce, None if worker is None else worker.training
        self._levels: dict[str, str] = {RETRAIN: "in-process"}  # from where it is stored, too
        # Of rows whose bits depend on the engine: which, and its backend.
        self._engine_settings: dict[str, dict[str, str]] = {}
        self._reference = Reference.choose(challenge, training, plan, entries)
        several = nested.with_originals(challenge, plan.num_originals)
        self._starts = [_Start(each, training, worker if each is several[0] else None) for each in several]
        self._original_of_model: dict[str, np.ndarray] = {}  # by row: the number of the original that each is from

    def evaluate(self, packed: Sequence[Outputs]) -> Evaluation:
        """Makes the models that are not stored, and scores all rows.

        Args:
            packed: outputs of populations that others have made, a row for each.

        Returns:
            Reports, outputs, and the failures of rows.

        Raises:
            InputError: the engine cannot compute what is asked for.
        """
        plan = self._plan
        num_models = max(plan.num_models, self._reference.request.num_models)
        chosen = choice.engine_for(self._entries, plan.engine, plan.workers, num_models)
        chosen = chosen if self._own is None else "serial"  # a user's function may refer to what cannot be copied
        choice.require_precision(self._challenge, chosen)
        if self._own is None:
            self._announce("timing a retrain in plain Keras, the unit of time_ratio (20 s at most, cached)")
            reference = timing.reference(self._challenge, check=lambda: self._starts[0].worker)
        if chosen == "stacked" and plan.engine is None:
            self._announce(f"many models at once on {accelerators.described()} (--engine processes: on the processor)")
        with population.started(chosen, plan.workers) as engine:
            outputs, failures = self._run(functools.partial(self._population, engine), packed)
        if self._own is not None:
            reference = timing.of_runs(outputs[RETRAIN].costs)
        self._announce("scoring")
        comparing = functools.partial(compare, num_models=plan.num_models, reference=reference)
        once = Once()
        compared = {name: comparing(self._challenge, outputs, name, once=once) for name in outputs}
        root = plan.population.root
        folder = None if root is None else root / self._challenge.name / "scores"
        scores = self._nested(scoring.score_rows(compared, folder), compared, folder)
        reports = [self._report(name, comparison, scores[name]) for name, comparison in compared.items()]
        return Evaluation(tuple(reports), outputs, failures)

    def _population(self, engine: Engine, entry: Entry, request: Request) -> Outputs:
        self._announce(f"{entry.name}: {request.num_models} model{'s' * (request.num_models > 1)}")
        # A function may refer to what cannot be copied: it goes to other processes only where somebody asks for that.
        if entry.function is not None and self._plan.engine is None and self._plan.workers is None:
            engine = Serial()
        self._engine_settings[entry.name] = choice.bits_of(engine)
        self._levels[entry.name] = (request.containment or Containment()).level(entry)
        # Retraining starts from no original: it is the same models whichever there are.
        starts = self._starts[:1] if entry.name == RETRAIN else self._starts
        runs = []
        for number, start in enumerate(starts):
            seeded = dataclasses.replace(request, seed=request.seed + number)
            get_worker = functools.partial(getattr, start, "worker")
            runs.append(
                population.run_entry(entry, start.challenge, start.original, seeded, engine, get_worker=get_worker)
            )
        outputs, self._original_of_model[entry.name] = nested.pooled(runs)
        return outputs

    def _nested(
        self, scores: Mapping[str, dict[str, Score]], compared: Mapping[str, Comparison], folder: Path | None
    ) -> dict[str, dict[str, Score]]:
        """Returns scores whose errors hold the luck of the originals, where there are several."""
        rows = dict(scores)
        for name, originals in self._original_of_model.items() if len(self._starts) > 1 else ():
            if name != RETRAIN:
                models = compared[name].unlearned
                without = [models.select(np.flatnonzero(originals != number)) for number in range(len(self._starts))]
                left_out = [dataclasses.replace(compared[name], unlearned=fewer) for fewer in without]
                rows[name] = nested.nested_scores(rows[name], [scoring.score(each, folder) for each in left_out])
        return rows

    def _run(self, run: Population, packed: Sequence[Outputs]) -> tuple[dict[str, Outputs], dict[str, FailedRun]]:
        """Returns the rows' outputs; a method that breaks its contract does not take the others' with it."""
        methods = [entry for entry in self._entries if entry.name not in LANDMARKS]
        outputs = {ORIGINAL: run(Entry(ORIGINAL, pretraining=self._training), self._plan.population)}
        failures: dict[str, FailedRun | InputError] = {}
        for entry in methods:
            try:
                outputs[entry.name] = run(entry, self._plan.population)
            except (FailedRun, InputError) as failure:  # a method may not be for this task or model
                self._announce(f"{entry.name} FAILED")
                failures[entry.name] = failure
        if failures and len(failures) == len(self._entries):
            raise next(iter(failures.values()))
        names_in_use = {*(entry.name for entry in methods), *LANDMARKS}
        outputs = _with_packed(outputs, packed, names_in_use)
        outputs[RETRAIN] = self._reference.outputs(run)
        if self._reference.oracle is not None:  # one model was made here, for what it costs
            stacked = self._reference.made_by["engine"] == "stacked"
            self._engine_settings[RETRAIN] = dict(self._reference.made_by) if stacked else {}
        return outputs, {name: as_failed(failure) for name, failure in failures.items()}

    def _report(self, name: str, comparison: Comparison, scores: Mapping[str, Score]) -> Report:
        challenge, costs = self._challenge, comparison.unlearned.costs
        engine_settings = self._engine_settings.get(name, {})
        trained: dict[str, Any] = {"batch_size": challenge.batch_size, "training_seed": challenge.training_seed}
        if challenge.task != CLASSIFICATION:
            trained |= {"loss": repr(challenge.task)}
        if challenge.train.sample_weight is not None:
            trained |= {"sample_weight": "of the data"}
        return Report(
            challenge=challenge.name,
            method=name,
            seed=self._plan.population.seed,
            num_models=comparison.unlearned.num_models,
            num_retrained=comparison.retrained.num_models,
            num_originals=1 if name == RETRAIN else len(self._starts),
            split=challenge.split.name,
            split_seed=challenge.split.seed,
            split_sha256=challenge.split.sha256,
            data_sha256=challenge.data_sha256,
            data_source=challenge.source,
            weights_sha256=self._starts[0].original.sha256,
            seconds=_mean([cost.seconds for cost in costs]),
            reference_seconds=comparison.reference.work,
            scores=scores,
            score_version=SCORE_VERSION,
            versions=environment.versions(engine_settings.get("backend")),
            machine=environment.machine() | {"precision": challenge.precision} | engine_settings,
            model=self._starts[0].original.model,
            recipe=(challenge.recipe.settings() | trained) if self._own is None else {**self._own.described},
            warnings=self._doubts(name, comparison),
            pretraining=self._training,
            facts={fact: float(values.mean()) for fact, values in comparison.unlearned.facts.items()},
            containment=self._levels.get(name, ""),
            cpu_seconds=_mean([comparison.reference.whole_of(cost) for cost in costs]),
            tracing_seconds=_mean([comparison.reference.traced_of(cost) for cost in costs]),
            hyperparameters=self._hyperparameters(name),
        )

    def _hyperparameters(self, name: str) -> dict[str, Any]:
        """What the challenge gives to a method, none to landmarks and packs; what JSON does not have, in words."""
        given = next((entry.settings(self._challenge) for entry in self._entries if entry.name == name), {})
        return {key: value if isinstance(value, int | float | str) else repr(value) for key, value in given.items()}

    def _doubts(self, name: str, comparison: Comparison) -> tuple[str, ...]:
        if name == ORIGINAL:
            another_copy = copies.doubt(self._challenge, self._starts[0].original)
            late = "" if threads.are_set() else _LATE
            sentences = (another_copy, late, *doubts_about_original(self._challenge, comparison))
            return tuple(sentence for sentence in sentences if sentence)
        is_built_in = any(entry.name == name and entry.built_in for entry in (*self._entries, Entry(RETRAIN)))
        doubt = hyperparameters.doubt(self._challenge, name) if is_built_in else ""
        mixture = "" if name == RETRAIN else self._reference.mixture()
        return tuple(sentence for sentence in (doubt, mixture) if sentence)


def as_failed(failure: FailedRun | InputError) -> FailedRun:
    """Returns the error of a row as a FailedRun; a broken submission stays one, with the check that it fails.

    Args:
        failure: what making or scoring the row raised.
    """
    return failure if isinstance(failure, FailedRun) else FailedRun(str(failure))


def _mean(values: Sequence[float]) -> float | None:
    """Returns the mean of all runs; None where one of them is not known."""
    return None if np.isnan(values).any() else float(np.mean(values))


def _with_packed(
    outputs: Mapping[str, Outputs], packed: Sequence[Outputs], names_in_use: set[str]
) -> dict[str, Outputs]:
    """Puts outputs that were made elsewhere behind the first row, under names of their own."""
    (first, original), *others = outputs.items()
    packed_rows = {f"{row.method} (packed)" if row.method in names_in_use else row.method: row for row in packed}
    return {first: original, **packed_rows, **dict(others)}
