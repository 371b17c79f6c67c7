"""Models to hold the unlearned one against: trained by the recipe without the records, and with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kit.engines import Serial
from kit.requests.findings import Observations
from kit.rules import RETRAIN
from kit.runs import population
from kit.runs.population import Request
from kit.runs.worker import Worker
from kit.submission.entry import Entry
from kit.types import ModelOutputs, Outputs, Split

FEWEST = 3


def models(entry: Entry, worker: Worker, request: Request) -> Outputs:
    """Returns what a method's models say that are made on a worker's challenge; no file is written.

    Args:
        entry: the method.
        worker: made for it.
        request: how many, from which seed.
    """
    return population.run_entry(entry, worker.challenge, worker.original, request, Serial(), get_worker=lambda: worker)


def learnt(worker: Worker, request: Request) -> Observations:
    """Returns what models say that were trained by the recipe with the records, as the original was.

    They are retrained without a single other example, whose part in anything is far below the noise: what retrains and
    stores is then the same.

    Args:
        worker: of the request.
        request: how many, from which seed.
    """
    challenge = worker.challenge
    example, rest = challenge.split.retain[:1], challenge.split.retain[1:]
    split = Split("one example", 0, forget=example, retain=np.concatenate([rest, challenge.split.forget]))
    changed = replace(challenge, split=split)
    with_one = Worker(changed, worker.original, like=worker, training=worker.training)
    outputs = models(Entry(RETRAIN), with_one, request)
    records = outputs.confidences["retain"][:, len(rest) :].copy()  # behind the others, which need not stay in memory
    return Observations(records, outputs.correct["test"])


def observe(outputs: Outputs | ModelOutputs) -> Observations:
    """Returns what findings look at, of one model or of many.

    Args:
        outputs: of one model or of n.

    Returns:
        Confidence on the forget set, (n, forget), and whether each test example is right, (n, test).
    """
    statistic, correct = outputs.confidences["forget"], outputs.correct["test"]
    return Observations(np.atleast_2d(statistic), np.atleast_2d(correct))
