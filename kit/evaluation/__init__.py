"""From methods to reports: populations, comparison with retrained models, scores.

Decisions:

- Scores, and the page, are kept beside the runs (`<out>/<challenge>/scores/`), under a digest of all outputs that they
  are of, the kit's code, versions and machine: without them, scoring stored runs again imports scikit-learn and
  matplotlib.
- The row `retrain` shows every other retrained model, at most half, against the rest: so it is a row like the others,
  shows how far from its target a perfect method lies by luck, and both sides have logits.
- What makes a whole comparison doubtful is in the report: an original that knows nothing, a reference that was
  trained otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.engines import Engine, Serial
from kit.evaluation import scoring
from kit.evaluation.comparison import attack_sample, compare, doubts_about_original
from kit.evaluation.plan import Plan
from kit.evaluation.reference import Population, Reference
from kit.evaluation.result import Evaluation
from kit.machine import accelerators, environment
from kit.rules import LANDMARKS, ORIGINAL, RETRAIN, SCORE_VERSION
from kit.runs import choice, population, timing
from kit.runs.contained import Containment
from kit.runs.originals import Pretrained
from kit.runs.population import Request
from kit.runs.pretraining import original_of
from kit.submission.entry import Entry, Identifier, resolve_all
from kit.types import Challenge, Comparison, FailedRun, InputError, Once, Outputs, Report, Score, check_challenge

if TYPE_CHECKING:
    from kit.runs.worker import Worker

__all__ = ["Evaluation", "attack_sample", "evaluate", "evaluate_all"]


def evaluate(
    method: Identifier,
    challenge: Challenge,
    *,
    num_models: int = 1,
    seed: int = 0,
    num_retrained: int | None = None,
    fresh_oracle: bool = False,
    root: str | Path | None = None,
    engine: str | Engine | None = None,
    workers: int | None = None,
) -> Report:
    """Runs and scores one method against retrained models (see `evaluate_all`).

    Raises:
        FailedRun: the method broke its contract, or damaged weights.

    Example:
        >>> import kit
        >>> rows = np.arange(240)
        >>> arrays = kit.Arrays(np.eye(3)[rows % 3], rows % 3)
        >>> challenge = kit.make_challenge("thirds", arrays, recipe=kit.Recipe(epochs=5))
        >>> evaluate("original", challenge).scores["retain_accuracy"].value
        1.0
    """
    check_challenge(challenge)
    request = Request(num_models, seed, None if root is None else Path(root))
    plan = Plan(request, num_retrained, fresh_oracle, engine, workers)
    (entry,) = resolve_all([method])
    evaluation = carry_out([entry], challenge, plan)
    return next(report for report in evaluation.reports if report.method == entry.name)


def evaluate_all(
    identifiers: Sequence[Identifier],
    challenge: Challenge,
    *,
    num_models: int = 1,
    seed: int = 0,
    num_retrained: int | None = None,
    fresh_oracle: bool = False,
    root: str | Path | None = None,
    engine: str | Engine | None = None,
    workers: int | None = None,
    containment: Containment | None = None,
    given: Sequence[Outputs] = (),
    announce: Callable[[str], None] | None = None,
) -> Evaluation:
    """Runs and scores methods; `original` is added as the first row and `retrain` as the last.

    Args:
        identifiers: names, functions or paths of methods.
        challenge: see `kit.load_challenge`.
        num_models: models of each method; each score is a mean over them, or compares them with as many retrained ones.
        seed: of all runs.
        num_retrained: retrained models, the reference of the other methods, 3 or more. By default all of the oracle
            that comes with the kit for this split, for a single model a stored one (`kit.runs.retrained`), else
            `num_models` + 5 (16 at least where populations are compared).
            The row `retrain` shows some of them (`num_models`, at most half), compared with the rest.
        fresh_oracle: retrain, even where an oracle comes with the kit.
        root: where finished runs are kept and found again; by default nowhere.
        engine, workers: as in `kit.run_population`.
        containment: limits and sandbox of the methods that are given as files; by default a sandbox where it works.
        given: outputs of `num_models` models made elsewhere (a pack), to be scored beside the others.
        announce: is told what is being done, a line at a time.

    Raises:
        FailedRun: damaged weights; or every method that was asked for broke its contract (the first of them). Where
            only some did, they are in `failures`.
        InputError: two different methods of one name; fewer than 3 retrained models.
    """
    check_challenge(challenge)
    request = Request(num_models, seed, None if root is None else Path(root), containment)
    plan = Plan(request, num_retrained, fresh_oracle, engine, workers)
    return carry_out(resolve_all(identifiers), challenge, plan, packed=given, announce=announce)


def carry_out(
    entries: Sequence[Entry],
    challenge: Challenge,
    plan: Plan,
    *,
    packed: Sequence[Outputs] = (),
    worker: Worker | None = None,
    announce: Callable[[str], None] | None = None,
) -> Evaluation:
    """Runs and scores methods, each beside the landmarks that are trained as its original was.

    Args:
        entries: methods of different names.
        challenge: what they are run on.
        plan: how.
        packed: outputs of models that were made elsewhere.
        worker: models of this process, to use for the challenge's own recipe.
        announce: is told what is being done, a line at a time.
    """
    announce = announce or (lambda _: None)
    choice.require_stackable(entries, plan.engine)
    if any(entry.source is not None for entry in entries):
        containment = (plan.population.containment or Containment()).settled()
        plan = dataclasses.replace(plan, population=dataclasses.replace(plan.population, containment=containment))
    trainings = list(dict.fromkeys(entry.pretraining for entry in entries))
    if "" not in trainings and (packed or not trainings):
        trainings.append("")
    trainings.sort(key=bool)  # the challenge's own recipe comes first
    parts: list[Evaluation] = []
    failures: dict[str, FailedRun] = {}
    for training in trainings:
        rows = [entry for entry in entries if entry.pretraining == training]
        at_hand = None if training else worker
        table = functools.partial(_Table, rows, challenge, training, plan, announce=announce, worker=at_hand)
        try:
            parts.append(_guarded(table, training, [] if training else packed))
        except (FailedRun, InputError) as failure:
            if training == trainings[0]:
                raise
            announce(f"{training} FAILED")
            failures |= {entry.name: _as_failed(failure) for entry in rows}
    return _joined(parts, failures)


def _guarded(table: Callable[[], _Table], training: str, packed: Sequence[Outputs]) -> Evaluation:
    """Evaluates a table; where its methods train the original themselves, whatever they raise is their failure."""
    try:
        return table().evaluate(packed)
    except (FailedRun, InputError):
        raise
    except Exception as error:  # NumPy's and Keras's, of an architecture or labels that the method was not made for
        if not training:
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise FailedRun(
            f"'{training}' cannot be evaluated on this challenge ({type(error).__name__}: {reason}). Expected a model "
            "and labels that it can be trained for. Leave the method out; --debug shows the whole traceback."
        ) from error


def _joined(parts: Sequence[Evaluation], failures: Mapping[str, FailedRun]) -> Evaluation:
    """Puts evaluations with different trainings together; rows of one name are told apart by their training."""
    reports = [report for part in parts for report in part.reports]
    outputs, failures = dict(parts[0].outputs), {**parts[0].failures, **failures}
    for part in parts[1:]:
        training = part.reports[0].pretraining
        new_rows = {f"{name} ({training})" if name in outputs else name: row for name, row in part.outputs.items()}
        outputs |= new_rows
        failures |= part.failures
    return Evaluation(tuple(reports), outputs, failures)


class _Table:
    """The evaluation of methods that start from one original: one row each, between the two landmarks."""

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
        self._entries, self._challenge, self._training, self._plan = entries, challenge, training, plan
        self._announce, self._at_hand = announce, worker
        self._levels: dict[str, str] = {RETRAIN: "in-process"}  # from where it is stored, too
        self._made: dict[str, dict[str, str]] = {}  # rows whose bits depend on the engine: which, and its backend
        self._reference = Reference.choose(challenge, training, plan)
        self._original: Pretrained = original_of(challenge, training)

    @functools.cached_property
    def _worker(self) -> Worker:
        from kit.runs.worker import Worker

        return self._at_hand or Worker(self._challenge, self._original, pretraining=self._training)

    def evaluate(self, packed: Sequence[Outputs]) -> Evaluation:
        """Runs what is not stored, and scores all rows."""
        plan = self._plan
        num_models = max(plan.num_models, self._reference.request.num_models)
        chosen = choice.engine_for(self._entries, plan.engine, plan.workers, num_models)
        choice.require_precision(self._challenge, chosen)
        self._announce("timing a retrain in plain Keras, the unit of time_ratio (20 s at most, cached)")
        reference = timing.reference(self._challenge, check=lambda: self._worker)
        if chosen == "stacked" and plan.engine is None:
            self._announce(f"many models at once on {accelerators.described()} (--engine processes: on the processor)")
        with population.started(chosen, plan.workers) as engine:
            outputs, failures = self._run(functools.partial(self._population, engine), packed)
        self._announce("scoring")
        comparing = functools.partial(compare, num_models=plan.num_models, reference=reference)
        once = Once()
        compared = {name: comparing(self._challenge, outputs, name, once=once) for name in outputs}
        root = plan.population.root
        scores = scoring.score_rows(compared, None if root is None else root / self._challenge.name / "scores")
        reports = [self._report(name, comparison, scores[name]) for name, comparison in compared.items()]
        return Evaluation(tuple(reports), outputs, failures)

    def _population(self, engine: Engine, entry: Entry, request: Request) -> Outputs:
        self._announce(f"{entry.name}: {request.num_models} model{'s' * (request.num_models > 1)}")
        # A function may refer to what cannot be copied: it goes to other processes only where somebody asks for that.
        if entry.function is not None and self._plan.engine is None and self._plan.workers is None:
            engine = Serial()
        self._made[entry.name] = choice.bits_of(engine)
        self._levels[entry.name] = (request.containment or Containment()).level(entry)
        return population.run_entry(
            entry, self._challenge, self._original, request, engine, get_worker=lambda: self._worker
        )

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
        return outputs, {name: _as_failed(failure) for name, failure in failures.items()}

    def _report(self, name: str, comparison: Comparison, scores: Mapping[str, Score]) -> Report:
        challenge, costs, made = self._challenge, comparison.unlearned.costs, self._made.get(name, {})
        trained = {"batch_size": challenge.batch_size, "training_seed": challenge.training_seed}
        return Report(
            challenge=challenge.name,
            method=name,
            seed=self._plan.population.seed,
            num_models=comparison.unlearned.num_models,
            num_retrained=comparison.retrained.num_models,
            split=challenge.split.name,
            split_seed=challenge.split.seed,
            split_sha256=challenge.split.sha256,
            data_sha256=challenge.data_sha256,
            data_source=challenge.source,
            weights_sha256=self._original.sha256,
            seconds=_mean([cost.seconds for cost in costs]),
            reference_seconds=comparison.reference.work,
            scores=scores,
            score_version=SCORE_VERSION,
            versions=environment.versions(made.get("backend")),
            machine=environment.machine() | {"precision": challenge.precision} | made,
            model=self._original.model,
            recipe=dataclasses.asdict(challenge.recipe) | trained,
            warnings=tuple(doubts_about_original(challenge, comparison)) if name == ORIGINAL else (),
            pretraining=self._training,
            facts={fact: float(values.mean()) for fact, values in comparison.unlearned.facts.items()},
            containment=self._levels.get(name, ""),
            cpu_seconds=_mean([comparison.reference.whole_of(cost) for cost in costs]),
            tracing_seconds=_mean([comparison.reference.traced_of(cost) for cost in costs]),
        )


def _as_failed(failure: FailedRun | InputError) -> FailedRun:
    """Returns what a row's failure is reported as; a broken submission stays one, with the check that it fails."""
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
