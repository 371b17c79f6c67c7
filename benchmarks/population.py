"""How many models a minute? The kit's populations against the straightforward loop in plain Keras, in one run.

    python -m benchmarks.population [--rounds 3] [--models 96] [--plain 6] [--challenge NAME ...] [--memory]

The straightforward loop builds, compiles (`jit_compile=False`), fits (`verbose=0`, data cached, shuffled and batched by
tf.data, the quickest form of benchmarks/training_loop.py), predicts and deletes one model after another in one process.
Both sides have one thread an operation and the whole machine; the kit's seconds hold the start of its worker processes
and each model on disk. The rounds alternate. `--memory` follows the workers' memory over 512 models instead.
"""

import argparse
import gc
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

import kit  # first: it asks TensorFlow for one thread

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from kit import challenges
from kit.runs import originals
from kit.toolbox import setup

CONTESTANTS = {"kit, 1 worker": 1, "kit, 2 workers": 2}


def plain_loop(challenge: kit.Challenge, num_models: int) -> float:
    """Models a minute."""
    recipe = challenge.recipe
    retain = challenge.train.take(challenge.split.retain)
    start = time.perf_counter()
    for seed in range(num_models):
        keras.utils.set_random_seed(seed)
        net = originals.build(challenge)
        net.compile(
            keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        data = tf.data.Dataset.from_tensor_slices((retain.x, retain.y)).cache()
        data = data.shuffle(len(retain), seed=seed).batch(challenge.batch_size).prefetch(tf.data.AUTOTUNE)
        net.fit(data, epochs=recipe.epochs, shuffle=False, verbose=0)
        for part in (challenge.train, challenge.validation, challenge.test):
            net.predict(part.x, batch_size=1024, verbose=0)
        del net
        keras.backend.clear_session()
        gc.collect()
    return 60 * num_models / (time.perf_counter() - start)


def population(challenge: kit.Challenge, num_models: int, workers: int) -> float:
    """Models a minute."""
    with tempfile.TemporaryDirectory() as root:
        start = time.perf_counter()
        kit.run_population("retrain", challenge, num_models=num_models, root=root, engine="processes", workers=workers)
        return 60 * num_models / (time.perf_counter() - start)


def compare(name: str, rounds: int, num_models: int, num_plain: int) -> None:
    challenge = kit.load_challenge(name)
    rates: dict[str, list[float]] = {contestant: [] for contestant in ("plain Keras", *CONTESTANTS)}
    for _ in range(rounds):
        rates["plain Keras"].append(plain_loop(challenge, num_plain))
        for contestant, workers in CONTESTANTS.items():
            rates[contestant].append(population(challenge, num_models, workers))
    print(f"\n{name}: retraining, models a minute on {os.cpu_count()} processors (median of {rounds} rounds)")
    for contestant, models_a_minute in rates.items():
        ratio = np.median(np.array(models_a_minute) / np.array(rates["plain Keras"]))
        print(f"{contestant:20s}{np.median(models_a_minute):8.1f}   {ratio:5.2f} times the straightforward loop")


def follow_memory(name: str, num_models: int = 512) -> None:
    """Prints the resident memory of the workers when so many models are finished."""
    challenge, marks = kit.load_challenge(name), [64, num_models]
    largest: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as root:
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                finished = sum(1 for _ in Path(root).rglob("done.json"))
                children = psutil.Process().children(recursive=True)
                resident = max((child.memory_info().rss for child in children if child.is_running()), default=0)
                for mark in marks:
                    if finished <= mark:
                        largest[mark] = max(largest.get(mark, 0.0), resident / 2**30)
                done.wait(0.5)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            kit.run_population("retrain", challenge, num_models=num_models, root=root, engine="processes")
        finally:
            done.set()
            watcher.join()
        stored = sum(path.stat().st_size for path in Path(root).rglob("*") if path.is_file())
    print(f"\n{name}: the largest worker's resident memory while retraining {num_models} models")
    for mark in marks:
        print(f"up to model {mark:4d}    {largest[mark]:.2f} GiB")
    print(f"on disk             {stored / 2**20:.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=int, default=96)
    parser.add_argument("--plain", type=int, default=6)
    parser.add_argument("--challenge", nargs="*", default=list(challenges.names()))
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    setup.prepare()
    for name in arguments.challenge:
        if arguments.memory:
            follow_memory(name)
        else:
            compare(name, arguments.rounds, arguments.models, arguments.plain)


if __name__ == "__main__":
    main()
