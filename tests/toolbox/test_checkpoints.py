"""Trainings that are interrupted, by an exception, by Ctrl-C or by kill -9, go on to the same bits."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf

import kit
from kit.runs import originals
from kit.runs.population import run_population
from kit.runs.run import unlearn
from kit.runs.worker import Worker
from kit.toolbox import checkpoints, setup, training
from kit.toolbox.checkpoints import Checkpoint, Keeper
from kit.types import Challenge, Recipe

RECIPE = Recipe(epochs=5, learning_rate=0.05, weight_decay=1e-3)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "training.npz"


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call an epoch at most, and the state on disk after each."""
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "_LARGEST_SHARE", np.inf)
    monkeypatch.setattr(training, "_FIRST_CALL", 1)
    monkeypatch.setattr(training, "_LONGEST_CALL", 30)


def end_after(monkeypatch: pytest.MonkeyPatch, epochs: int, seconds: float = 0.0) -> None:
    """Makes a training fail once it has kept its state after so many epochs, each of which takes some time."""
    keep = Keeper.keep

    def keep_and_fail(self: Keeper, done: int, *, last: bool) -> None:
        time.sleep(seconds)
        keep(self, done, last=last)
        if done >= epochs:
            raise Interrupted

    monkeypatch.setattr(Keeper, "keep", keep_and_fail)


def table(count: int = 45) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count, dtype=np.int32) % 3
    features = np.random.default_rng(1).normal(size=(count, 6)) + 2 * np.eye(3, 6)[labels]
    return features.astype(np.float32), labels


def batched(x: np.ndarray, y: np.ndarray, batch_size: int = 10) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)


def noisy_net() -> keras.Model:
    """A model with all that has a state of its own: batch statistics and dropout."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.4, seed=3)]
    return keras.Sequential([keras.Input((6,)), *parts, layers.Dense(3)])


class Nets:
    """One model for many trainings, which is traced once; `fresh` puts back all that a training changes."""

    def __init__(self, net: keras.Model) -> None:
        self.net = net
        self.state = [variable.numpy() for variable in self.net.variables]

    def fresh(self) -> keras.Model:
        for variable, value in zip(self.net.variables, self.state, strict=True):
            variable.assign(value)
        return self.net


@pytest.fixture(scope="module")
def nets() -> Nets:
    return Nets(noisy_net())


def bits(net: keras.Model) -> list[bytes]:
    """Of all variables: the next draw of the dropout belongs to a model's state too."""
    return [variable.numpy().tobytes() for variable in net.variables]


def train(net: keras.Model, path: Path | None = None, **changes: Any) -> list[bytes]:
    settings: dict[str, Any] = {"dataset": batched(*table()), "recipe": RECIPE, "seed": 2, "checkpoint": path}
    return bits(training.fit(net, **settings | changes))


@pytest.fixture(scope="module")
def undisturbed(nets: Nets) -> list[bytes]:
    return train(nets.fresh())


def interrupted(nets: Nets, path: Path, epochs: int, **changes: Any) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        end_after(monkeypatch, epochs)
        with pytest.raises(Interrupted):
            train(nets.fresh(), path, **changes)


# The same bits


def test_keeping_the_state_changes_nothing(nets: Nets, undisturbed: list[bytes], path: Path, often: None) -> None:
    assert train(nets.fresh(), path) == undisturbed
    assert path.is_file()


@pytest.mark.parametrize("epochs", [1, 2, 4, 5])
def test_an_interrupted_training_goes_on_in_a_fresh_model_to_the_same_bits(
    nets: Nets, undisturbed: list[bytes], path: Path, often: None, epochs: int
) -> None:
    interrupted(nets, path, epochs)
    steps = count_steps(nets.fresh(), path)
    assert steps == 5 * (5 - epochs)
    assert train(noisy_net(), path) == undisturbed  # of which no variable was put back by hand


SIZES_SEEN: list[int] = []


def note_size(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """An `augment` that changes nothing."""
    tf.numpy_function(lambda size: SIZES_SEEN.append(int(size)), [tf.shape(images)[0]], [])
    return images


def count_steps(net: keras.Model, path: Path) -> int:
    """How many batches the training that is resumed still takes; the file is left as it was."""
    content = path.read_bytes()
    SIZES_SEEN.clear()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "identity_of", lambda *_: checkpoints._read(path).identity)  # type: ignore[union-attr]
        training.fit(net, batched(*table()), RECIPE, seed=2, augment=note_size, checkpoint=path)
    path.write_bytes(content)
    return len(SIZES_SEEN)


def test_a_training_that_is_interrupted_again_and_again_ends_with_the_same_bits(
    nets: Nets, undisturbed: list[bytes], path: Path, often: None
) -> None:
    for epochs in (1, 2, 3, 4):
        interrupted(nets, path, epochs)
    assert train(nets.fresh(), path) == undisturbed


def test_augmented_images_are_drawn_on_from_the_same_place(path: Path, often: None) -> None:
    """The seed of a step depends on its epoch, not on the process's."""
    images = np.random.default_rng(0).random((24, 8, 8, 1), np.float32), np.arange(24, dtype=np.int32) % 3
    settings = {"dataset": batched(*images), "recipe": dataclasses.replace(RECIPE, augmentation="crop_and_flip")}

    nets = Nets(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]))
    plain = train(nets.fresh(), None, **settings)
    with pytest.MonkeyPatch.context() as monkeypatch:
        end_after(monkeypatch, 2)
        with pytest.raises(Interrupted):
            train(nets.fresh(), path, **settings)
    assert train(nets.fresh(), path, **settings) == plain


# Whose state it is


OTHERS: dict[str, dict[str, Any]] = {
    "epochs": {"recipe": dataclasses.replace(RECIPE, epochs=6)},
    "learning rate": {"recipe": dataclasses.replace(RECIPE, learning_rate=0.06)},
    "weight decay": {"recipe": dataclasses.replace(RECIPE, weight_decay=0.0)},
    "schedule": {"recipe": dataclasses.replace(RECIPE, schedule="constant")},
    "seed": {"seed": 3},
    "images": {"dataset": batched(table()[0] + 0.01, table()[1])},
    "labels": {"dataset": batched(table()[0], table()[1][::-1])},
    "order of the examples": {"dataset": batched(table()[0][::-1], table()[1][::-1])},
    "fewer examples": {"dataset": batched(*table(42))},
    "batch size": {"dataset": batched(*table(), 9)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_the_state_of_another_training_is_not_taken_up(nets: Nets, path: Path, often: None, other: str) -> None:
    plain = train(nets.fresh(), None, **OTHERS[other])
    interrupted(nets, path, 3)
    assert train(nets.fresh(), path, **OTHERS[other]) == plain


def test_the_state_of_a_training_with_another_number_of_threads_is_not_taken_up(
    nets: Nets, undisturbed: list[bytes], path: Path, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(nets, path, 3)
    identity = checkpoints._read(path).identity  # type: ignore[union-attr]
    monkeypatch.setenv("KIT_THREADS", "2")  # this process keeps its own, which is fixed long since
    assert train(nets.fresh(), path) == undisturbed
    assert checkpoints._read(path).identity != identity  # type: ignore[union-attr]


def test_the_state_of_another_architecture_is_not_taken_up(nets: Nets, path: Path, often: None) -> None:
    wider, narrow = (
        Nets(keras.Sequential([keras.Input((6,)), keras.layers.Dense(size, activation="relu"), keras.layers.Dense(3)]))
        for size in (9, 8)
    )
    plain = train(wider.fresh())
    with pytest.MonkeyPatch.context() as monkeypatch:
        end_after(monkeypatch, 2)
        with pytest.raises(Interrupted):
            train(narrow.fresh(), path)
    assert train(wider.fresh(), path) == plain


# Damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_an_array(path: Path) -> None:
    checkpoint = checkpoints._read(path)
    assert checkpoint is not None
    checkpoints.save(path, dataclasses.replace(checkpoint, arrays=checkpoint.arrays[:-1]))


def lose_a_name(path: Path) -> None:
    with np.load(path) as stored:
        np.savez(path, **{name: stored[name] for name in stored.files if name != "epochs"})


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "cut": cut,
    "flipped": flip,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("PK is how every zip archive begins"),
    "an array is missing": lose_an_array,
    "a name is missing": lose_a_name,
    "objects": lambda path: np.savez(path, identity=np.array([print], dtype=object)),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_ignored_and_replaced(
    nets: Nets, undisturbed: list[bytes], path: Path, often: None, damage: str
) -> None:
    interrupted(nets, path, 3)
    DAMAGES[damage](path)
    assert train(nets.fresh(), path) == undisturbed
    checkpoint = checkpoints._read(path)
    assert checkpoint is not None
    assert (checkpoint.epochs, checkpoint.earlier) == (5, 0.0)


def test_no_damage_of_a_single_byte_makes_reading_fail_or_lie(path: Path) -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.arange(3, dtype=np.float32)]
    checkpoints.save(path, Checkpoint("of this training", 3, 1.5, 0.5, arrays))
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        checkpoint = checkpoints._read(path)
        if checkpoint is None:
            continue
        assert (checkpoint.identity, checkpoint.epochs, checkpoint.seconds, checkpoint.earlier) == (
            "of this training",
            3,
            1.5,
            0.5,
        )
        assert all(map(np.array_equal, checkpoint.arrays, arrays))
    for position in range(0, len(whole), 20):
        path.write_bytes(whole[:position])
        assert checkpoints._read(path) is None


def test_what_a_process_was_writing_when_it_was_killed_is_removed_an_hour_later(path: Path) -> None:
    old, young, others = (path.with_name(name) for name in (".training.npz.abc", ".training.npz.def", ".else.npz.abc"))
    for leftover in (old, young, others):
        leftover.write_bytes(b"half")
    for leftover in (old, others):
        os.utime(leftover, (time.time() - 4000, time.time() - 4000))
    Keeper(path, "", [])
    assert sorted(path.parent.iterdir()) == sorted([young, others])


# When, and how long


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def keeper(path: Path | None, identity: str = "a") -> Keeper:
    return Keeper(path, identity, [tf.Variable([1.0, 2.0])])


def states(clock: Clock, path: Path, epoch_seconds: float) -> list[int]:
    """The epoch of the state on disk after each of nine epochs."""
    saver, checkpoint = keeper(path), []
    for epoch in range(1, 10):
        clock.now += epoch_seconds
        saver.keep(epoch, last=False)
        state = checkpoints._read(path)
        checkpoint.append(0 if state is None else state.epochs)
    return checkpoint


def test_a_state_is_written_after_each_epoch_of_a_second(clock: Clock, path: Path) -> None:
    assert states(clock, path, 1.0) == list(range(1, 10))


def test_of_shorter_epochs_once_a_second(clock: Clock, path: Path) -> None:
    assert states(clock, path, 0.4) == [0, 0, 3, 3, 3, 6, 6, 6, 9]


def test_writing_takes_no_more_than_a_twentieth_of_the_time(
    clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = checkpoints.save

    def slow(*arguments: Any) -> None:
        save(*arguments)
        clock.now += 1.0

    monkeypatch.setattr(checkpoints, "save", slow)
    assert states(clock, path, 7.0) == [1, 1, 1, 4, 4, 4, 7, 7, 7]


def test_the_end_of_a_long_training_is_kept_at_once_and_a_short_training_leaves_no_file(
    clock: Clock, path: Path
) -> None:
    saver = keeper(path)
    clock.now = 0.9
    saver.keep(4, last=True)
    assert not path.exists()
    clock.now = 1.1
    saver.keep(5, last=False)
    clock.now = 1.2
    saver.keep(6, last=False)
    assert checkpoints._read(path).epochs == 5  # type: ignore[union-attr]
    saver.keep(6, last=True)
    assert checkpoints._read(path).epochs == 6  # type: ignore[union-attr]


def test_without_a_path_nothing_is_written(clock: Clock, tmp_path: Path) -> None:
    saver = keeper(None)
    clock.now = 100
    saver.keep(4, last=True)
    assert list(tmp_path.iterdir()) == []


def test_a_short_training_leaves_no_file(nets: Nets, undisturbed: list[bytes], path: Path) -> None:
    assert train(nets.fresh(), path) == undisturbed
    assert not path.exists()


def test_the_seconds_of_all_earlier_processes_are_counted(clock: Clock, path: Path) -> None:
    assert checkpoints.earlier_seconds(path) == 0
    first = keeper(path)
    clock.now = 90
    first.keep(3, last=False)
    clock.now = 100  # killed: what came after the last state is lost
    assert checkpoints.earlier_seconds(path) == 0  # its own are the caller's to measure

    second = keeper(path)
    assert second.epochs == 3
    assert checkpoints.earlier_seconds(path) == 90  # however short the rest
    clock.now = 105
    second.keep(4, last=True)
    assert checkpoints.earlier_seconds(path) == 90
    clock.now = 140
    second.keep(5, last=False)

    third = keeper(path)
    assert third.epochs == 5
    assert checkpoints.earlier_seconds(path) == 90 + 40
    clock.now = 141
    keeper(path)  # a fourth, after a third that has done nothing
    assert checkpoints.earlier_seconds(path) == 90 + 40


def test_of_another_training_no_seconds_are_counted(clock: Clock, path: Path) -> None:
    first = keeper(path)
    clock.now = 90
    first.keep(3, last=False)
    other = keeper(path, "b")
    assert other.epochs == 0
    clock.now = 120
    other.keep(1, last=False)
    assert checkpoints.earlier_seconds(path) == 0


# Methods, populations and originals


@pytest.mark.parametrize("method", ["retrain", "finetune"])
def test_a_run_that_was_interrupted_goes_on_and_its_seconds_are_counted(
    small_challenge: Challenge, builtin_worker: Worker, path: Path, often: None, method: str
) -> None:
    settings: dict[str, Any] = {"seed": 5, "worker": builtin_worker}
    plain = unlearn(method, small_challenge, **settings)
    expected = plain.net.get_weights()
    with pytest.MonkeyPatch.context() as monkeypatch:
        end_after(monkeypatch, 1, seconds=0.4)
        with pytest.raises(kit.FailedRun):
            unlearn(method, small_challenge, checkpoint=path, **settings)
    assert path.is_file()
    start = time.perf_counter()
    again = unlearn(method, small_challenge, checkpoint=path, **settings)
    elapsed = time.perf_counter() - start
    assert all(map(np.array_equal, again.net.get_weights(), expected))
    earlier = checkpoints.earlier_seconds(path)
    assert earlier > 0.4
    assert earlier < again.seconds < earlier + elapsed


def test_a_method_that_keeps_no_state_is_not_given_a_file(
    small_challenge: Challenge, worker: Worker, path: Path
) -> None:
    given = []

    def plain(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
        return net

    def keeping(net: Any, retain: Any, forget: Any, validation: Any, *, checkpoint: Path | None = None) -> Any:
        given.append(checkpoint)
        return net

    for method in (plain, keeping, keeping):
        unlearn(method, small_challenge, worker=worker, checkpoint=path if len(given) < 1 else None)
    assert given == [path, None]


def test_a_population_keeps_the_state_beside_the_run_until_that_is_stored(
    small_challenge: Challenge, builtin_worker: Worker, tmp_path: Path, often: None
) -> None:
    def population(root: Path) -> kit.Outputs:
        settings: dict[str, Any] = {"num_models": 2, "engine": "serial", "worker": builtin_worker}
        return run_population("retrain", small_challenge, root=root, **settings)

    plain = population(tmp_path / "plain")
    with pytest.MonkeyPatch.context() as monkeypatch:
        end_after(monkeypatch, 1)
        with pytest.raises(kit.FailedRun):
            population(tmp_path / "interrupted")
    (kept,) = (tmp_path / "interrupted").rglob("*.npz")
    assert (kept.name, kept.parent.name) == ("training.npz", "seed-0-run-0000")
    again = population(tmp_path / "interrupted")
    for part in ("retain", "test"):
        np.testing.assert_array_equal(again.confidences[part], plain.confidences[part])
    for root in ("plain", "interrupted"):
        assert {file.name for file in (tmp_path / root).rglob("*") if file.is_file()} == {"outputs.npz", "done.json"}


def test_the_original_keeps_its_state_until_it_is_stored(
    small_challenge: Challenge, tmp_path: Path, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "plain"))
    plain = originals.load(small_challenge)
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "interrupted"))
    folder = tmp_path / "interrupted" / "pretrained"
    with pytest.MonkeyPatch.context() as patch:
        end_after(patch, 1, seconds=0.3)
        with pytest.raises(Interrupted):
            originals.load(small_challenge)
    (kept,) = folder.iterdir()
    assert kept == originals.cached_path(small_challenge, "-training")
    rebuilt = originals.rebuild(small_challenge)
    assert rebuilt.seconds > 0.3  # of both
    again = originals.load(small_challenge)
    assert all(map(np.array_equal, again.weights, plain.weights))
    assert sorted(folder.iterdir()) == sorted([again.path, again.path.with_suffix(".json")])


# Real ends


SCRIPT = """
import os, sys
from pathlib import Path
import keras
import numpy as np
from kit.storage import files
from kit.toolbox import checkpoints, training
from kit.toolbox import setup
from kit.types import Recipe

sys.path[:0] = sys.argv[1].split(os.pathsep)
import test_checkpoints as of_test

checkpoints._EVERY_SECONDS, checkpoints._LARGEST_SHARE = 0.0, float('inf')
training._FIRST_CALL, training._LONGEST_CALL = 1, 1
setup.prepare()
path = Path(sys.argv[2])
net = training.fit(of_test.noisy_net(), of_test.batched(*of_test.table()), Recipe(epochs=200), seed=1, checkpoint=path)
files.write_npz(path.with_name("done.npz"), {str(i): one.numpy() for i, one in enumerate(net.variables)})
"""
SEARCH_PATH = os.pathsep.join(str(Path(__file__).parents[up]) for up in (0, 1))  # this module, and its helpers


@pytest.fixture
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "train.py"
    path.write_text(SCRIPT)
    return path


def start(script: Path, folder: Path) -> processes.Forked:
    folder.mkdir(exist_ok=True)
    return processes.Forked(script, [SEARCH_PATH, folder / "training.npz"], folder, os.environ)


def end_in_the_middle(script: Path, folder: Path, how: int, epochs: int) -> None:
    """Ends a training by a signal some time after `epochs`; anew where a busy machine let it come to its own end."""
    before = shutil.copytree(folder, folder.with_name("before"), dirs_exist_ok=True) if folder.exists() else None
    for _ in range(10):
        process = start(script, folder)
        deadline = time.monotonic() + 120
        while process.poll() is None and _epochs_kept(folder) < epochs:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        while process.poll() is None and time.monotonic() < deadline:  # see `signals.stop`: one signal can be lost
            process.send_signal(how)
            process.process.join(1.5)
        if process.finish().returncode != 0:
            assert epochs <= _epochs_kept(folder) < 200  # whole, whatever it was at
            return
        shutil.rmtree(folder)
        if before is not None:
            shutil.copytree(before, folder)
    pytest.fail("The training ended ten times before it was interrupted.")


def _epochs_kept(folder: Path) -> int:
    state = checkpoints._read(folder / "training.npz")
    return 0 if state is None else state.epochs


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_is_interrupted_and_killed_in_mid_training_goes_on_to_the_same_bits(
    script: Path, tmp_path: Path
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    assert start(script, undisturbed).finish().returncode == 0
    end_in_the_middle(script, disturbed, signal.SIGINT, 10)
    assert [file.name for file in disturbed.iterdir()] == ["training.npz"]  # Ctrl-C leaves no half file
    for epochs in (40, 90):
        end_in_the_middle(script, disturbed, signal.SIGKILL, epochs)
    assert start(script, disturbed).finish().returncode == 0
    with np.load(undisturbed / "done.npz") as first, np.load(disturbed / "done.npz") as second:
        assert first.files == second.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
