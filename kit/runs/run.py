"""One run of a method: seeded, timed, from the original model and a state that earlier runs have not touched."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kit import methods
from kit.machine import yardstick
from kit.machine.cpu_seconds import Stopwatch
from kit.models.weights import same_weights
from kit.rules import RETRAIN
from kit.runs import pretraining
from kit.runs.choice import require_precision
from kit.runs.contained import Containment
from kit.runs.settings import hyperparameters, with_given
from kit.runs.worker import Training, Worker
from kit.submission import text_checks
from kit.submission.call import Call
from kit.submission.contained import Contained
from kit.submission.diagnosis import no_model
from kit.submission.entry import Entry, Identifier, resolve
from kit.submission.inside import probe
from kit.toolbox import blocks, checkpoints, costs, facts
from kit.toolbox.examples import Selection
from kit.toolbox.losses import TaskLoss
from kit.types import BrokenSubmission, Challenge, Cost, FailedRun, check_challenge
from kit.types.shown import html_table


@dataclass(frozen=True)
class Unlearned:
    """What `kit.unlearn` returns: a model, what the call has cost, and its seed.

    Args:
        net: the unlearned model, which returns logits.
        cost: of the call.
        seed: of the run.
        facts: name -> number, what the method reported beside its model.

    Example:
        >>> import kit
        >>> unlearned = kit.unlearn("original", kit.load_challenge(), seed=3)
        >>> unlearned.net.output_shape, unlearned.seed, unlearned.seconds >= 0
        ((None, 10), 3, True)
    """

    net: keras.Model
    cost: Cost
    seed: int
    facts: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Unlearned model '{self.net.name}', seed {self.seed}: {self.seconds:.3g} s>"

    def _repr_html_(self) -> str:
        """Returns what the call has cost, for a notebook."""
        costs = {"seconds by the clock": self.cost.seconds, "CPU seconds": self.cost.cpu_seconds}
        numbers = costs | {"passes": self.cost.passes} | dict(self.facts)
        rows = [(name, f"{value:.4g}") for name, value in numbers.items() if not math.isnan(value)]
        return html_table(f"Unlearned model '{self.net.name}', seed {self.seed}", rows)

    @property
    def seconds(self) -> float:
        """The duration of the call, by the clock."""
        return self.cost.seconds


def unlearn(
    method: Identifier,
    challenge: Challenge,
    *,
    seed: int = 0,
    worker: Worker | None = None,
    checkpoint: Path | None = None,
    **hyperparameters: Any,
) -> Unlearned:
    """Runs a method once and times the call.

    Args:
        method: a name, a function or a path. A name or a function is called in this process, a file in one of its own
            (`kit.submission.contained`).
        challenge: see `kit.load_challenge`.
        seed: the same seed gives the same weights on the same machine, to the bit.
        worker: models to reuse from run to run; by default new ones.
        checkpoint: file for the state of a long training, for methods with a parameter of that name; delete it once
            the result is stored. The seconds of interrupted runs are counted.
        hyperparameters: of the method, over those that the challenge has for it, as in `kit.evaluate`.

    Returns:
        `Unlearned`, with the model as `net`.

    Raises:
        FailedRun: the method raised an error, or did not return a `keras.Model` of finite weights.
        InputError: an unknown method, or a hyper-parameter that it does not take.

    Example:
        >>> import kit
        >>> unlearn("original", kit.load_challenge()).net.name
        'convnet'
    """
    check_challenge(challenge)
    entry = resolve(method)
    challenge = with_given(challenge, [entry], {entry.name: hyperparameters})
    require_precision(challenge, "serial")
    worker = Worker.for_entry(entry, challenge, worker)
    return run_once(entry, challenge, worker, seed=seed, checkpoint=checkpoint)


def run_once(
    entry: Entry, challenge: Challenge, worker: Worker, *, seed: int, checkpoint: Path | None = None
) -> Unlearned:
    """Runs a method that was resolved, with models that were made for it; arguments and errors as for `unlearn`."""
    if entry.source is None:
        return run_here(entry, challenge, worker, seed=seed, checkpoint=checkpoint)
    with weights_of_runs(entry, worker, None) as make:
        model = make(seed, None)
    net = worker.fresh_net(seed, reuse=False)
    net.set_weights(model.weights)
    return Unlearned(net, model.cost, seed)


def run_here(
    entry: Entry, challenge: Challenge, worker: Worker, *, seed: int, checkpoint: Path | None = None
) -> Unlearned:
    """Calls a built-in method or a user's function in this process; arguments and errors as for `unlearn`."""
    function = _function(entry, challenge, worker, seed)
    settings = hyperparameters(entry, challenge)
    parameters = inspect.signature(function).parameters
    if checkpoint is not None and "checkpoint" in parameters:
        settings["checkpoint"] = checkpoint
    if entry.built_in and "loss" in parameters:
        settings["loss"] = TaskLoss(challenge.task)
    fresh_net = functools.partial(worker.fresh_net, seed, reuse=entry.built_in)
    call = Call.prepare(
        seed,
        fresh_net,
        worker.selections,
        challenge.batch_size,
        keep_compiled=entry.built_in,
        handed=_handed(entry),
    )
    facts_of_run: Mapping[str, float] = {}
    try:
        with contextlib.ExitStack() as stack:
            if entry.pretraining and "folder" in parameters:
                settings["folder"] = stack.enter_context(pretraining.copy_of_state(worker.original))
            counted = entry.built_in and not (entry.name == RETRAIN and worker.training is not None)
            returned, cost = _costed(call, function, settings, counted=counted)
            facts_of_run = facts.read(settings["folder"]) if "folder" in settings else {}
    except FailedRun:  # of the state of a long training, or of a user's own one, which says more
        raise
    except Exception as error:  # a stranger's function can raise anything
        raise _failure(entry.name, error) from error
    if "checkpoint" in settings:
        earlier = checkpoints.earlier_seconds(settings["checkpoint"])
        # Of what interrupted runs took, the clock's seconds are kept; with one thread, the processor's are as many.
        cost = replace(cost, seconds=cost.seconds + earlier, cpu_seconds=cost.cpu_seconds + earlier)
    if not isinstance(returned, keras.Model):
        edited = not same_weights(call.net.get_weights(), worker.original.weights)
        raise BrokenSubmission("returns_model", no_model(entry.name, type(returned).__name__, net_edited=edited))
    if entry.built_in:
        worker.checked(returned.get_weights(), entry.name)  # a step too long ends in NaN, without a word
    else:
        reply = {"probe": probe(returned, call.validation)}
        worker.require_legal(returned.get_weights(), entry.name, reply)
    return Unlearned(returned, cost, seed, facts_of_run)


def _costed(
    call: Call, function: Callable[..., Any], settings: Mapping[str, Any], *, counted: bool
) -> tuple[Any, Cost]:
    """Makes a call; returns what it returned, and what it has cost.

    The passes of a method of the kit are counted where they are made, and what it has compiled and traced, once for
    many runs, is left out of its seconds. Of a user's function it is told beside them.
    """
    stopwatch, start, pace = Stopwatch(), 0.0, math.nan if counted else yardstick.seconds()

    def begin() -> None:
        nonlocal stopwatch, start
        stopwatch, start = Stopwatch(), time.perf_counter()

    with costs.counted() as counter:
        returned, traces = call.make(function, settings, begin)
        seconds, spent = time.perf_counter() - start, stopwatch.seconds()
    if not counted:
        pace = (pace + yardstick.seconds()) / 2
        return returned, Cost(seconds, spent, traces.seconds, traces.operations, yardstick=pace)
    return returned, Cost(seconds - counter.compiling, max(spent - traces.first_steps, 0.0), passes=counter.passes)


def _function(entry: Entry, challenge: Challenge, worker: Worker, seed: int) -> Callable[..., Any]:
    """Returns the function of a method; to retrain is to train as the original was."""
    if entry.built_in and entry.name == RETRAIN and entry.pretraining:
        return lambda _net, _retain, _forget, _validation: pretraining.retrain(
            challenge, entry.pretraining, seed, worker.base()
        )
    if entry == Entry(RETRAIN) and worker.training is not None:
        places = worker.selections["retain"].indices
        return functools.partial(_trained_by, worker.training, places, seed)
    return entry.load()


def _trained_by(training: Training, places: np.ndarray, seed: int, net: keras.Model, *_: Any, **__: Any) -> keras.Model:
    """Returns a network whose weights were drawn anew, and trained by a user's function: the contract of `retrain`."""
    net.set_weights(training(blocks.redrawn(net), places, seed))
    return net


def _handed(entry: Entry) -> Callable[[Selection, int, int | None], Any]:
    """Returns what makes a method's data sets: `tf.data` as the contract says, but for the kit's own, which need none.

    Beside Keras on JAX the methods of installed packages are handed what those of the kit are: many can be stacked.
    """
    if not entry.built_in:
        return Selection.tf_data
    return Selection.batches if entry.name in methods.built_in() else Selection.for_fit


def _failure(name: str, error: Exception) -> FailedRun:
    """Returns what to raise for an exception of a method's, with the line that its author can change."""
    callers = {__file__, inspect.getfile(Call)}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    inner = [frame for frame in frames if frame.filename not in callers]
    where = f"in {Path(inner[-1].filename).name}, line {inner[-1].lineno}," if inner else "when called,"
    reason = (str(error).strip().splitlines() or [""])[0]
    return FailedRun(
        f"'{name}' failed {where} with {type(error).__name__}: {reason}{'' if reason.endswith('.') else '.'} Expected "
        "unlearning(net, retain, forget, validation) to return the unlearned model. Fix the function; --debug shows "
        "the whole traceback."
    )


class Made(NamedTuple):
    """What a run has made: the model's weights, what the call has cost, and the method's facts."""

    weights: Sequence[np.ndarray]
    cost: Cost
    facts: Mapping[str, float]


# seed, file for the state of a long training
RunOnce = Callable[[int, Path | None], Made]


@contextlib.contextmanager
def weights_of_runs(entry: Entry, worker: Worker, containment: Containment | None) -> Iterator[RunOnce]:
    """Gives a function that runs a method with a seed and returns what it has made.

    Args:
        entry: the method.
        worker: made for it.
        containment: limits and sandbox of a file; by default `limits_for(challenge)`, and a sandbox where it works.
    """
    if entry.source is None:

        def in_process(seed: int, checkpoint: Path | None) -> Made:
            unlearned = run_here(entry, worker.challenge, worker, seed=seed, checkpoint=checkpoint)
            return Made(unlearned.net.get_weights(), unlearned.cost, unlearned.facts)

        yield in_process
        return
    source, containment = entry.source, (containment or Containment()).settled()
    text_checks.require(source)
    limits, inputs = containment.limits(worker.challenge), worker.inputs(entry)
    with Contained(source, inputs, limits, sandboxed=bool(containment.sandboxed)) as contained:

        def in_a_process_of_its_own(seed: int, _: Path | None) -> Made:
            returned = contained.run(seed)
            worker.require_legal(returned.weights, entry.name, returned.reply)
            return Made(returned.weights, returned.cost, {})

        yield in_a_process_of_its_own
