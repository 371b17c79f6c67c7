"""How long a retraining takes here: measured whole if it is short, extrapolated if it is long, measured once."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kit
from kit.machine import threads
from kit.runs import plain_keras, timing
from kit.toolbox import augmentation
from kit.types import Challenge, Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 with NumPy 2.4


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path / "reference"


def measured(challenge: Challenge, home: Path) -> tuple[float, float]:
    """Measures anew; returns the seconds and the share of the steps that was taken."""
    for path in home.glob("*"):
        path.unlink()
    seconds = timing.reference_seconds(challenge)
    (path,) = home.iterdir()
    recorded = json.loads(path.read_text())["content"]
    assert recorded["seconds"] == seconds
    assert recorded["challenge"] == challenge.name
    return seconds, recorded["measured_share"]


def test_a_short_retraining_is_measured_whole(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of this machine: its seconds are not more than go by meanwhile."""
    monkeypatch.setattr(plain_keras, "_LONGEST_MEASUREMENT", 1000.0)
    begin = time.perf_counter()
    seconds, share = measured(small_challenge, home)
    assert share == 1
    assert 0 < seconds < time.perf_counter() - begin


@pytest.mark.slow
def test_a_long_retraining_is_extrapolated(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the second: on a clock that the steps themselves move, 3 s for the first and a tenth for each other."""
    long = dataclasses.replace(small_challenge, recipe=Recipe(epochs=60))
    steps = 60 * -(-len(long.split.retain) // long.batch_size)
    clock, taken = SimpleNamespace(now=0.0), []
    take = plain_keras._Watch.on_train_batch_end

    def take_a_step(watch: plain_keras._Watch, batch: int, logs: Any = None) -> None:
        clock.now += 0.1 if watch.done else 3.0
        take(watch, batch, logs)
        taken.append(batch)

    monkeypatch.setattr(plain_keras.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(plain_keras._Watch, "on_train_batch_end", take_a_step)
    part, share = measured(long, home)
    assert len(taken) == pytest.approx(1 + (plain_keras._LONGEST_MEASUREMENT - 3) / 0.1, abs=1)
    assert share == len(taken) / steps < 0.9
    taken.clear()
    monkeypatch.setattr(plain_keras, "_LONGEST_MEASUREMENT", 1000.0)
    whole, share = measured(long, home)
    assert (len(taken), share) == (steps, 1)
    assert part == pytest.approx(whole) == pytest.approx(3 + 0.1 * (steps - 1))


@pytest.mark.parametrize(("epochs", "share"), [(0, 0), (1, 1)])
def test_the_shortest_retrainings_are_measured_too(
    small_challenge: Challenge, home: Path, epochs: int, share: float
) -> None:
    one_step = dataclasses.replace(small_challenge, recipe=Recipe(epochs=epochs), batch_size=1000)
    seconds, found = measured(one_step, home)
    assert seconds > 0
    assert found == share


class Training:
    """Stands in for `fit`: a first step that takes long, because it is traced, and others that are all alike."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: float, others: float) -> None:
        self.now, self.first, self.others = 0.0, first, others
        monkeypatch.setattr(plain_keras.time, "perf_counter", lambda: self.now)

    def run(self, steps: int) -> plain_keras._Watch:
        watch = plain_keras._Watch(self.now, steps)
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
    training = Training(monkeypatch, 5.0, 0.1)
    watch = training.run(steps)
    assert watch.done == pytest.approx(taken, abs=1)
    assert training.now + watch.seconds_left() == pytest.approx(5 + 0.1 * (steps - 1))


def test_two_steps_are_taken_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch, 300.0, 50.0)
    watch = training.run(10)
    assert watch.done == 2
    assert watch.seconds_left() == pytest.approx(8 * 50)


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
    seconds, share = measured(challenge, home)
    assert (seconds > 0, share) == (True, 1)
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
    monkeypatch.setattr(plain_keras, "time_retraining", lambda challenge: (1.0, 1.0))
    timing.reference_seconds(small_challenge)
    timing.reference_seconds(small_challenge)
    assert len(list(home.iterdir())) == 1
    timing.reference_seconds(CHANGES[change](small_challenge))
    assert len(list(home.iterdir())) == 2


def test_another_number_of_threads_is_measured_for_itself(
    small_challenge: Challenge, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_keras, "time_retraining", lambda challenge: (1.0, 1.0))
    timing.reference_seconds(small_challenge)
    monkeypatch.setenv(threads.VARIABLE, "2")
    timing.reference_seconds(small_challenge)
    assert len(list(home.iterdir())) == 2
