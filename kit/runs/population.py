"""Many runs of one method on any engine: each on disk as soon as it is finished, the same bits on all of them."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from kit import engines
from kit.engines import Engine
from kit.machine import accelerators
from kit.machine.bars import progress
from kit.machine.quiet import Sealed, run_sealed, run_sealed_together
from kit.runs import retrained
from kit.runs.choice import engine_for, preferred, require_precision, require_stackable
from kit.runs.contained import Containment
from kit.runs.order import Maker, Order, present_versions, with_measured_limits
from kit.runs.originals import Pretrained
from kit.runs.pretraining import original_of
from kit.runs.store import Run, Store, population_folder
from kit.submission.entry import Entry, Identifier, resolve
from kit.types import NUM_WITH_LOGITS, PARTS, Challenge, InputError, Outputs, check_challenge

if TYPE_CHECKING:
    from kit.runs.worker import Worker


@dataclass(frozen=True)
class Request:
    """What is asked of a population: how many models, which seed, where kept, how contained.

    Args:
        num_models: >= 1.
        seed: of the population.
        root: folder for finished runs, None to keep nothing.
        containment: limits and sandbox for a file.
        stored_retrained: take run 0 of `retrain` from where it is stored, if it is.
    """

    num_models: int
    seed: int = 0
    root: Path | None = None
    containment: Containment | None = None
    stored_retrained: bool = False


def at_hand(entry: Entry, worker: Worker | None) -> tuple[Callable[[], Worker] | None, Pretrained | None]:
    """Returns the models of this process for an engine to use, if a method can start from their original.

    Args:
        entry: the method.
        worker: the models of this process; None for none.

    Returns:
        A function that returns the worker, and its original; twice None where they do not fit.
    """
    if worker is None or worker.pretraining != entry.pretraining:
        return None, None
    return (lambda: worker), worker.original


@contextlib.contextmanager
def started(engine: str | Engine, workers: int | None) -> Iterator[Engine]:
    """Gives an engine for several populations, and ends it if it was started here.

    Args:
        engine: an engine, which is left running, or a name for `kit.engines.start`.
        workers: >= 1; None for the default of that engine.

    Returns:
        A context manager.
    """
    if isinstance(engine, Engine):
        yield engine
        return
    with engines.start(engine, workers=workers) as new:
        yield new


def run_population(
    method: Identifier,
    challenge: Challenge,
    *,
    num_models: int,
    seed: int = 0,
    root: str | Path | None = None,
    engine: str | Engine | None = None,
    workers: int | None = None,
    worker: Worker | None = None,
    containment: Containment | None = None,
    stored_retrained: bool = False,
) -> Outputs:
    """Runs a method `num_models` times with different seeds, each from the same original model.

    Args:
        method, challenge: as in `kit.unlearn`.
        num_models: >= 1.
        seed: of the population; run i has the seed `run_seed(seed, name, i)`.
        root: folder for finished runs, which are found there again: an interrupted population goes on where it
            stopped. Runs of a function are always made anew, because its source does not tell all that it depends on.
            By default nothing is stored.
        engine: `serial`, `processes`, `ray`, `stacked`, or one that `kit.engines.start` returned. By default processes
            where `workers` is given, and for 16 models or more of a name or a file; where JAX sees an accelerator,
            `stacked` for as many of a name. All but `stacked` make the same bits.
        workers: of `processes` and of a local `ray`; by default one a core.
        worker: models of this process, to reuse from population to population on the engine `serial`.
        containment: limits and sandbox for a file; by default `limits_for(challenge)`, and a sandbox where it works.
        stored_retrained: take run 0 of `retrain` from where it is stored (`kit.runs.retrained`), if it is.

    Returns:
        `Outputs` with `num_models` models.

    Raises:
        FailedRun: the method broke its contract, or a worker died again and again.
        InputError: a function that cannot be passed to another process; an unknown engine.

    Example:
        >>> import kit
        >>> run_population("original", kit.load_challenge(), num_models=2)
        <Outputs of original, 2 models: 1,132 retain, 126 forget, 269 validation, 270 test examples>
    """
    check_challenge(challenge)
    entry = resolve(method)
    require_stackable([entry], engine)
    request = Request(num_models, seed, None if root is None else Path(root), containment, stored_retrained)
    get_worker, original = at_hand(entry, worker)
    chosen = engine_for([entry], preferred(entry, engine, workers), workers, num_models)
    require_precision(challenge, chosen)
    with started(chosen, workers) as running:
        original = original or original_of(challenge, entry.pretraining)
        return run_entry(entry, challenge, original, request, running, get_worker=get_worker)


def run_entry(
    entry: Entry,
    challenge: Challenge,
    original: Pretrained,
    request: Request,
    engine: Engine,
    *,
    get_worker: Callable[[], Worker] | None = None,
) -> Outputs:
    """Makes the models of a request that are not there yet, and returns what all of them say.

    Args:
        entry, challenge: what to run on what.
        original: the weights that the method starts from.
        request: how many models, and where they are kept.
        engine: where they are made.
        get_worker: gives the models of this process, for the engine `serial`; called only if a model has to be made.

    Raises:
        FailedRun, InputError: as for `run_population`.
    """
    order = order_of(entry, challenge, original, request, engine)
    num_with_logits = NUM_WITH_LOGITS if challenge.task.keeps_logits else 0
    with contextlib.ExitStack() as stack:
        runs = {} if order.store is None else _finished(order.store, request.num_models, num_with_logits)
        if order.store is not None and len(runs) < request.num_models:
            stack.enter_context(order.store.alone(lambda: _say_that_it_waits(entry)))
            runs = _finished(order.store, request.num_models, num_with_logits)  # another process may have made them
        missing = [number for number in range(request.num_models) if number not in runs]
        if missing:
            _make(order, missing, runs, engine, get_worker)
    return outputs_of(entry.name, challenge, [runs[number] for number in range(request.num_models)])


def order_of(entry: Entry, challenge: Challenge, original: Pretrained, request: Request, engine: Engine) -> Order:
    """Returns what the processes that make a population are handed; arguments as for `run_entry`.

    Raises:
        InputError: the method keeps files, and the engine is on other machines.
    """
    if entry.pretraining and not engine.shares_disk:
        raise InputError(
            f"'{entry.pretraining}' keeps files from the training of the original, which other machines do not "
            "have. Expected an engine of this machine. Leave out --address, or use --engine processes."
        )
    store, containment = None, (request.containment or Containment())
    if entry.source is not None:
        containment = containment.settled()
    if request.root is not None and entry.function is None:
        folder = population_folder(request.root, entry, challenge, original)
        prefix = f"seed-{request.seed}"
        if entry.source is not None:  # the report says how its runs were made
            prefix += f"-{containment.level(entry)}"
        if request.stored_retrained:  # a file may give way to another one, in which other bits are
            prefix = f"stored-{retrained.digest(challenge)[:16]}"
        store = Store(folder, entry.name, f"{prefix}-stacked{accelerators.suffix()}" if engine.together else prefix)
    return Order(
        entry=entry,
        challenge=challenge,
        original=original,
        seed=request.seed,
        store=store,
        containment=containment,
        stored_retrained=request.stored_retrained,
        versions=present_versions(engine.backend),
        at_once=min(engine.workers, request.num_models) if engine.together else 1,
    )


def _say_that_it_waits(entry: Entry) -> None:
    tqdm.write(f"waiting for another process, which makes the same models of {entry.name}", file=sys.stderr)


def _finished(store: Store, num_models: int, num_with_logits: int) -> dict[int, Run]:
    runs = {number: store.read(number, with_logits=number < num_with_logits) for number in range(num_models)}
    return {number: run for number, run in runs.items() if run is not None}


def _make(
    order: Order,
    missing: Sequence[int],
    runs: dict[int, Run],
    engine: Engine,
    get_worker: Callable[[], Worker] | None,
) -> None:
    """Makes the missing runs on an engine and puts them beside those that there are."""
    here, store = engine.name == "serial", order.store
    order = with_measured_limits(order)
    if not engine.shares_disk:
        order = replace(order, store=None)
    maker = Maker(order, get_worker if here else None)
    function: Callable[[Any, Any], Any] = Maker.run
    payload: Maker | Sealed = maker
    if not here:
        function, payload = run_sealed_together if engine.together else run_sealed, Sealed.of(maker)
    total = len(missing) + len(runs)
    bar = progress(total=total, done=len(runs), label=order.entry.name, unit="model")
    with contextlib.closing(maker), bar, contextlib.closing(engine.map(function, payload, missing)) as finished:
        for number, run in finished:
            runs[number] = run
            if store is not None and not engine.shares_disk:
                store.write(number, run)
            bar.update()


def outputs_of(name: str, challenge: Challenge, runs: Sequence[Run]) -> Outputs:
    """Returns what the models of several runs say, in one object.

    Args:
        name: of the method.
        challenge: on which they ran.
        runs: one or more, in order.
    """
    outputs = Outputs.of_models(
        name,
        [run.outputs for run in runs],
        {part: challenge.strata(part) for part in PARTS},
        seconds=[run.cost.seconds for run in runs],
        seeds=[run.seed for run in runs],
    )
    facts = {name: np.array([run.facts.get(name, math.nan) for run in runs]) for name in runs[0].facts}
    return replace(outputs, costs=tuple(run.cost for run in runs), facts=facts)
