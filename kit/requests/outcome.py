"""A request carried out: the method chosen, the model unlearned, and what a comparison with retraining says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kit import evaluation
from kit.evaluation import Evaluation
from kit.evaluation.plan import Plan
from kit.models import user
from kit.requests import delivery, findings, output_harm, references, rehearsal, slices
from kit.requests.findings import Findings, Groups, Observations
from kit.requests.references import FEWEST
from kit.requests.rehearsal import Choice
from kit.requests.request import DeletionRequest
from kit.rules import LANDMARKS, ORIGINAL, RETRAIN
from kit.runs import population, run
from kit.runs.population import Request
from kit.runs.seeds import run_seed
from kit.runs.store import Run
from kit.runs.worker import Worker
from kit.storage import files
from kit.storage.digests import digest_of
from kit.submission.entry import Entry, Identifier, resolve
from kit.tasks import CLASSIFICATION, Joint
from kit.types import Challenge, FailedRun, InputError, ModelOutputs

AUTO = "auto"
# Standard errors by which a model has to know more than chance.
_CLEARLY = 2.0


@dataclass(frozen=True)
class Effort:
    """How much is computed for a request.

    Args:
        retrained: models that are trained without the records, and as many with them: the reference; 3 or more.
        rehearsal: how methods are tried where none is named.
        seed: of all draws and runs.
        root: folder where what finished models say is kept, so that the same request goes on there after an
            interruption (`kept_at`); None for nowhere.

    Raises:
        InputError: fewer retrained models.
    """

    retrained: int = 8
    rehearsal: rehearsal.Plan = field(default_factory=rehearsal.Plan)
    seed: int = 0
    root: Path | None = None

    def __post_init__(self) -> None:
        if self.retrained < FEWEST:
            raise InputError(
                f"{self.retrained} retrained models are too few to show how much such models differ by chance. "
                f"Expected {FEWEST} or more; with 8, intervals are narrower. Raise --retrained (Effort(retrained=...) "
                "in Python)."
            )


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Args:
        model: the user's model, unlearned: the same class, layers, names and compile settings. Of a file, compile
            settings are never looked at; `kit unlearn` copies them into the file that it writes.
        method: that was used.
        choice: why, where it was not named.
        findings: what the comparison with retrained models says.
        evaluation: the kit's own reports: of the original, the unlearned and the retrained models.
        request: what was asked for.
        seed: of the method's run.
    """

    model: keras.Model
    method: str
    choice: Choice
    findings: Findings
    evaluation: Evaluation
    request: DeletionRequest
    seed: int

    @property
    def verdict(self) -> str:
        """One of `kit.requests.findings.Verdict`."""
        return self.findings.verdict


def kept_at(request: DeletionRequest) -> Path | None:
    """Returns the folder in the kit's cache for what this request's models say, until its model is delivered.

    None where a function of this process trains them, whose source does not tell all that it depends on.

    Args:
        request: whose model, data, records and training name the folder.
    """
    training = request.training
    if training is not None and not training.sha256:
        return None
    described = training.described if training is not None else {}
    parts = [request.model_sha256, request.data_sha256, [int(row) for row in request.rows], described]
    return files.cache_folder() / "requests" / digest_of(parts)[:24]


def carry_out(
    request: DeletionRequest,
    method: Identifier = AUTO,
    effort: Effort = Effort(),
    *,
    candidates: Sequence[Identifier] | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Carries a request out; arguments and errors as for `kit.unlearn_model`."""
    entries = None if candidates is None else [_usable(resolve(candidate)) for candidate in candidates]
    named = None if method == AUTO else _usable(resolve(method))
    challenge, own = request.challenge, request.own
    delivered = delivery.copy_of(request.net, request.data, own)
    # Before hours are spent on what could not be delivered.
    user.put_back(delivered, challenge.original or (), request.data, own or user.Own())
    if request.changed_outputs:
        announce(f"NOTE: other outputs change too, and are not looked at: {', '.join(request.changed_outputs)}")
    worker = Worker(challenge, training=request.training)
    original = worker.outputs(worker.original.weights, ORIGINAL)
    _require_knowledge(original, challenge)
    groups = slices.groups_of(challenge, request.slices)
    learnt = _learnt(worker, references.observe(original), groups, effort, announce)
    if named is None:
        plan = replace(effort.rehearsal, seed=run_seed(effort.seed, "rehearsals", 0), root=effort.root)
        choice = rehearsal.choose(worker, entries, plan, announce)
        named = next((entry for entry in entries or () if entry.name == choice.method), Entry(choice.method))
        named, choice, unlearned = _unlearned_or_retrained(worker, named, choice, effort, announce)
    else:
        choice, unlearned = Choice(named.name, "It was asked for."), _unlearned(worker, named, effort, announce)
    results, reports = _compared(
        worker, named.name, unlearned.run, learnt, groups=groups, effort=effort, announce=announce
    )
    user.put_back(delivered, unlearned.weights, request.data, own or user.Own())
    return Outcome(delivered, named.name, choice, results, reports, request, unlearned.run.seed)


class _Unlearned(NamedTuple):
    """The weights that a method has made, and what a model with them says."""

    weights: Sequence[np.ndarray]
    run: Run


def _unlearned(worker: Worker, entry: Entry, effort: Effort, announce: Callable[[str], None]) -> _Unlearned:
    challenge = worker.challenge
    announce(f"unlearning {len(challenge.split.forget):,} records by {entry.name}")
    seed = run_seed(effort.seed, entry.name, 0)
    unlearned = run.run_once(entry, challenge, worker, seed=seed)
    weights = worker.checked([np.array(array) for array in unlearned.net.get_weights()], entry.name)
    return _Unlearned(weights, Run(worker.outputs(weights, entry.name), unlearned.cost, seed))


def _unlearned_or_retrained(
    worker: Worker, entry: Entry, choice: Choice, effort: Effort, announce: Callable[[str], None]
) -> tuple[Entry, Choice, _Unlearned]:
    """Unlearns by the method that was chosen, or by retraining where it fails on the records."""
    try:
        return entry, choice, _unlearned(worker, entry, effort, announce)
    except FailedRun as failure:
        if entry.name == RETRAIN:
            raise
        announce(f"{entry.name} FAILED")
        reason = f"{choice.reason} On the records it failed, and retraining is exact."
        failures = {**choice.failures, entry.name: str(failure)}
        choice = replace(choice, method=RETRAIN, reason=reason, failures=failures)
        return Entry(RETRAIN), choice, _unlearned(worker, Entry(RETRAIN), effort, announce)


def _learnt(
    worker: Worker, original: Observations, groups: Groups, effort: Effort, announce: Callable[[str], None]
) -> Observations:
    """Returns what models say that were trained by the recipe as the original was; tells at once if it was not so."""
    announce(f"training as your model was, with the records: {effort.retrained} models")
    learnt = references.learnt(worker, Request(effort.retrained, run_seed(effort.seed, "learnt", 0), effort.root))
    parts = findings.reproduction(original, learnt, groups)
    off = [f"{name} {part.value:+.3f}" for name, part in parts.items() if not part.inside]
    if off:
        announce(
            f"NOTE: your model differs from models that are trained by the recipe ({', '.join(off)}), so that nothing "
            "can be said for sure of what it forgets. Say by a recipe how it was trained"
        )
    return learnt


def _compared(
    worker: Worker,
    name: str,
    delivered: Run,
    learnt: Observations,
    *,
    groups: Groups,
    effort: Effort,
    announce: Callable[[str], None],
) -> tuple[Findings, Evaluation]:
    """Returns what a comparison with models that were trained by the recipe says, without the records and with them."""
    challenge = worker.challenge
    row = f"{name} (delivered)" if name in LANDMARKS else name
    outputs = population.outputs_of(row, challenge, [delivered])
    plan = Plan(Request(1, run_seed(effort.seed, "reference", 0), effort.root), num_retrained=effort.retrained)
    reports = evaluation.carry_out([], challenge, plan, packed=[outputs], worker=worker, announce=announce)
    original, unlearned, retrained = (
        references.observe(each) for each in (reports.outputs[ORIGINAL], outputs, reports.outputs[RETRAIN])
    )
    results = findings.findings(original, unlearned, retrained=retrained, learnt=learnt, groups=groups)
    if isinstance(challenge.task, Joint):
        sides = (each.by_output for each in (reports.outputs[ORIGINAL], outputs, reports.outputs[RETRAIN]))
        of_outputs = output_harm.harm_of_outputs(*sides, task=challenge.task, y=challenge.labels("test"))
        results = replace(results, outputs=of_outputs)
    return results, reports


def _usable(entry: Entry) -> Entry:
    """Checks that a method can start from a model that it has not trained itself.

    Raises:
        InputError: it cannot, or does nothing.
    """
    if entry.pretraining or entry == Entry(ORIGINAL):
        why = "does nothing" if entry.name == ORIGINAL else "trains the original model in a way of its own"
        raise InputError(
            f"The method '{entry.name}' {why}, and cannot unlearn from yours. Expected a method that starts from a "
            "finished model, such as 'finetune', or 'retrain'. Choose another one, or 'auto'."
        )
    return entry


def _require_knowledge(original: ModelOutputs, challenge: Challenge) -> None:
    """Checks that the original has learnt from these data at all.

    Raises:
        InputError: it is no better on them than chance.
    """
    right, strata = original.correct["retain"], challenge.strata("retain")
    least = challenge.task.constant_accuracy(challenge.labels("retain"))
    score, stderr = float(right.mean()), 0.0
    if (
        challenge.task.name == CLASSIFICATION.name
    ):  # of unequal classes a constant answer may be right more often than a good model
        groups = [right[strata == stratum] for stratum in np.unique(strata)]
        recalls = np.array([group.mean() for group in groups])
        score, least = float(recalls.mean()), 1 / len(groups)
        variances = recalls * (1 - recalls) / np.array([len(group) for group in groups])
        stderr = float(np.sqrt(variances.sum())) / len(groups)
    if score <= least + _CLEARLY * stderr:
        raise InputError(
            f"The model '{challenge.model}' is no better than chance on these data: it gets {right.mean():.1%} of the "
            "examples right that 'partition' marks as its training examples. Expected the data that the model was "
            "trained on. Check that data and model belong together, that 'x' is scaled as the model expects it, and "
            "that the labels are in its order."
        )
