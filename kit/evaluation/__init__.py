"""From methods to reports: populations, comparison with retrained models, scores."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kit import engines, methods, models, scorers
from kit.engines import Engine
from kit.evaluation import doubts
from kit.machine import environment
from kit.rules import ORIGINAL, RETRAIN, SCORE_VERSION
from kit.runs import oracles, pretraining, timing
from kit.runs import population as populations
from kit.runs import retrained as retrained_models
from kit.runs import run as runner
from kit.runs.contained import Containment
from kit.scorers._resampling import MIN_MODELS
from kit.scorers.membership_inference import MIN_MEMBERS, match_nonmembers
from kit.submission.source import Method, check_identifier, method_name
from kit.types import Challenge, Comparison, FailedRun, InputError, Outputs, Report, check_challenge

# Besides those that stand in the row `retrain`: the fewest whose spread says anything.
MIN_OTHERS = 5

Identifier = str | Path | Method


@dataclass(frozen=True)
class Evaluation:
    """Reports on one challenge, `original` first and `retrain` last, and by method the outputs that they come from.

    `failures` says of each method that broke its contract what it did; the others' results are not lost with it.
    """

    reports: tuple[Report, ...]
    outputs: Mapping[str, Outputs]
    failures: Mapping[str, FailedRun] = field(default_factory=dict)


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
        >>> report = evaluate("original", kit.load_challenge())
        >>> report.scores["retain_accuracy"].value > 0.98
        True
    """
    evaluation = evaluate_all(
        [method],
        challenge,
        num_models=num_models,
        seed=seed,
        num_retrained=num_retrained,
        fresh_oracle=fresh_oracle,
        root=root,
        engine=engine,
        workers=workers,
    )
    name = method_name(method)
    return next(report for report in evaluation.reports if report.method == name)


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
        containment: limits and sandbox of the methods that are given as files.
        given: outputs of `num_models` models made elsewhere (a pack), to be scored beside the others.
        announce: is told what is being done, a line at a time.

    Raises:
        FailedRun: damaged weights; or every method that was asked for broke its contract (the first of them). Where
            only some did, they are in `failures`.
        InputError: two different methods of one name; fewer than 3 retrained models.
    """
    check_challenge(challenge)
    named = _by_name(identifiers)
    for identifier in named.values():
        if not callable(identifier):
            check_identifier(identifier)
    own = [] if challenge.pretraining else [name for name in named if methods.trains_its_own(name)]
    others = [identifier for name, identifier in named.items() if name not in own]
    settings = _Settings(
        num_models, seed, num_retrained, fresh_oracle, root, engine, workers, containment, announce or (lambda _: None)
    )
    parts = [_evaluate(others, challenge, settings, given)] if others or given or not own else []
    parts += [_evaluate([name], pretraining.of_method(challenge, name), settings) for name in own]
    return _joined(parts)


@dataclass(frozen=True)
class _Settings:
    """What `evaluate_all` was asked for, whatever the training of the original."""

    num_models: int
    seed: int
    num_retrained: int | None
    fresh_oracle: bool
    root: str | Path | None
    engine: str | Engine | None
    workers: int | None
    containment: Containment | None
    announce: Callable[[str], None]


def _joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Puts evaluations with different trainings together; rows of one name are told apart by their training."""
    reports = [report for part in parts for report in part.reports]
    outputs, failures = dict(parts[0].outputs), dict(parts[0].failures)
    for part in parts[1:]:
        training = part.reports[0].pretraining
        outputs |= {f"{name} ({training})" if name in outputs else name: one for name, one in part.outputs.items()}
        failures |= part.failures
    return Evaluation(tuple(reports), outputs, failures)


def _evaluate(
    identifiers: Sequence[Identifier], challenge: Challenge, settings: _Settings, given: Sequence[Outputs] = ()
) -> Evaluation:
    """Runs and scores methods that share the training of the original."""
    num_models, seed, num_retrained = settings.num_models, settings.seed, settings.num_retrained
    engine, workers, announce = settings.engine, settings.workers, settings.announce
    fresh_oracle, named = settings.fresh_oracle, _by_name(identifiers)
    asked = set(named)
    named.pop(RETRAIN, None)
    ordered = [named.pop(ORIGINAL, ORIGINAL), *named.values()]
    count = _num_retrained(num_models, num_retrained)
    retrained = None if fresh_oracle else _shipped(challenge, num_models, num_retrained)
    alone = num_models == 1 and num_retrained is None and not fresh_oracle and retrained is None
    alone = alone and retrained_models.available(challenge)
    worker = runner.Worker(challenge)
    announce("timing a retrain in plain Keras, the unit of time_ratio (20 s at most, cached)")
    reference = timing.reference_seconds(challenge)
    with _engine(engine, workers, max(num_models, count if retrained is None else 0)) as started:
        # A function may refer to what cannot be copied: it goes to other processes only where somebody asks for that.
        for_functions = "serial" if engine is None and workers is None else started

        def population(
            method: Identifier, number: int, its_seed: int = seed, *, stored_retrained: bool = False
        ) -> Outputs:
            announce(f"{method_name(method)}: {number} model{'s' * (number > 1)}")
            return populations.run_population(
                method,
                challenge,
                num_models=number,
                seed=its_seed,
                root=settings.root,
                engine=for_functions if callable(method) else started,
                worker=worker,
                containment=settings.containment,
                stored_retrained=stored_retrained,
            )

        outputs, failures = _run_methods(ordered, population, num_models, announce)
        if failures and set(failures) == asked:
            raise next(iter(failures.values()))
        outputs = _with_given(outputs, given, {*named, ORIGINAL, RETRAIN})
        if alone:
            outputs[RETRAIN] = population(RETRAIN, 1, retrained_models.SEED, stored_retrained=True)
        else:
            outputs[RETRAIN] = population(RETRAIN, count) if retrained is None else _timed(retrained, population)
    announce("scoring")
    reports = [
        _report(challenge, name, seed, _comparison(challenge, one, outputs[RETRAIN], num_models, reference), worker)
        for name, one in outputs.items()
    ]
    return Evaluation(tuple(reports), outputs, failures)


def _run_methods(
    methods: Sequence[Identifier],
    population: Callable[[Identifier, int], Outputs],
    num_models: int,
    announce: Callable[[str], None],
) -> tuple[dict[str, Outputs], dict[str, FailedRun]]:
    """Runs methods one after another; one that breaks its contract does not take the others' results with it."""
    outputs: dict[str, Outputs] = {}
    failures: dict[str, FailedRun] = {}
    for method in methods:
        name = method_name(method)
        try:
            outputs[name] = population(method, num_models)
        except FailedRun as failure:
            if name == ORIGINAL:
                raise
            announce(f"{name} FAILED")
            failures[name] = failure
    return outputs, failures


def _with_given(outputs: Mapping[str, Outputs], given: Sequence[Outputs], taken: set[str]) -> dict[str, Outputs]:
    """Puts outputs that were made elsewhere behind the first row, under names of their own."""
    (first, original), *others = outputs.items()
    packed = {f"{one.method} (packed)" if one.method in taken else one.method: one for one in given}
    return {first: original, **packed, **dict(others)}


def _num_retrained(num_models: int, wanted: int | None) -> int:
    """Returns how many models are retrained where no oracle is at hand."""
    if wanted is None:
        # Half of them stand in the row 'retrain': enough, on either side, for what compares populations.
        return max(num_models + MIN_OTHERS, 2 * MIN_MODELS if num_models >= MIN_MODELS else 0)
    if wanted < 3:
        raise InputError(
            f"{wanted} retrained models cannot serve as reference. Expected 3 or more, one for the row 'retrain' and "
            "two to compare it with. Raise num_retrained."
        )
    return wanted


def _shipped(challenge: Challenge, num_models: int, wanted: int | None) -> Outputs | None:
    """Returns the oracle that comes with the kit, where there is one and it is large enough."""
    oracle = None if challenge.pretraining else oracles.load(challenge)
    if oracle is None or oracle.num_models < max(num_models, wanted or 0):
        return None
    return oracle if wanted is None else oracle.select(slice(wanted))


def _timed(oracle: Outputs, population: Callable[[Identifier, int], Outputs]) -> Outputs:
    """Returns the oracle with the seconds of one retraining on this machine instead of those on its maker's."""
    seconds = population(RETRAIN, 1).seconds[0]
    return dataclasses.replace(oracle, seconds=np.full(oracle.num_models, seconds))


@contextlib.contextmanager
def _engine(engine: str | Engine | None, workers: int | None, num_models: int) -> Iterator[Engine]:
    """Gives an engine for several populations; ends it if it was started here."""
    if isinstance(engine, Engine):
        yield engine
        return
    with engines.start(engine or populations.default_engine(num_models, workers), workers=workers) as started:
        yield started


def _comparison(
    challenge: Challenge, unlearned: Outputs, retrained: Outputs, num_models: int, reference_seconds: float
) -> Comparison:
    """Compares a method's models with the retrained ones; of these, every other one with those between them."""
    if unlearned is retrained and retrained.num_models > 1:
        everything = np.arange(retrained.num_models)
        shown = everything[::2][: min(num_models, retrained.num_models // 2)]
        unlearned, retrained = retrained.select(shown), retrained.select(np.setdiff1d(everything, shown))
    return Comparison(unlearned, retrained, *attack_sample(challenge), reference_seconds)


def _by_name(identifiers: Sequence[Identifier]) -> dict[str, Identifier]:
    """Drops repetitions; refuses two methods of one name, whose rows nobody could tell apart."""
    named: dict[str, Identifier] = {}
    for identifier in identifiers:
        name = method_name(identifier)
        taken = named.get(name, name if name in methods.names() else identifier)
        if identifier != taken:
            raise InputError(
                f"'{identifier}' would appear as '{name}', which is the name of {taken!r} already. Expected methods of "
                "different names, and none of a built-in one. Rename the file or the function."
            )
        named[name] = identifier
    return named


def attack_sample(challenge: Challenge) -> tuple[np.ndarray, np.ndarray, str]:
    """Chooses members (indices into forget) and non-members (indices into test), or says why there are none.

    Non-members have the forget set's mix of classes. Where a group or the mislabelled examples are forgotten, they are
    test examples of that group, or mislabelled ones: what a retrained model cannot tell from the forget set. Where a
    whole class is forgotten, its test images are themselves within what is to be forgotten.

    Example:
        >>> import kit
        >>> attack_sample(kit.load_challenge(forget="class:5"))[2][:40]
        'class 5 is forgotten altogether, so that'
    """
    kind, _, argument = challenge.split.name.partition(":")
    test, nothing = challenge.test, np.array([], np.int64)
    eligible = np.ones(len(test), bool)
    if kind == "group" and test.groups is not None:
        eligible = np.isin(test.groups.astype(str), [part.strip() for part in argument.split(",")])
    elif kind == "mislabelled" and test.mislabelled is not None:
        eligible = test.mislabelled.astype(bool)
    forget_labels, retain_labels = challenge.labels("forget"), challenge.labels("retain")
    gone = np.setdiff1d(forget_labels, retain_labels)
    if len(gone):
        listed = ", ".join(map(str, gone))
        reason = f"class {listed} is forgotten altogether, so that no test example is a non-member of the same kind"
        return nothing, nothing, reason
    candidates = np.flatnonzero(eligible)
    members, chosen = match_nonmembers(forget_labels, test.y[candidates], seed=challenge.split.seed)
    if len(members) < MIN_MEMBERS:
        reason = (
            f"only {len(members)} pairs of a forget and a test example of the same kind; the attack needs {MIN_MEMBERS}"
        )
        return nothing, nothing, reason
    return members, candidates[chosen], ""


def _report(challenge: Challenge, name: str, seed: int, comparison: Comparison, worker: runner.Worker) -> Report:
    return Report(
        challenge=challenge.name,
        method=name,
        seed=seed,
        num_models=comparison.unlearned.num_models,
        num_retrained=comparison.retrained.num_models,
        split=challenge.split.name,
        split_seed=challenge.split.seed,
        split_sha256=challenge.split.sha256,
        data_sha256=challenge.data_sha256,
        data_source=challenge.source,
        weights_sha256=worker.original.sha256,
        seconds=None if np.isnan(comparison.unlearned.seconds).any() else float(comparison.unlearned.seconds.mean()),
        reference_seconds=comparison.reference_seconds,
        scores=scorers.score_all(comparison),
        score_version=SCORE_VERSION,
        versions=environment.versions(),
        machine=environment.machine() | {"precision": challenge.precision},
        model=models.title(worker.original.model or challenge.model),
        recipe=dataclasses.asdict(challenge.recipe)
        | {"batch_size": challenge.batch_size, "training_seed": challenge.training_seed},
        warnings=tuple(doubts.about_original(comparison)) if name == ORIGINAL else (),
        pretraining=challenge.pretraining,
        facts={fact: float(values.mean()) for fact, values in comparison.unlearned.facts.items()},
    )
