"""Is the compiled loop faster than plain Keras? Same model, data, batches, epochs and thread, in one run.

    python -m benchmarks.training_loop [--rounds 5] [--challenge NAME ...] [--processors 1]

Plain Keras is `compile(jit_compile=False)` and `fit(verbose=0)` in four forms; the quickest counts. "Steady" is a
second training of the same compiled model; "first" includes building the data pipeline and tracing, as a first run
does. The rounds of the contestants alternate, so that a change of the machine's speed meets all of them.
"""

import argparse
import os
import time
from collections.abc import Callable

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.toolbox import examples

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from kit import challenges
from kit.runs import originals
from kit.toolbox import setup, training


def kit_loop(challenge: kit.Challenge) -> Callable[[], None]:
    net = originals.build(challenge)
    data = examples.batches(challenge.train, challenge.split.retain, challenge.batch_size)
    return lambda: training.fit(net, data, challenge.recipe) and None


def plain_keras(challenge: kit.Challenge, form: str) -> Callable[[], None]:
    net, recipe, batch_size = originals.build(challenge), challenge.recipe, challenge.batch_size
    retain = challenge.train.take(challenge.split.retain)
    steps = -(-len(retain) // batch_size)
    net.compile(
        keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
        steps_per_execution=steps if form == "arrays, one execution an epoch" else 1,
    )
    if form.startswith("arrays"):
        return lambda: net.fit(retain.x, retain.y, batch_size, recipe.epochs, verbose=0) and None
    if form == "tf.data, cached and shuffled":
        data = tf.data.Dataset.from_tensor_slices((retain.x, retain.y)).cache()
        data = data.shuffle(len(retain), seed=0).batch(batch_size).prefetch(tf.data.AUTOTUNE)
    else:
        data = examples.Selection(challenge.train, challenge.split.retain).for_fit(batch_size, shuffle_seed=0)
    return lambda: net.fit(data, epochs=recipe.epochs, shuffle=False, verbose=0) and None


FORMS = ("arrays", "arrays, one execution an epoch", "tf.data, cached and shuffled", "tf.data, gathered by index")


def compare(name: str, rounds: int, clock: Callable[[], float]) -> None:
    challenge = kit.load_challenge(name)
    makers: dict[str, Callable[[], Callable[[], None]]] = {"kit": lambda: kit_loop(challenge)}
    makers |= {f"Keras: {form}": (lambda form=form: plain_keras(challenge, form)) for form in FORMS}
    first: dict[str, list[float]] = {contestant: [] for contestant in makers}
    steady: dict[str, list[float]] = {contestant: [] for contestant in makers}
    for _ in range(rounds):
        for contestant, make in makers.items():
            keras.utils.set_random_seed(0)
            start = clock()
            train = make()
            train()
            middle = clock()
            train()
            first[contestant].append(middle - start)
            steady[contestant].append(clock() - middle)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"\n{name}: {challenge.recipe.epochs} epochs of {len(challenge.split.retain)} examples, "
        f"{'processor ' * (clock is time.process_time)}seconds on {processors} processor{'s' * (processors != 1)}"
    )
    print(f"{'':42s}{'first':>8s}{'ratio':>8s}{'steady':>8s}{'ratio':>8s}")
    for contestant in makers:
        cells = [np.median(times) for column in (first, steady) for times in (column[contestant],)]
        ratios = [np.median(np.array(column[contestant]) / np.array(column["kit"])) for column in (first, steady)]
        print(f"{contestant:42s}{cells[0]:8.2f}{ratios[0]:8.2f}{cells[1]:8.2f}{ratios[1]:8.2f}")
    for title, column in (("first", first), ("steady", steady)):
        best = min((contestant for contestant in makers if contestant != "kit"), key=lambda c: np.median(column[c]))
        ratio = np.median(np.array(column[best]) / np.array(column["kit"]))
        print(f"{title}: the kit is {ratio:.2f} times as fast as the quickest plain form ({best})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--challenge", nargs="*", default=list(challenges.names()))
    parser.add_argument("--processors", type=int, default=1)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere the printed number tells
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.processors])
    setup.prepare()
    for name in arguments.challenge:
        compare(name, arguments.rounds, time.process_time if arguments.processors == 1 else time.perf_counter)


if __name__ == "__main__":
    main()
