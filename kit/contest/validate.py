"""The validator: named checks of a submission, from its text to what contained runs of it show.

The public name is `kit.checks`; `kit.validate` is the function that most need.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kit import challenges
from kit.contest import budget_check, run_checks
from kit.contest.budget_check import reduced
from kit.machine import environment
from kit.models.weights import same_weights
from kit.rules import MAX_OUTPUT, TIME_BUDGET, TIMING_NOISE, VALIDATION_RETRAININGS, VALIDATION_SECONDS
from kit.runs import timing
from kit.runs.seeds import run_seed
from kit.runs.worker import Worker
from kit.submission import backends, reaching, sandbox, text_checks
from kit.submission.answers import Returned
from kit.submission.contained import Contained, Limits, default_memory_bytes
from kit.submission.entry import Entry, Identifier, resolve
from kit.submission.inside import PROBED
from kit.submission.returned import outputs_problem
from kit.submission.source import Source
from kit.toolbox.inference import predict_logits
from kit.types import BrokenSubmission, Challenge, Cost, InputError, Problem

CHECKS = {
    "parses": "the file is Python",
    "defines_unlearning": "a function 'unlearning' stands at the top level",
    "signature": "its parameters are net, retain, forget, validation; further ones keyword-only with defaults",
    "evaluation_data": "it does not reach for test data or retrained models",
    "backend": "it runs on the backend that Keras has here",
    "imports": "importing it works and is quick",
    "import_side_effects": "importing it changes nothing and prints nothing",
    "runs": "the call neither raises an error nor ends the process",
    "returns_model": "it returns a keras.Model",
    "architecture": "in the architecture of 'net', its weights give the same outputs",
    "weights": "all weights are finite and of the right dtype",
    "logits": "logits are finite for a full, a short and a single-example batch",
    "changes_weights": "the weights are not those of the original",
    "seeds_differ": "two seeds give two models",
    "repeatable": "the same seed gives the same model",
    "data_unaltered": "the data sets are as they were",
    "above_chance": "retain accuracy is above chance",
    "memory": "it stays within the memory limit",
    "time_budget": f"it takes at most {TIME_BUDGET} of a retraining",
    "output": "it prints little",
    "leaves_nothing": "no process, thread or file is left behind",
}

# What a failure shows to be in order: a model with bad weights was returned by a call that ran.
_SHOWN_BY = {
    "returns_model": ("runs",),
    "weights": ("runs", "returns_model"),
    "architecture": ("runs", "returns_model"),
}

Status = Literal["PASS", "WARN", "FAIL", "SKIP"]


@dataclass(frozen=True)
class Checked:
    """The outcome of one check.

    Args:
        name: of the check, a key of `CHECKS`.
        status: `PASS`, `WARN`, `FAIL`, or `SKIP` where an earlier failure left nothing to check.
        message: a paragraph for the author of the submission; empty where the check passed and nothing is to be said.
    """

    name: str
    status: Status
    message: str


class _Findings:
    """Collects outcomes, and gives one for every check in the end."""

    def __init__(self, announce: Callable[[Checked], None] | None) -> None:
        self._outcomes: dict[str, Checked] = {}
        self._announce = announce or (lambda _: None)

    def add(self, name: str, problem: str = "", *, level: Status = "FAIL", fact: str = "") -> bool:
        """Records a problem, or that there is none; returns whether the check passed."""
        if name not in self._outcomes:
            self._outcomes[name] = Checked(name, level if problem else "PASS", problem or fact or CHECKS[name])
            self._announce(self._outcomes[name])
        return not problem

    def fail(self, name: str, problem: str) -> None:
        """Records what ended the examination, even where an earlier run had passed this check."""
        self._outcomes.pop(name, None)
        self.add(name, problem)

    def finish(self) -> list[Checked]:
        """Returns one outcome for each check, in their order."""
        for name in CHECKS:
            if name not in self._outcomes:
                self._outcomes[name] = Checked(name, "SKIP", "not reached")
                self._announce(self._outcomes[name])
        return [self._outcomes[name] for name in CHECKS]


def validate(method: Identifier, *, challenge: str | Challenge = "noisy-digits") -> list[Problem]:
    """Checks a submission as `kit validate` does, in processes of its own, within bounded time.

    Args:
        method: a function (one that is defined in a notebook too), the path of a file, or a built-in name.
        challenge: a name, the path of an `.npz` file, or a `Challenge`.

    Returns:
        What stands in the way (`FAIL`) or deserves a look (`WARN`); an empty list means ready.

    Example:
        >>> validate(lambda net, retain, forget: net)[0].check
        'signature'
    """
    loaded = challenges.load_challenge(challenge) if isinstance(challenge, str | Path) else challenge
    return problems(examine(method, loaded))


def problems(checked: Sequence[Checked]) -> list[Problem]:
    """Returns the outcomes that are problems: warnings and failures, in their order.

    Args:
        checked: what `examine` returned.

    Example:
        >>> problems([Checked("parses", "PASS", ""), Checked("signature", "FAIL", "It takes two arguments.")])
        [Problem(check='signature', level='FAIL', message='It takes two arguments.')]
    """
    return [Problem(check.name, check.status, check.message) for check in checked if check.status in ("WARN", "FAIL")]


def examine(
    method: Identifier,
    challenge: Challenge,
    *,
    sandboxed: bool | None = None,
    limits: Limits | None = None,
    announce: Callable[[Checked], None] | None = None,
) -> list[Checked]:
    """Returns the outcome of every check, in the order of `CHECKS`.

    Args:
        method, challenge: as in `validate`.
        sandboxed: run in bubblewrap; by default, if that works here.
        limits: of each call; by default two retrainings (20 s at least) and half of the memory.
        announce: is told each outcome as soon as it is known.
    """
    findings, entry = _Findings(announce), resolve(method)
    try:
        if _check_text(findings, entry):
            worker = Worker(challenge)
            if limits is None:
                limits = Limits(time_limit(timing.reference(challenge).seconds), default_memory_bytes())
            sandboxed = not sandbox.sandbox_problem() if sandboxed is None else sandboxed
            _Examination(findings, entry.as_source(), worker, limits, sandboxed).run()
    except BrokenSubmission as broken:
        for earlier in _SHOWN_BY.get(broken.check, ()):
            findings.add(earlier)
        findings.fail(broken.check, str(broken))
    except InputError as error:
        if entry.function is None:
            raise
        findings.add("imports", str(error))
    return findings.finish()


def time_limit(reference_seconds: float) -> float:
    """Returns the seconds after which a call is ended by default: two retrainings in plain Keras, 20 s at least.

    Example:
        >>> time_limit(3.0)
        20.0
    """
    return max(VALIDATION_SECONDS, VALIDATION_RETRAININGS * reference_seconds)


def _check_text(findings: _Findings, entry: Entry) -> bool:
    if entry.function is None:
        source = entry.as_source()
        text = text_checks.text_of(source)
        assert text is not None
        unreadable = text_checks.encoding_problem(source.files[source.entry])
        if not findings.add("parses", unreadable or text_checks.parse_problem(text)):
            return False
        if not findings.add("defines_unlearning", text_checks.definition_problem(text)):
            return False
        if not findings.add("signature", text_checks.signature_problem(text)):
            return False
    else:
        text = text_checks.text_of(entry.function)
        findings.add("parses", fact="it is a function of this session")
        findings.add("defines_unlearning", fact="it is a function of this session")
        if not findings.add("signature", text_checks.signature_problem(entry.function)):
            return False
    if entry.function is None:
        reaches = reaching.reaching_problem(source)
    else:
        reaches = reaching.evaluation_data_problem(text) if text and not text_checks.parse_problem(text) else ""
    findings.add("evaluation_data", reaches, level="WARN")
    if entry.function is None:
        bound = backends.binding_of(source)
    else:
        bound = backends.binding(text) if text and not text_checks.parse_problem(text) else None
    here = environment.backend()
    fact = bound.fact if bound else "plain Keras: it runs on each"
    findings.add("backend", backends.backend_problem(bound, here), level="WARN", fact=fact)
    return True


class _Examination:
    """The checks that need the submission to run: for two seeds, then for the second again."""

    def __init__(self, findings: _Findings, source: Source, worker: Worker, limits: Limits, sandboxed: bool) -> None:
        self.add, self.source, self.name, self.worker = findings.add, source, source.name, worker
        self.limits, self.sandboxed = limits, sandboxed
        self.whole = worker.inputs(Entry(source.name, source=source))
        self.inputs = reduced(self.whole, budget_check.MAX_EXAMPLES)

    def start(self, num_retain: int) -> Contained:
        return Contained(self.source, reduced(self.whole, num_retain), self.limits, sandboxed=self.sandboxed)

    def run(self) -> None:
        # As a population has them: a submission cannot tell that it is examined.
        entropy = secrets.randbits(64)
        seed, other_seed = (run_seed(entropy, self.name, number) for number in range(2))
        contained = self.start(budget_check.MAX_EXAMPLES)
        try:
            with contained:
                try:
                    returned = contained.run(seed)
                finally:
                    self._check_import(contained)
                self._check_model(returned)
                other, again = contained.run(other_seed), contained.run(other_seed)
        finally:  # what it printed is known, whatever became of the run
            imported = contained.imported
            printed = contained.output_bytes - (0 if imported is None else imported.printed)
            level: Status = "FAIL" if printed > MAX_OUTPUT else "WARN"
            self.add("output", run_checks.output_problem(self.name, printed), level=level, fact=f"{printed:,} bytes")
        runs = [returned, other, again]
        replies, outlived = [run.reply for run in runs], sum(run.outlived for run in runs)
        self.add("leaves_nothing", run_checks.left_behind_problem(self.name, outlived, replies))
        self.add("data_unaltered", run_checks.altered_problem(self.name, replies))
        self.add("memory", fact=f"at most {contained.outcome.get('peak_memory', 0) / 2**30:.1f} GiB in use")
        self._check_seeds(returned, other, again)
        self._check_time([run.cost for run in runs])

    def _check_import(self, contained: Contained) -> None:
        entry, imported = self.source.entry, contained.imported
        if imported is None:
            return
        slow = run_checks.import_problem(entry, imported.seconds)
        self.add("imports", slow, level="WARN", fact=f"in {imported.seconds:.1f} s")
        changes = run_checks.side_effects_problem(entry, imported.changed, imported.printed)
        self.add("import_side_effects", changes, level="WARN")

    def _check_model(self, returned: Returned) -> None:
        """Looks at the model of the first run, whose weights have the right shapes and are finite."""
        for name in ("runs", "returns_model", "weights"):
            self.add(name)
        arrays, net, task = self.inputs.arrays, self.worker.net_with(returned.weights), self.worker.challenge.task
        probed = predict_logits(net, arrays["validation_x"][:PROBED])
        sound = self.add("architecture", outputs_problem(self.name, returned.reply, probed))
        x, y = arrays["retain_x"], arrays["retain_y"]
        sizes = sorted({1, min(3, len(x)), min(self.inputs.batch_size, len(x))})
        self.add("logits", run_checks.logits_problem([predict_logits(net, x[:size]) for size in sizes]))
        unchanged = run_checks.unchanged_problem(self.name, returned.weights, self.worker.original.weights)
        self.add("changes_weights", unchanged, level="WARN")
        if sound:
            accuracy = float(task.correct(predict_logits(net, x), y).mean())
            problem = run_checks.chance_problem(accuracy, task, y)
            self.add("above_chance", problem, fact=f"retain accuracy {accuracy:.3f}")

    def _check_seeds(self, returned: Returned, other: Returned, again: Returned) -> None:
        same = same_weights
        if not same(returned.weights, self.worker.original.weights):
            alike = same(returned.weights, other.weights)
            self.add("seeds_differ", run_checks.same_for_two_seeds_problem(self.name) if alike else "", level="WARN")
        problem = "" if same(other.weights, again.weights) else run_checks.not_repeatable_problem(self.name)
        self.add("repeatable", problem, level="WARN")

    def _check_time(self, costs: Sequence[Cost]) -> None:
        challenge = self.worker.challenge
        ratio, fact = budget_check.call_ratio(
            challenge.name, costs, self.start, self.whole, timing.reference(challenge)
        )
        level: Status = "FAIL" if ratio > TIME_BUDGET * TIMING_NOISE else "WARN"
        self.add("time_budget", run_checks.time_problem(fact, ratio), level=level, fact=fact)
