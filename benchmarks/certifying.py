"""What certifying costs: seconds of a training that is certified, and of checking it, over those of the training.

    python -m benchmarks.certifying [--rounds 41] [--challenge noisy-digits] [--method retrain] [--every EPOCHS]
        [--epochs N] [--shard]

The same training alone and certified (commitment, nonce, states, signatures, files), one after the other, which of the
two comes first in turns, in one process in which all is compiled; in every fourth round a deletion, and a check at each
level, too. Shown are medians. What certifying costs is the median over the pairs, with the interval of 95 % that order
statistics give: of CPU seconds, of wall seconds, and of CPU seconds without the compiled steps, which are the same in
both, to the bit, and whose time varies by more than what is looked for. The last is of the pairs
that call them equally often, and left out where these are few, for then to come out of them is a part of the price.
Ends with 1 where the last one that is shown is over 5 %.

With `--epochs`, a recipe of so many. With `--shard`, what level 2 takes for one shard of SISA, over its training.
"""

import argparse
import contextlib
import functools
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
from scipy.stats import binom

import kit  # first: it asks TensorFlow for one thread
from kit.methods import sisa
from kit.proofs import classes, signatures, trainings
from kit.proofs.certify import Order, begin, delete
from kit.proofs.segments import check_segments
from kit.proofs.verify import Draw, Verification
from kit.runs import originals, pretraining, process
from kit.toolbox import blocks, examples, seeding, training
from kit.toolbox.losses import TaskLoss

MOST = 0.05


def alone(challenge: kit.Challenge, method: str, folder: Path) -> None:
    """Trains as the certified training does, and keeps nothing."""
    if method == classes.SISA:
        sisa.pretraining(challenge, 0, folder, pretraining.new_base(challenge), **trainings.shape_of(challenge))
        return
    seeding.set_random_seed(0, keep_compiled=True)
    net = originals.build(challenge)
    net.set_weights(blocks.redrawn(net))
    data = examples.batches(challenge.train, np.arange(len(challenge.train)), challenge.batch_size)
    training.fit(net, data, challenge.recipe, loss=TaskLoss(challenge.task))


@dataclass(frozen=True)
class Seconds:
    """Of the processor, and on the wall; those of the processor in calls of compiled steps, and how many these are."""

    cpu: float
    wall: float
    steps: float
    calls: int

    @classmethod
    def of(cls, call: Callable[[], Any]) -> "Seconds":
        steps: list[float] = []
        take = training.Descent._call

        def timed(*arguments: Any) -> None:
            begun = time.process_time()
            take(*arguments)
            steps.append(time.process_time() - begun)

        with mock.patch.object(training.Descent, "_call", timed):
            start = time.process_time(), time.perf_counter()
            call()
            return cls(time.process_time() - start[0], time.perf_counter() - start[1], sum(steps), len(steps))


def of_round(challenge: kit.Challenge, order: Order, signer: signatures.Signer, number: int) -> dict[str, Seconds]:
    """Returns what each part of a round takes; in odd rounds the certified training comes first."""
    single = kit.types.Split("rows", 0, np.arange(1), np.arange(1, len(challenge.train)))
    with tempfile.TemporaryDirectory() as name:
        folder, own = Path(name) / "trail", Path(name) / "own"
        own.mkdir()
        pair = {
            "the training alone": lambda: alone(challenge, order.method, own),
            "certified": lambda: begin(folder, challenge, signer, order),
        }
        titles = list(pair)
        parts = {title: Seconds.of(pair[title]) for title in (titles[::-1] if number % 2 else titles)}
        parts = {title: parts[title] for title in titles}
        if number % 4:
            return parts
        gone = replace(challenge, split=single)
        parts["a deletion, certified"] = Seconds.of(lambda: delete(folder, gone, signer, order))
        for level in (0, 1, 2):
            check = Verification(folder / "certificate.json", signer.verifier)
            parts[f"checked at level {level}"] = Seconds.of(functools.partial(check.run, level, challenge, Draw()))
            if check.checks[-1].status != "PASS":
                sys.exit(check.checks[-1].message)
    return parts


def show_rounds(challenge: kit.Challenge, order: Order, rounds: int) -> float:
    """Prints what rounds take, and returns what certifying costs, a share of CPU seconds."""
    signer = signatures.signer()
    of_round(challenge, order, signer, 0)  # compiles
    times = [of_round(challenge, order, signer, number) for number in range(rounds)]
    medians = {title: statistics.median(each[title].cpu for each in times if title in each) for title in times[0]}
    print(
        f"{order.method} on {challenge.name}, {len(challenge.train):,} records, {challenge.recipe.epochs} epochs, "
        f"{rounds} rounds"
    )
    print(f"{'':28s}{'CPU s':>9s}{'ratio':>9s}")
    for title, value in medians.items():
        print(f"{title:28s}{value:9.3f}{value / medians['the training alone']:9.3f}")
    pairs = [(each["certified"], each["the training alone"]) for each in times]
    costs = {
        "CPU seconds": [certified.cpu / plain.cpu - 1 for certified, plain in pairs],
        "wall seconds": [certified.wall / plain.wall - 1 for certified, plain in pairs],
    }
    alike = [(certified, plain) for certified, plain in pairs if certified.calls == plain.calls]
    if 2 * len(alike) > len(pairs):
        costs["CPU seconds, steps apart"] = [
            (certified.cpu - certified.steps - plain.cpu + plain.steps) / plain.cpu for certified, plain in alike
        ]
    print("certifying costs, in percent of the training")
    for title, shares in costs.items():
        low, middle, high = (100 * share for share in interval(shares))
        print(f"{title:28s}{middle:9.1f}   [{low:.1f}, {high:.1f}]")
    return statistics.median(shares)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns the median between the ends of its 95 % interval, which takes no distribution for granted."""
    ordered = sorted(values)
    outside = max(int(binom.ppf(0.025, len(ordered), 0.5)) - 1, 0)
    return ordered[outside], statistics.median(ordered), ordered[-1 - outside]


def show_shard(challenge: kit.Challenge) -> None:
    """Prints what the training of a shard takes, and its execution again: the segments of level 2 that are its own."""
    shape = trainings.shape_of(challenge)
    records, base = trainings.alone(challenge, challenge.train), pretraining.new_base(challenge)
    execution = trainings.Sharded(challenge, challenge.train, shape).of([0] * math.prod(shape.values()), 0)
    first_shard(records, base, shape)  # compiles
    states: list[bytes] = []
    trained = Seconds.of(lambda: states.extend(first_shard(records, base, shape)))
    check_segments(execution, states, [0])
    checked = Seconds.of(lambda: check_segments(execution, states, range(len(states))))
    print(f"sisa on {challenge.name}, one of {shape['shards']} shards of {len(challenge.train):,} records")
    print(f"{'':28s}{'CPU s':>9s}{'ratio':>9s}")
    for title, seconds in (("its training", trained), ("level 2, all equal bits", checked)):
        print(f"{title:28s}{seconds.cpu:9.2f}{seconds.cpu / trained.cpu:9.3f}")


class _Trained(Exception):
    """The first shard is."""


def first_shard(challenge: kit.Challenge, base: Any, shape: Mapping[str, int]) -> list[bytes]:
    """Trains the member of the first shard as SISA does, and returns its states, slice by slice."""
    states: list[bytes] = []

    def keep(shard: int, number: int, weights: Sequence[np.ndarray]) -> None:
        states.append(b"".join(array.tobytes() for array in weights))
        if number == shape["slices"] - 1:
            raise _Trained

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_Trained):
        sisa.pretraining(challenge, 0, Path(folder), base, **shape, on_slice=keep)
    return states


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--method", default="retrain")
    parser.add_argument("--every", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--shard", action="store_true")
    options = parser.parse_args()
    process.prepare()
    challenge = kit.load_challenge(options.challenge)
    if options.epochs is not None:
        challenge = replace(challenge, recipe=replace(challenge.recipe, epochs=options.epochs))
    if options.shard:
        show_shard(challenge)
        return
    sys.exit(0 if show_rounds(challenge, Order(options.method, every=options.every), options.rounds) <= MOST else 1)


if __name__ == "__main__":
    main()
