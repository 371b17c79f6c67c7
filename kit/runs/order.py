"""What the processes of a population are handed (`Order`), and what each of them builds from it (`Maker`)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kit.machine import environment, quiet
from kit.runs import retrained
from kit.runs.contained import Containment
from kit.runs.originals import Pretrained
from kit.runs.seeds import run_seed
from kit.runs.store import Run, Store
from kit.submission.entry import Entry
from kit.types import NUM_WITH_LOGITS, Challenge, Cost, FailedRun

if TYPE_CHECKING:
    from kit.runs.run import Made, RunOnce
    from kit.runs.together import Together
    from kit.runs.worker import Worker


def present_versions(backend: str | None = None) -> dict[str, str]:
    """Returns the versions of the kit's own code and of the libraries: others would make other models.

    Args:
        backend: of the processes where models are made; by default this one's.
    """
    return {"source": environment.source_sha256()[:12], **environment.versions(backend)}


@dataclass(frozen=True)
class Order:
    """All that the runs of one population need, handed to each process once.

    Args:
        entry: the method.
        challenge: what is unlearned from.
        original: the weights to start from, so that no other machine trains its own.
        seed: of the population.
        store: where finished runs are written by the process that made them; None where nothing is kept, or where the
            process has another machine's disk.
        containment: of a file; limits were measured where the order was given.
        stored_retrained: whether run 0 of `retrain` is taken from where it is stored, if it is.
        versions: see `present_versions`.
        at_once: models that are computed together, on an engine that does so.
    """

    entry: Entry
    challenge: Challenge
    original: Pretrained
    seed: int
    store: Store | None
    containment: Containment | None
    stored_retrained: bool
    versions: dict[str, str]
    at_once: int = 1

    def seed_of(self, number: int) -> int:
        """Returns the seed of a run.

        Args:
            number: of the run, from 0.
        """
        return run_seed(self.seed, self.entry.name, number)


def with_measured_limits(order: Order) -> Order:
    """Returns the order with the limits that a file has on this machine, to be kept on all machines.

    Args:
        order: left as it is; one for a built-in method is returned itself.
    """
    if order.entry.source is None:
        return order
    containment = (order.containment or Containment()).settled()
    limits = containment.limits(order.challenge)
    return replace(order, containment=Containment(limits.seconds, limits.memory_bytes, containment.sandboxed))


class Maker:
    """Makes the runs of an order, one after another, with models that are built at the first.

    It can be handed to another process before that.
    """

    def __init__(self, order: Order, get_worker: Callable[[], Worker] | None = None) -> None:
        """Takes a function that gives the models of this process, where several orders share them."""
        self._order, self._get_worker = order, get_worker
        self._worker: Worker | None = None
        self._stack: contextlib.ExitStack | None = None
        self._run_once: RunOnce | None = None
        self._together: Together | None = None

    def make(self, number: int) -> Made:
        """Makes one model.

        Args:
            number: of the run, from 0.

        Returns:
            Weights, cost, seed and facts; a stored retrained model where the order allows it.
        """
        order = self._order
        worker, run_once = self._prepared()
        # In lockstep all epochs are one call: there is no state in between to keep, and to hash all data for it.
        store = order.store if self._together is None else None
        checkpoint = None if store is None else store.checkpoint(number)
        model = self._stored(number, worker) or run_once(order.seed_of(number), checkpoint)
        return model if self._together is None else model._replace(cost=model.cost.shared(self._together.sharing))

    def run(self, number: int) -> Run:
        """Makes one model, computes what it says of each example, and stores that.

        Args:
            number: of the run, from 0.

        Returns:
            What was stored.
        """
        run = self._fresh(number)
        self._keep(number, run)
        return run

    def _fresh(self, number: int) -> Run:
        order, model = self._order, self.make(number)
        worker, _ = self._prepared()
        outputs = worker.outputs(model.weights, order.entry.name)
        if number >= NUM_WITH_LOGITS:
            outputs = replace(outputs, logits={})
        return Run(outputs, model.cost, order.seed_of(number), model.facts)

    def _keep(self, number: int, run: Run) -> None:
        if self._order.store is not None:
            self._order.store.write(number, run)

    def run_together(self, numbers: Sequence[int]) -> list[Run]:
        """As `run`, for several models at once, in lockstep; see `kit.runs.together`.

        Args:
            numbers: of the runs.

        Returns:
            A result for each, in their order.
        """
        return self._lockstep().run(self._fresh, numbers, self._keep)

    def make_together(self, numbers: Sequence[int]) -> list[Made]:
        """As `make`, for several models at once, in lockstep.

        Args:
            numbers: of the runs.

        Returns:
            A model for each, in their order.
        """
        return self._lockstep().run(self.make, numbers)

    def _lockstep(self) -> Together:
        from kit.runs.together import Together

        worker, _ = self._prepared()
        self._together = self._together or Together(worker, self._order.at_once)
        return self._together

    def _prepared(self) -> tuple[Worker, RunOnce]:
        if self._worker is not None and self._run_once is not None:
            return self._worker, self._run_once
        _check_versions(self._order.versions)
        quiet.load_tensorflow()
        from kit.runs.run import weights_of_runs
        from kit.runs.worker import Worker
        from kit.toolbox import setup

        order = self._order
        if self._get_worker is None:
            self._worker = Worker(order.challenge, order.original, pretraining=order.entry.pretraining)
        else:
            self._worker = self._get_worker()
            self._worker.challenge = order.challenge
        setup.warm_up()
        self._stack = contextlib.ExitStack()
        self._run_once = self._stack.enter_context(weights_of_runs(order.entry, self._worker, order.containment))
        return self._worker, self._run_once

    def _stored(self, number: int, worker: Worker) -> Made | None:
        """Returns a stored retrained model; how long it took to make is not known here."""
        from kit.runs.run import Made

        order = self._order
        if not order.stored_retrained or not retrained.is_run(order.entry, order.seed, number):
            return None
        stored = retrained.load(order.challenge)
        if stored is None:
            return None
        worker.require_fitting(stored)
        return Made(stored.weights, Cost(math.nan), {})

    def close(self) -> None:
        """Ends the processes of contained runs."""
        if self._stack is not None:
            self._stack.close()
        self._run_once = None


def _check_versions(expected: dict[str, str]) -> None:
    present = present_versions()
    if present != expected:
        other = ", ".join(f"{name} {present.get(name)} instead of {version}" for name, version in expected.items())
        raise FailedRun(
            f"A worker process has another kit or other libraries than this command ({other}). Expected the same "
            "everywhere, because other versions make other models. Run the command again if the kit's files were "
            "changed meanwhile, or install the same versions on every machine."
        )
