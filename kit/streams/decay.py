"""What a model loses as its data are forgotten, record by record: trained again without the first so many."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kit.proofs.trainings import Plain
from kit.runs import originals
from kit.streams.measuring import measured
from kit.types import Challenge, InputError


@dataclass(frozen=True)
class Point:
    """A model without so many records.

    Args:
        forgotten: how many.
        accuracy, stderr: on test examples, and its binomial standard error.
        cpu_seconds: of its training, by this process; the first one's include compiling.
    """

    forgotten: int
    accuracy: float
    stderr: float
    cpu_seconds: float


def counts_of(total: int, points: int, available: int) -> list[int]:
    """Returns after how many forgotten records a model is trained: so many points, evenly, the last after all.

    Args:
        total: records that are forgotten, 0 or more.
        points: 1 or more.
        available: records that the challenge has.

    Raises:
        InputError: more are forgotten than there are.

    Example:
        >>> counts_of(100, 5, available=1_000)
        [0, 25, 50, 75, 100]
    """
    if total >= available:
        raise InputError(
            f"{total:,} records are forgotten in the simulation, of {available:,} that the challenge has. Expected "
            "fewer. Simulate fewer days or requests, or take a larger challenge."
        )
    return sorted({round(total * number / max(1, points - 1)) for number in range(points)})


def points(
    challenge: Challenge,
    counts: Sequence[int],
    seed: int,
    bar: Callable[[Sequence[int]], Sequence[int]] = lambda counts: counts,
) -> Iterator[Point]:
    """Yields a model for each count, trained as the challenge's original, without the first so many records.

    Args:
        challenge: its data and recipe.
        counts: of forgotten records.
        seed: of the order in which records are forgotten, and of the trainings.
        bar: shows how far it is.
    """
    order = np.random.default_rng(seed).permutation(len(challenge.train))
    net = originals.build(challenge)
    for count in bar(counts):
        records = challenge.train.take(np.sort(order[count:]))
        before = sum(os.times()[:2])
        trained = Plain(challenge, records, seed, {"every": challenge.recipe.epochs}).train().trained
        seconds = sum(os.times()[:2]) - before
        net.set_weights(trained.weights)
        accuracy = measured(net, challenge, order[:1])["test"]["accuracy"]
        stderr = math.sqrt(accuracy * (1 - accuracy) / len(challenge.test))
        yield Point(count, accuracy, stderr, seconds)
