"""From methods to reports: populations, comparison with retrained models, scores.

Decisions:

- Scores, and the page, are kept beside the runs (`<out>/<challenge>/scores/`), under a digest of all outputs that they
  are of, the kit's code, versions and machine: without them, scoring stored runs again imports scikit-learn and
  matplotlib.
- The row `retrain` shows every other retrained model, at most half, against the rest: so it is a row like the others,
  shows how far from its target a perfect method lies by luck, and both sides have logits.
- Several originals are one table: what a method makes of all of them is one population (`nested`).
- What makes a whole comparison doubtful is in the report: an original that knows nothing, a reference that was
  trained otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.engines import Engine
from kit.evaluation.comparison import attack_sample
from kit.evaluation.nested import with_originals
from kit.evaluation.plan import Plan
from kit.evaluation.result import Evaluation
from kit.evaluation.table import ComparisonTable, as_failed
from kit.runs import choice
from kit.runs.contained import Containment
from kit.runs.population import Request
from kit.runs.settings import with_given
from kit.submission.entry import Entry, Identifier, resolve_all
from kit.types import Challenge, FailedRun, InputError, Outputs, Report, check_challenge

if TYPE_CHECKING:
    from kit.runs.worker import Worker

__all__ = ["Evaluation", "attack_sample", "evaluate", "evaluate_all"]


def evaluate(
    method: Identifier,
    challenge: Challenge,
    *,
    num_models: int = 1,
    num_originals: int = 1,
    seed: int = 0,
    num_retrained: int | None = None,
    fresh_oracle: bool = False,
    root: str | Path | None = None,
    engine: str | Engine | None = None,
    workers: int | None = None,
    **hyperparameters: Any,
) -> Report:
    """Runs and scores one method against retrained models (see `evaluate_all`).

    Args:
        method, challenge, num_models, num_originals, seed, num_retrained, fresh_oracle, root, engine, workers: as in
            `evaluate_all`.
        hyperparameters: of the method, over those that the challenge has for it: `evaluate("scrub", challenge,
            alpha=0.9)`.

    Returns:
        The method's `Report`.

    Raises:
        FailedRun: the method broke its contract, or damaged weights.
        InputError: as `evaluate_all`; or a hyper-parameter that a built-in method does not take.

    Example:
        >>> import kit
        >>> import numpy as np
        >>> rows = np.arange(240)
        >>> arrays = kit.Arrays(np.eye(3)[rows % 3], rows % 3)
        >>> challenge = kit.make_challenge("thirds", arrays, recipe=kit.Recipe(epochs=5))
        >>> evaluate("original", challenge).scores["retain_accuracy"].value
        1.0
    """
    check_challenge(challenge)
    request = Request(num_models, seed, None if root is None else Path(root))
    plan = Plan(request, num_retrained, fresh_oracle, engine, workers, num_originals)
    (entry,) = resolve_all([method])
    challenge = with_given(challenge, [entry], {entry.name: hyperparameters})
    evaluation = carry_out([entry], challenge, plan)
    return next(report for report in evaluation.reports if report.method == entry.name)


def evaluate_all(
    identifiers: Sequence[Identifier],
    challenge: Challenge,
    *,
    num_models: int = 1,
    num_originals: int = 1,
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
        num_originals: originals that each method is run from, `num_models` times from each: the challenge's own, and
            others that are trained like it with the next seeds. Standard errors then hold the luck of an original.
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

    Returns:
        An `Evaluation`; a notebook shows it as a table.

    Raises:
        FailedRun: damaged weights; or every method that was asked for broke its contract (the first of them). Where
            only some did, they are in `failures`.
        InputError: two different methods of one name; fewer than 3 retrained models; several originals of a challenge
            whose original is a file of weights.
    """
    check_challenge(challenge)
    request = Request(num_models, seed, None if root is None else Path(root), containment)
    plan = Plan(request, num_retrained, fresh_oracle, engine, workers, num_originals)
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

    Returns:
        Reports, outputs, and the failures of rows.
    """
    announce = announce or (lambda _: None)
    with_originals(challenge, plan.num_originals)
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
        table = functools.partial(ComparisonTable, rows, challenge, training, plan, announce=announce, worker=at_hand)
        try:
            parts.append(_guarded(table, training, [] if training else packed))
        except (FailedRun, InputError) as failure:
            if training == trainings[0]:
                raise
            announce(f"{training} FAILED")
            failures |= {entry.name: as_failed(failure) for entry in rows}
    return _joined(parts, failures)


def _guarded(table: Callable[[], ComparisonTable], training: str, packed: Sequence[Outputs]) -> Evaluation:
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
