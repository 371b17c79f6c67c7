"""SISA: what is forgotten might never have been there, to the bit; and what a shard's member is trained on."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import chisquare

import kit
from kit import methods
from kit.methods import _sharding
from kit.runs import pretraining
from kit.runs.run import run_here
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission.entry import Entry
from kit.toolbox import ensembles, facts, seeding, setup
from kit.toolbox import examples as kit_examples
from kit.types import Arrays, Challenge, Recipe, Split

SHARDS, SLICES = 3, 4
PLAN = _sharding.Plan(SHARDS, SLICES, Recipe(epochs=5), b"secret")


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


def challenge_of(model: str, recipe: Recipe = Recipe(epochs=5), batch_size: int = 16) -> Challenge:
    """120 training examples of 5 features in 3 classes; the first ten are to be forgotten."""
    generator = np.random.default_rng(0)
    labels = np.arange(160) % 3
    arrays = Arrays(generator.normal(size=(160, 5)) + labels[:, np.newaxis], labels)
    partition = np.repeat([0, 1, 2], [120, 20, 20])
    outputs = kit.make_challenge(
        "shards", arrays, partition=partition, model="mlp", recipe=recipe, batch_size=batch_size
    )
    return dataclasses.replace(forgetting(outputs, range(10)), model="layers", model_description=model)


def description(*layers: keras.Layer) -> str:
    """The same one for the same layers: no name is one that Keras counts."""
    features = keras.Input((5,), name="features")
    net = keras.Sequential([features, *layers, keras.layers.Dense(3, name="logits")], name="member")
    return json.dumps(keras.saving.serialize_keras_object(net))


def noisy() -> str:
    """A model that draws random numbers at each step, and keeps batch statistics."""
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")
    return description(hidden, keras.layers.BatchNormalization(name="norm"), keras.layers.Dropout(0.3, name="dropout"))


@pytest.fixture(scope="module")
def linear() -> Challenge:
    return challenge_of(description())


def forgetting(challenge: Challenge, rows: Sequence[int] | np.ndarray) -> Challenge:
    everyone = np.arange(len(challenge.train))
    return dataclasses.replace(challenge, split=Split("mine", 0, np.array(rows), np.setdiff1d(everyone, rows)))


def without(challenge: Challenge, rows: Sequence[int] | np.ndarray) -> Challenge:
    """The challenge whose training set never had these examples; what it is to forget, SISA does not ask."""
    kept = np.setdiff1d(np.arange(len(challenge.train)), rows)
    split = Split("unused", 0, np.arange(1), np.arange(1, len(kept)))
    return dataclasses.replace(challenge, train=challenge.train.take(kept), split=split)


BASES: dict[str, keras.Model] = {}


def base_of(challenge: Challenge) -> keras.Model:
    """The same object for the same architecture, as a worker has it: traced once."""
    if challenge.model_description not in BASES:
        BASES[challenge.model_description] = pretraining.new_base(challenge)
    return BASES[challenge.model_description]


def pretrain(challenge: Challenge, folder: Path, seed: int = 0, shards: int = SHARDS) -> keras.Model:
    folder.mkdir()
    net: keras.Model = methods.module("sisa").pretraining(
        challenge, seed, folder, base_of(challenge), shards=shards, slices=SLICES
    )
    return net


def unlearn(
    net: keras.Model,
    challenge: Challenge,
    folder: Path,
    rows: Sequence[int] | np.ndarray,
    seed: int = 0,
    gone: Sequence[int] | np.ndarray = (),
) -> keras.Model:
    """Deletes `rows` after `gone` are deleted."""
    retain = np.setdiff1d(np.arange(len(challenge.train)), [*rows, *gone])
    sets = [
        kit_examples.batches(challenge.train, rows_of_set, challenge.batch_size)
        for rows_of_set in (retain, np.array(rows))
    ]
    seeding.set_random_seed(seed, keep_compiled=True)
    returned: keras.Model = methods.get("sisa")(net, *sets, None, folder=folder)
    return returned


def places(arrays: Arrays, key: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Shard and slice of each example, by hand."""
    values = []
    for image, label in zip(arrays.x.astype("<f4"), arrays.y, strict=True):
        digest = hmac.new(key, image.tobytes() + int(label).to_bytes(8, "little"), hashlib.sha256).digest()
        values.append(int.from_bytes(digest[:8], "little"))
    return np.array([number % SHARDS for number in values]), np.array([number // SHARDS % SLICES for number in values])


def bits(net: keras.Model) -> list[bytes]:
    return [array.tobytes() for array in net.get_weights()]


def member_bits(net: keras.Model) -> list[list[bytes]]:
    return [bits(member) for member in ensembles.members(net)]


def contents(folder: Path) -> dict[str, list[bytes]]:
    """What is in the kept files: a file's own bytes hold the time at which it was written."""
    stored = {path.name: files.read_npz(path) for path in sorted(folder.glob("shard-*.npz"))}
    return {name: [arrays[str(number)].tobytes() for number in range(len(arrays))] for name, arrays in stored.items()}


class Trained:
    """An original and its folder, of which each test gets a copy."""

    def __init__(self, challenge: Challenge, folder: Path) -> None:
        self.challenge, self.folder = challenge, folder
        self.net = pretrain(challenge, folder)
        self.key = _sharding.Plan.read(folder).key
        self.weights, self.members, self.contents = self.net.get_weights(), member_bits(self.net), contents(folder)

    def copy(self, folder: Path) -> tuple[keras.Model, Path]:
        self.net.set_weights(self.weights)
        return self.net, shutil.copytree(self.folder, folder)


@pytest.fixture(scope="module")
def trained(linear: Challenge, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(linear, tmp_path_factory.mktemp("sisa") / "original")


# Exact


@pytest.mark.slow
@pytest.mark.parametrize("model", [pytest.param(description(), id="linear"), pytest.param(noisy(), id="noisy")])
def test_unlearning_is_the_training_that_never_saw_the_forgotten_examples(model: str, tmp_path: Path) -> None:
    challenge = dataclasses.replace(challenge_of(model), training_seed=7)
    original = pretraining.load(challenge, "sisa")
    unlearned = kit.unlearn("sisa", challenge, seed=7).net
    expected = bits(pretrain(without(challenge, range(10)), tmp_path / "never", seed=7))
    assert bits(unlearned) == expected
    assert not {array.tobytes() for array in original.weights} & set(expected)  # all shards are affected
    assert bits(pretraining.retrain(challenge, "sisa", 7, pretraining.new_base(challenge))) == expected
    retrain = Entry("retrain", pretraining="sisa")
    assert bits(run_here(retrain, challenge, Worker.for_entry(retrain, challenge), seed=7).net) == expected


@pytest.mark.parametrize("batch_size", [16, 1000])
def test_the_order_of_the_training_examples_plays_no_part(batch_size: int, tmp_path: Path) -> None:
    """Neither in the original's training nor in the retain set."""
    challenge = challenge_of(description(), batch_size=batch_size)
    order = np.random.default_rng(1).permutation(len(challenge.train))
    shuffled = dataclasses.replace(challenge, train=challenge.train.take(order))
    nets = [pretrain(first, tmp_path / name) for first, name in ((challenge, "one"), (shuffled, "other"))]
    assert bits(nets[0]) == bits(nets[1])
    first = unlearn(nets[0], challenge, tmp_path / "one", [3, 4])
    second = unlearn(nets[1], shuffled, tmp_path / "other", np.flatnonzero(np.isin(order, [3, 4])))
    assert bits(first) == bits(second)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_8_bit_images_and_the_same_images_as_floats_are_in_the_same_shards_and_train_to_the_same_bits(
    tmp_path: Path,
) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (40, 5), dtype=np.uint8)
    challenge = challenge_of(description())
    trained = []
    for number, x in enumerate((images, images * np.float32(1 / 255))):
        kind = [Arrays(part, np.arange(len(part)) % 3) for part in (x, x[:4])]
        split = Split("mine", 0, np.arange(1), np.arange(1, 40))
        alike = dataclasses.replace(challenge, train=kind[0], validation=kind[1], test=kind[1], split=split)
        trained.append(bits(pretrain(alike, tmp_path / str(number))))
    assert trained[0] == trained[1]


def test_an_example_with_negative_zeros_is_found_where_it_was_learnt(tmp_path: Path) -> None:
    """Alone it looks like an 8-bit image, among the others it does not."""
    challenge = challenge_of(description())
    x = challenge.train.x.copy()
    x[0] = [-0.0, 1.0, 0.0, 1.0, -0.0]
    train = Arrays(x, challenge.train.y)
    challenge = dataclasses.replace(challenge, train=train)
    single, all_ = (
        kit_examples.in_memory(kit_examples.batches(train, rows, 16)) for rows in (np.arange(1), np.arange(120))
    )
    assert single.ids(b"key")[0] == all_.ids(b"key")[0]
    net = unlearn(pretrain(challenge, tmp_path / "state"), challenge, tmp_path / "state", [0])
    assert bits(net) == bits(pretrain(without(challenge, [0]), tmp_path / "never"))


def test_a_second_copy_of_what_is_forgotten_stays_where_it_was(tmp_path: Path) -> None:
    """It is an example of its own, which nobody asked to delete; both are in the same shard."""
    challenge = challenge_of(description())
    twice = Arrays(
        np.concatenate([challenge.train.x, challenge.train.x[:1]]), np.append(challenge.train.y, challenge.train.y[0])
    )
    split = Split("mine", 0, np.arange(1), np.arange(1, 121))
    doubled = dataclasses.replace(challenge, train=twice, split=split)
    net = unlearn(pretrain(doubled, tmp_path / "two"), doubled, tmp_path / "two", [0])
    assert bits(net) == bits(pretrain(challenge, tmp_path / "one"))


def test_a_shard_may_lose_all_its_examples(trained: Trained, tmp_path: Path) -> None:
    rows = np.flatnonzero(places(trained.challenge.train, trained.key)[0] == 1)
    net, folder = trained.copy(tmp_path / "state")
    unlearned = bits(unlearn(net, trained.challenge, folder, rows))
    assert unlearned == bits(pretrain(without(trained.challenge, rows), tmp_path / "never"))


# Only what has to be


@pytest.fixture(scope="module")
def late(trained: Trained) -> np.ndarray:
    """Three examples of shard 1, in its slices 2 and 3."""
    shards, slices = places(trained.challenge.train, trained.key)
    rows = np.concatenate([np.flatnonzero((shards == 1) & (slices == number))[:2] for number in (2, 3)])[1:]
    assert len(rows) == 3
    return rows


def test_only_the_affected_shard_is_retrained_from_its_first_affected_slice(
    trained: Trained, late: np.ndarray, tmp_path: Path
) -> None:
    net, folder = trained.copy(tmp_path / "state")
    after = member_bits(unlearn(net, trained.challenge, folder, late))
    assert [new == old for new, old in zip(after, trained.members, strict=True)] == [True, False, True]
    changed = {name for name, arrays in contents(folder).items() if arrays != trained.contents[name]}
    assert changed == {"shard-1-slice-2.npz", "shard-1-slice-3.npz"}
    assert after[1] == contents(folder)["shard-1-slice-3.npz"]
    assert [array_bits for member in after for array_bits in member] == bits(
        pretrain(without(trained.challenge, late), tmp_path / "never")
    )


@pytest.mark.parametrize("all_shards", [False, True])
def test_the_examples_that_were_shown_are_counted(
    all_shards: bool, trained: Trained, late: np.ndarray, tmp_path: Path
) -> None:
    rows = np.arange(10) if all_shards else late
    net, folder = trained.copy(tmp_path / "state")
    unlearn(net, trained.challenge, folder, rows)
    shards, slices = places(trained.challenge.train, trained.key)
    affected, shown = set(shards[rows].tolist()), 0
    for shard in affected:
        first = slices[rows][shards[rows] == shard].min()
        for row in set(range(120)) - set(rows.tolist()):
            if shards[row] == shard:  # an example is shown in two epochs for each slice from its own on
                shown += 2 * (SLICES - max(first, slices[row]))
    assert facts.read(folder) == {"examples_shown": shown, "shards_retrained": len(affected)}


def test_the_original_was_shown_all_shards(trained: Trained) -> None:
    _, slices = places(trained.challenge.train, trained.key)
    shown = int((2 * (SLICES - slices)).sum())
    assert facts.read(trained.folder) == {"examples_shown": shown, "shards_retrained": SHARDS}


@pytest.mark.parametrize("first", [slice(0, 2), slice(2, 4), slice(1, 3)], ids=["early", "late", "mixed"])
def test_two_deletions_in_a_row_are_one_of_both(first: slice, trained: Trained, tmp_path: Path) -> None:
    """Also where the second one has to go back behind the first."""
    shards, slices = places(trained.challenge.train, trained.key)
    rows = np.array([np.flatnonzero((shards == 1) & (slices == number))[0] for number in (0, 1, 2, 3)])
    second = np.setdiff1d(rows, rows[first])
    net, folder = trained.copy(tmp_path / "twice")
    unlearn(net, trained.challenge, folder, rows[first], seed=4)
    twice = bits(unlearn(net, trained.challenge, folder, second, seed=4, gone=rows[first]))
    net, at_once = trained.copy(tmp_path / "once")
    assert bits(unlearn(net, trained.challenge, at_once, rows, seed=4)) == twice
    assert contents(folder) == contents(at_once)


def test_another_runs_seed_is_that_of_what_is_retrained_only(
    trained: Trained, late: np.ndarray, tmp_path: Path
) -> None:
    actual: list[list[list[bytes]]] = []
    for seed in (1, 2, 1):
        net, folder = trained.copy(tmp_path / str(len(actual)))
        actual.append(member_bits(unlearn(net, trained.challenge, folder, late, seed=seed)))
    assert actual[0] == actual[2]
    assert actual[0][1] != actual[1][1]
    assert [actual[0][number] == actual[1][number] == trained.members[number] for number in (0, 2)] == [True, True]


def test_runs_of_one_worker_begin_at_the_same_state(linear: Challenge) -> None:
    worker = Worker(linear, pretraining="sisa")
    before = contents(worker.original.state)
    runs = [kit.unlearn("sisa", linear, seed=3, worker=worker) for _ in range(2)]
    assert bits(runs[0].net) == bits(runs[1].net)
    assert contents(worker.original.state) == before
    assert {run.facts["shards_retrained"] for run in runs} == {SHARDS}


def test_the_number_of_shards_and_slices_is_the_challenges(linear: Challenge) -> None:
    other = dataclasses.replace(linear, hyperparameters={"sisa": {"shards": 2, "slices": 1}})
    unlearned = kit.unlearn("sisa", other, seed=0)
    assert len(ensembles.members(unlearned.net)) == 2
    assert unlearned.facts == {"examples_shown": 5 * 110, "shards_retrained": 2}


@pytest.mark.parametrize("settings", [{"shards": 0}, {"slices": 0}, {"slices": -1}])
def test_no_shard_or_slice_is_refused(linear: Challenge, settings: dict[str, int]) -> None:
    with pytest.raises(kit.InputError, match="Expected at least one of each"):
        kit.unlearn("sisa", dataclasses.replace(linear, hyperparameters={"sisa": settings}), seed=0)


@pytest.mark.half_precision
def test_a_challenge_of_another_precision_is_unlearned_too(linear: Challenge) -> None:
    halved = dataclasses.replace(linear, model="mlp", precision="bfloat16")
    assert len(ensembles.members(kit.unlearn("sisa", halved, seed=0).net)) == SHARDS


def test_a_users_function_with_a_parameter_of_that_name_is_handed_no_folder(
    linear: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a copy of the working directory."""
    monkeypatch.chdir(tmp_path)
    given = []

    def unlearning(net: keras.Model, retain: Any, forget: Any, validation: Any, *, folder: str = "own") -> keras.Model:
        given.append(folder)
        return net

    kit.unlearn(unlearning, dataclasses.replace(linear, model="mlp"))
    assert given == ["own"]


def test_who_knows_an_example_and_not_the_key_cannot_tell_its_place(trained: Trained, tmp_path: Path) -> None:
    """A full retraining draws another key; the seed that drew one draws it again."""
    train = trained.challenge.train
    guess, truth = (np.stack(places(train, key)) for key in (b"", trained.key))
    expected = 1 / (SHARDS * SLICES)
    assert abs((guess == truth).all(axis=0).mean() - expected) < 4 * np.sqrt(expected / len(train))
    keys = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        pretrain(trained.challenge, folder, seed)
        keys.append(_sharding.Plan.read(folder).key)
    assert keys[0] == trained.key != keys[1]
    assert len(trained.key) == 32


# What a member is trained on


def test_each_slice_is_trained_on_with_all_before_it(tmp_path: Path) -> None:
    """Softmax regression by hand in float64, of whole shards a batch, from one kept file to the next."""
    recipe = Recipe(epochs=5, learning_rate=0.3, momentum=0.9, weight_decay=0.05, schedule="cosine")
    challenge = challenge_of(description(), recipe, batch_size=1000)
    pretrain(challenge, tmp_path / "state")
    shards, slices = places(challenge.train, _sharding.Plan.read(tmp_path / "state").key)
    x = np.hstack([challenge.train.x, np.ones((120, 1))]).astype(np.float64)
    for shard in range(SHARDS):
        for number in range(1, SLICES):
            before, after = (
                np.vstack(list(files.read_npz(tmp_path / "state" / f"shard-{shard}-slice-{count}.npz").values()))
                for count in (number - 1, number)
            )
            rows = np.flatnonzero((shards == shard) & (slices <= number))
            expected = by_hand(before.astype(np.float64), x[rows], challenge.train.y[rows], recipe)
            np.testing.assert_allclose(after, expected, rtol=0, atol=1e-5)


def by_hand(weights: np.ndarray, x: np.ndarray, y: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Two epochs, the share of a slice; momentum and schedule begin anew."""
    moment = np.zeros_like(weights)
    for epoch in range(2):
        gradient = x.T @ (softmax(x @ weights, axis=1) - np.eye(3)[y]) / len(x)
        moment = recipe.momentum * moment + gradient + recipe.weight_decay * weights
        weights = weights - recipe.learning_rate * (1 + np.cos(np.pi * epoch / 2)) / 2 * moment
    return weights


def test_members_begin_at_different_weights(tmp_path: Path) -> None:
    challenge = challenge_of(description(), Recipe(epochs=0))
    kernels = [member.get_weights()[0] for member in ensembles.members(pretrain(challenge, tmp_path / "state"))]
    assert len({kernel.tobytes() for kernel in kernels}) == SHARDS


def test_the_ensemble_averages_probabilities(trained: Trained) -> None:
    trained.net.set_weights(trained.weights)
    x = trained.challenge.test.x
    each = np.stack([x @ trained.weights[2 * number] + trained.weights[2 * number + 1] for number in range(SHARDS)])
    actual = trained.net(x).numpy()
    np.testing.assert_allclose(actual, np.log(softmax(each, axis=-1).mean(axis=0)), rtol=0, atol=1e-5)
    assert np.abs(actual - log_softmax(each.mean(axis=0), axis=-1)).max() > 1e-3  # that would be the mean of logits


def test_examples_are_told_apart_by_image_and_label_and_spread_evenly() -> None:
    arrays = Arrays(np.random.default_rng(0).normal(size=(3000, 4)), np.arange(3000) % 3)
    examples = kit_examples.in_memory(kit_examples.batches(arrays, np.arange(3000), 64))
    ids, relabelled = (each.ids(PLAN.key) for each in (examples, examples.labelled((arrays.y + 1) % 3)))
    assert len(np.unique(np.concatenate([ids, relabelled]))) == 6000
    shards, slices = PLAN.places(ids)
    np.testing.assert_array_equal([shards, slices], places(arrays, PLAN.key))
    assert chisquare(np.bincount(shards * SLICES + slices, minlength=SHARDS * SLICES)).pvalue > 1e-3


# The plan


@pytest.mark.parametrize(("epochs", "slices"), [(0, 4), (2, 4), (5, 4), (20, 4), (12, 1), (30, 25)])
def test_the_epochs_add_up_to_the_steps_of_the_recipe(epochs: int, slices: int) -> None:
    plan = _sharding.Plan(2, slices, Recipe(epochs=epochs), b"")
    each = [plan.epochs(number) for number in range(slices)]
    assert abs(np.dot(each, np.arange(slices) + 1) / slices - epochs) <= 1
    assert max(each) - min(each) <= 1


@pytest.mark.parametrize(("epochs", "slices"), [(1, 1), (1, 4), (2, 4), (3, 8), (30, 50)])
def test_the_last_slice_is_trained_on(epochs: int, slices: int) -> None:
    """Otherwise its examples are never shown."""
    assert _sharding.Plan(2, slices, Recipe(epochs=epochs), b"").epochs(slices - 1) >= 1


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = _sharding.Plan(2, 5, Recipe(7, 0.3, 0.5, 0.01, "cosine"), b"\0secret\xff")
    plan.write(tmp_path)
    assert _sharding.Plan.read(tmp_path) == plan
