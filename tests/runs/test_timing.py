"""How long a retraining takes here: measured whole if it is short, extrapolated if it is long, measured once."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from retrainings import taking

import kit
from kit.machine import threads
from kit.runs import plain_keras, timing
from kit.toolbox import augmentation, tracing
from kit.toolbox.costs import Traces
from kit.types import Challenge, Recipe, Retraining

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 with NumPy 2.4


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path / "reference"


def measured(challenge: Challenge, home: Path) -> tuple[Retraining, float]:
    """Measures anew; returns what a retraining costs and the share of the steps that was taken."""
    for path in home.glob("*"):
        path.unlink()
    retraining = timing.reference(challenge)
    (path,) = home.iterdir()
    recorded = json.loads(path.read_text())["content"]
    assert Retraining(**recorded["retraining"]) == retraining == timing.reference(challenge)
    assert recorded["challenge"] == challenge.name
    return retraining, recorded["measured_share"]


def test_a_short_retraining_is_measured_whole(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock and by this process's time: the seconds are not more than go by meanwhile."""
    monkeypatch.setattr(plain_keras, "_LONGEST_MEASUREMENT", 1000.0)
    begin, spent = time.perf_counter(), time.process_time()
    retraining, share = measured(small_challenge, home)
    assert share == 1
    assert 0 < retraining.seconds < time.perf_counter() - begin
    assert 0 < retraining.work + retraining.tracing < time.process_time() - spent
    assert retraining.tracing > 0
    assert retraining.operations > 0
    assert retraining.passes == small_challenge.recipe.epochs * len(small_challenge.split.retain)
    assert not retraining.by_the_clock


@pytest.mark.slow
def test_a_long_retraining_is_extrapolated(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the second: on clocks that the steps themselves move, 3 s for the first and a tenth for each other.

    The processor's goes half as fast.
    """
    long = dataclasses.replace(small_challenge, recipe=Recipe(epochs=60))
    steps = 60 * -(-len(long.split.retain) // long.batch_size)
    clock, taken = SimpleNamespace(now=0.0), []
    take = plain_keras._Watch.on_train_batch_end

    def take_a_step(watch: plain_keras._Watch, batch: int, logs: Any = None) -> None:
        clock.now += 0.1 if watch.done else 3.0
        take(watch, batch, logs)
        taken.append(batch)

    monkeypatch.setattr(plain_keras._Moment, "now", lambda: plain_keras._Moment(clock.now, clock.now / 2))
    monkeypatch.setattr(plain_keras._Watch, "on_train_batch_end", take_a_step)
    monkeypatch.setattr(plain_keras.yardstick, "seconds", lambda: 0.02)
    monkeypatch.setattr(tracing, "watched", lambda: contextlib.nullcontext(Traces(1.5, 7)))
    part, share = measured(long, home)
    assert len(taken) == pytest.approx(1 + (plain_keras._LONGEST_MEASUREMENT - 3) / 0.1, abs=1)
    assert share == len(taken) / steps < 0.9
    taken.clear()
    monkeypatch.setattr(plain_keras, "_LONGEST_MEASUREMENT", 1000.0)
    whole, share = measured(long, home)
    assert (len(taken), share) == (steps, 1)
    assert dataclasses.asdict(part) == pytest.approx(dataclasses.asdict(whole))
    assert whole.seconds == pytest.approx(3 + 0.1 * (steps - 1))
    assert whole.work == pytest.approx(0.05 * steps)  # a first step as long as the others, and the rest is tracing
    assert (whole.tracing, whole.operations) == (pytest.approx(1.45), 7)


@pytest.mark.parametrize(("epochs", "share"), [(0, 0), (1, 1)])
def test_the_shortest_retrainings_are_measured_too(
    small_challenge: Challenge, home: Path, epochs: int, share: float
) -> None:
    one_step = dataclasses.replace(small_challenge, recipe=Recipe(epochs=epochs), batch_size=1000)
    retraining, form = measured(one_step, home)
    assert retraining.seconds > 0
    assert retraining.work > 0
    assert retraining.tracing == 0  # nobody can tell it from a step
    assert form == share


class Training:
    """Stands in for `fit`: a first step that takes long, because it is traced, and others that are all alike."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: float, others: float) -> None:
        self.now, self.first, self.others = 0.0, first, others
        monkeypatch.setattr(plain_keras._Moment, "now", lambda: plain_keras._Moment(self.now, self.now))

    def run(self, steps: int) -> plain_keras._Watch:
        watch = plain_keras._Watch(steps)
        watch._model = SimpleNamespace(stop_training=False)  # what Keras sets
        for step in range(steps):
            self.now += self.others if step else self.first
            watch.on_train_batch_end(step)
            if watch.model.stop_training:
                break
        watch.bar.close()
        return watch


@pytest.mark.parametrize(("steps", "taken"), [(1, 1), (2, 2), (100, 100), (150, 150), (1000, 151), (10**6, 151)])
def test_tracing_is_counted_once(monkeypatch: pytest.MonkeyPatch, steps: int, taken: int) -> None:
    """5 s for the first step and a tenth for each other: after 20 s the rest is reckoned at a tenth each."""
    watch = Training(monkeypatch, 5.0, 0.1).run(steps)
    assert watch.done == pytest.approx(taken, abs=1)
    assert watch.elapsed().clock == watch.elapsed().cpu == pytest.approx(5 + 0.1 * (steps - 1))


def test_two_steps_are_taken_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Training(monkeypatch, 300.0, 50.0).run(10)
    assert watch.done == 2
    assert watch.elapsed().clock == pytest.approx(300 + 9 * 50)


def test_augmented_images_are_measured_with_their_augmentation(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[int] = []
    seeds: list[tuple[int, ...]] = []

    def follow(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        tf.numpy_function(lambda size, drawn: note(int(size), drawn), [tf.shape(images)[0], seed], [])
        return augmentation.crop_and_flip(images, seed)

    def note(size: int, drawn: np.ndarray) -> None:
        shapes.append(size)
        seeds.append(tuple(drawn.tolist()))

    monkeypatch.setitem(augmentation.AUGMENTATIONS, "crop_and_flip", follow)
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    recipe = Recipe(epochs=2, augmentation="crop_and_flip")
    challenge = kit.make_challenge("images", kit.Arrays(images, np.arange(60) % 3), recipe=recipe, batch_size=16)
    retraining, share = measured(challenge, home)
    assert (retraining.work > 0, share) == (True, 1)
    assert sorted(shapes) == sorted([16, 16, len(challenge.split.retain) - 32] * 2)
    assert len(set(seeds[:3])) == 3


CHANGES: dict[str, Callable[[Challenge], Challenge]] = {
    "recipe": lambda challenge: dataclasses.replace(challenge, recipe=Recipe(epochs=1)),
    "precision": lambda challenge: dataclasses.replace(challenge, precision="bfloat16"),
    "batch size": lambda challenge: dataclasses.replace(challenge, batch_size=16),
    "number of examples": lambda challenge: dataclasses.replace(
        challenge, split=kit.make_split(challenge.train, "random:0.5")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_takes_another_time_is_measured_for_itself(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(plain_keras, "time_retraining", lambda challenge: (taking(1.0), 1.0))
    timing.reference(small_challenge)
    timing.reference(small_challenge)
    assert len(list(home.iterdir())) == 1
    timing.reference(CHANGES[change](small_challenge))
    assert len(list(home.iterdir())) == 2


def test_another_number_of_threads_is_measured_for_itself(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_keras, "time_retraining", lambda challenge: (taking(1.0), 1.0))
    timing.reference(small_challenge)
    monkeypatch.setenv(threads.VARIABLE, "2")
    timing.reference(small_challenge)
    assert len(list(home.iterdir())) == 2


def test_of_the_kits_own_methods_whole_first_steps_are_left_out_of_others_the_making_of_operations() -> None:
    """Work in Python that a trace runs: of a stranger's function it is billed, of the kit's own nothing is hidden."""

    @tf.function
    def step(x: tf.Tensor) -> tf.Tensor:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        return x + 1

    with tracing.watched() as traces:
        step(tf.constant(1.0))
        first = traces.first_steps
        step(tf.constant(2.0))
    assert first > 0.1 > 2 * traces.seconds > 0
    assert traces.first_steps == first


def test_what_leads_to_an_operation_is_tracing_within_one_call_into_the_libraries_only() -> None:
    """Python of a function's own between operations is billed; what Keras makes in one call is tracing."""

    def work(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    @tf.function(autograph=False)
    def step(x: tf.Tensor) -> tf.Tensor:
        for _ in range(40):
            work(0.0018)
            x = tf.nn.relu(x)
        return x

    with tracing.watched() as traces:
        step(tf.constant(1.0))
    assert traces.operations >= 40
    assert traces.first_steps > 0.07 > 2 * traces.seconds > 0
    images = keras.Input((8, 8, 1))
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(images)
    net = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(hidden)))
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    with tracing.watched() as traces:
        net.fit(np.zeros((2, 8, 8, 1), np.float32), np.zeros(2, np.int32), verbose=0)
    assert traces.first_steps >= traces.seconds > 0.5 * traces.first_steps
