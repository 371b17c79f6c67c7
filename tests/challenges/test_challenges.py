"""Challenges: the facts of the presets never change, and a user's file is read whole or refused with advice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import kit
from kit import challenges, datasets
from kit.challenges.hyperparameters import of_challenge
from kit.runs import timing
from kit.types import Arrays, Challenge, Recipe

Refused = Callable[..., str]

PARTS = ("train", "validation", "test")

SHARES = (0.70, 0.15, 0.15)

# Positions in the default partition are multiples of the golden ratio, modulo 1. Let D(n) be the number of the first n
# positions in a part less the part's share of n. A class is a run of positions m + 1 .. n, so that it deviates by
# D(n) - D(m), at most max D - min D. Over the first 2,000 positions that is 2.6, and |D| itself is 2.2 at most; both
# grow as slowly as the logarithm of n. 3 is sound for every class, and for the whole, of data sets of this size (and
# for short runs far beyond it, as with 1,000 classes of five).
WITHIN = 3

# Recorded once. If one of these changes, every published number of the challenge is void.
DATA_SHA256 = {
    "noisy-digits": "d074aed2dac557cc5dc84e0f41ff9b97bba137287ae964e64a7b16a22a57b804",
    "digits": "c8a645224285cb9f1d9984a5d5ef21825aff71ca2d4852605d9ae2d7854318a2",
}
SPLIT_SHA256 = {
    "noisy-digits": "e1a8fae36ff34c53303a1840bde6d86dc5b7f7c7350029c83fc55d5e4da9e097",
    "digits": "e1a8fae36ff34c53303a1840bde6d86dc5b7f7c7350029c83fc55d5e4da9e097",
}


@pytest.fixture(scope="module")
def noisy() -> Challenge:
    return kit.load_challenge("noisy-digits")


def sizes(challenge: Challenge) -> list[int]:
    return [len(getattr(challenge, part)) for part in PARTS]


def check_shares(challenge: Challenge) -> None:
    """The whole and each class are divided 70 : 15 : 15, give or take what rounding explains."""
    columns = [np.bincount(getattr(challenge, part).y, minlength=challenge.num_classes) for part in PARTS]
    counts = np.stack(columns)
    assert np.abs(counts - np.outer(SHARES, counts.sum(axis=0))).max() <= WITHIN
    assert np.abs(counts.sum(axis=1) - np.array(SHARES) * counts.sum()).max() <= WITHIN


# The presets


def test_noisy_digits_has_the_sizes_that_the_documentation_states(noisy: Challenge) -> None:
    assert sizes(noisy) == [1258, 269, 270]
    assert (len(noisy.split.forget), len(noisy.split.retain)) == (126, 1132)
    assert (noisy.name, noisy.model, noisy.input_shape, noisy.num_classes) == (
        "noisy-digits",
        "convnet",
        (8, 8, 1),
        10,
    )


@pytest.mark.parametrize("name", sorted(DATA_SHA256))
def test_data_and_default_forget_set_of_a_preset_never_change(name: str) -> None:
    challenge = kit.load_challenge(name)
    assert challenge.data_sha256 == DATA_SHA256[name]
    assert challenge.split.sha256 == SPLIT_SHA256[name]


def test_every_preset_is_listed_and_loads_under_its_name() -> None:
    assert set(DATA_SHA256) <= set(challenges.names())
    assert list(challenges.names()) == sorted(challenges.CHALLENGES)
    assert all(preset.summary for preset in challenges.CHALLENGES.values())
    assert {name: kit.load_challenge(name).name for name in DATA_SHA256} == {name: name for name in DATA_SHA256}


def test_digits_are_those_of_scikit_learn_scaled_to_one() -> None:
    pixels, labels = load_digits(return_X_y=True)
    arrays = datasets.digits()
    np.testing.assert_array_equal(arrays.x.reshape(1797, 64) * 16, pixels)
    np.testing.assert_array_equal(arrays.y, labels)
    assert (arrays.x.shape, float(arrays.x.min()), float(arrays.x.max())) == ((1797, 8, 8, 1), 0.0, 1.0)
    assert arrays.mislabelled is None


def test_noisy_digits_differ_from_digits_in_the_marked_labels_alone() -> None:
    clean, noisy = datasets.digits(), datasets.noisy_digits()
    np.testing.assert_array_equal(noisy.x, clean.x)
    np.testing.assert_array_equal(noisy.mislabelled, noisy.y != clean.y)
    assert set(noisy.y.tolist()) == set(range(10))


def test_a_fifth_of_the_labels_was_resampled_and_a_tenth_of_these_came_out_right() -> None:
    wrong = int((datasets.noisy_digits().y != datasets.digits().y).sum())
    resampled = round(0.2 * 1797)
    assert wrong <= resampled
    assert abs(wrong - 0.9 * resampled) < 3 * (resampled * 0.9 * 0.1) ** 0.5  # three standard errors of a binomial
    assert 0.17 < wrong / 1797 < 0.19


def test_wrong_labels_are_spread_alike_over_all_digits() -> None:
    clean, noisy = datasets.digits(), datasets.noisy_digits()
    assert noisy.mislabelled is not None
    for label in range(10):
        assert 0.08 < noisy.mislabelled[clean.y == label].mean() < 0.30


def test_wrong_labels_are_as_frequent_in_train_validation_and_test(noisy: Challenge) -> None:
    shares = [getattr(noisy, part).mislabelled.mean() for part in PARTS]
    assert all(0.17 < share < 0.19 for share in shares)
    assert max(shares) - min(shares) < 0.02


@pytest.mark.parametrize("name", sorted(DATA_SHA256))
def test_partition_gives_each_class_its_share_of_train_validation_and_test(name: str) -> None:
    check_shares(kit.load_challenge(name))


def test_partition_uses_every_example_once() -> None:
    challenge, everything = kit.load_challenge("digits"), datasets.digits()

    def rows(arrays: Arrays) -> list[tuple[bytes, int]]:
        return [(image.tobytes(), int(label)) for image, label in zip(arrays.x, arrays.y, strict=True)]

    used = [row for part in PARTS for row in rows(getattr(challenge, part))]
    assert sorted(used) == sorted(rows(everything))


@pytest.mark.parametrize(("forget", "seed"), [("random:0.1", 1), ("random:0.3", 0), ("class:3", 0), ("mislabelled", 2)])
def test_partition_is_the_same_for_any_forget_set_and_seed(forget: str, seed: int) -> None:
    challenge = kit.load_challenge("noisy-digits", forget=forget, split_seed=seed)
    assert challenge.data_sha256 == DATA_SHA256["noisy-digits"]
    assert challenge.split.sha256 != SPLIT_SHA256["noisy-digits"]
    assert (challenge.split.name, challenge.split.seed) == (forget, seed)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("noisy-digit", "noisy-digits"),
        ("noisydigits", "noisy-digits"),
        ("Noisy_Digits", "noisy-digits"),
        ("digit", "digits"),
        ("didgits", "digits"),
        ("cifar", "cifar10"),
        ("cifar-10-small", "cifar10-small"),
        ("fashion_mnist", "fashion-mnist"),
        ("mnist", "mnist-five"),
    ],
)
def test_unknown_names_are_refused_with_near_matches(name: str, near: str, refused: Refused) -> None:
    message = refused(lambda: kit.load_challenge(name), f"no challenge '{name}'", "Did you mean")
    assert near in message.partition("Did you mean")[2]


@pytest.mark.parametrize("name", ["", "imagenet", "faces.txt", "folder/faces"])
def test_names_unlike_any_are_refused_with_the_whole_list(name: str, refused: Refused) -> None:
    refused(lambda: kit.load_challenge(name), f"no challenge '{name}'", ".npz", ", ".join(challenges.names()))


@pytest.mark.parametrize("forget", ["class:10", "group:3", "random:2000"])
def test_bad_forget_set_of_a_preset_is_refused(forget: str, refused: Refused) -> None:
    refused(lambda: kit.load_challenge("noisy-digits", forget=forget), f"'{forget.partition(':')[2]}'")


# Challenges from arrays


def test_arrays_make_a_challenge_with_what_was_passed() -> None:
    arrays = Arrays(np.zeros((40, 6, 6), np.uint8), np.arange(40) % 2)
    recipe = Recipe(epochs=3)
    options: dict[str, Any] = {"recipe": recipe, "batch_size": 7, "hyperparameters": {"finetune": {"epochs": 1}}}
    challenge = kit.make_challenge("mine", arrays, forget="class:1", split_seed=4, model="mlp", **options)
    assert (challenge.name, challenge.model, challenge.recipe, challenge.batch_size) == ("mine", "mlp", recipe, 7)
    assert challenge.hyperparameters == {"finetune": {"epochs": 1}}
    assert (challenge.split.name, challenge.split.seed) == ("class:1", 4)
    assert set(challenge.labels("forget").tolist()) == {1}
    assert [getattr(challenge, part).x.dtype for part in PARTS] == [np.uint8] * 3


@pytest.mark.parametrize(("shape", "model"), [((40, 6), "mlp"), ((40, 6, 6), "convnet"), ((40, 6, 6, 3), "convnet")])
def test_images_get_a_convnet_and_tables_an_mlp(shape: tuple[int, ...], model: str) -> None:
    assert kit.make_challenge("mine", Arrays(np.zeros(shape), np.arange(40) % 2)).model == model


def test_given_partition_is_followed_in_data_order_with_all_columns() -> None:
    partition = np.array([2, 0, 1, 0, 0, 2, 0, 1], np.uint8)
    number = np.arange(8)
    arrays = Arrays(number[:, np.newaxis], number % 2, groups=number + 100, mislabelled=number > 5)
    challenge = kit.make_challenge("mine", arrays, partition=partition, forget="random:1")
    for part, expected in zip(PARTS, ([1, 3, 4, 6], [2, 7], [0, 5]), strict=True):
        taken = getattr(challenge, part)
        assert taken.x[:, 0].tolist() == expected
        assert taken.y.tolist() == [index % 2 for index in expected]
        assert taken.groups.tolist() == [index + 100 for index in expected]
        assert taken.mislabelled.tolist() == [index > 5 for index in expected]
    assert partition.tolist() == [2, 0, 1, 0, 0, 2, 0, 1]


@pytest.fixture(scope="module")
def first_alone() -> str:
    """A forget set for any challenge; a random one takes Keras some time."""
    return "class:0"


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=4), st.integers(0, 9))
def test_default_partition_is_stratified_and_complete_for_any_classes(
    first_alone: str, counts: list[int], seed: int
) -> None:
    counts = [*counts, 20]  # fewer than that in all need not do
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    arrays = Arrays(np.arange(len(labels))[:, np.newaxis] / 1000, labels)
    challenge = kit.make_challenge("mine", arrays, forget=first_alone)
    rows = np.concatenate([getattr(challenge, part).x[:, 0] for part in PARTS])
    assert sorted((rows * 1000).round().astype(int).tolist()) == list(range(len(labels)))
    check_shares(challenge)


def test_wrong_labels_of_small_classes_do_not_all_miss_the_same_part(first_alone: str) -> None:
    """Three in each of 20 classes: cut at rounded shares, 2 + 1 + 0, the test part would have none at all."""
    index = np.arange(400)
    arrays = Arrays(index[:, np.newaxis] / 1000, index % 20, mislabelled=index < 60)
    challenge = kit.make_challenge("mine", arrays, forget=first_alone)
    wrong = [int(getattr(challenge, part).mislabelled.sum()) for part in PARTS]
    assert sum(wrong) == 60
    assert min(wrong) > 0, wrong
    check_shares(challenge)


def test_a_thousand_classes_of_five_examples_are_divided(first_alone: str) -> None:
    index = np.arange(5000)
    challenge = kit.make_challenge("mine", Arrays(index[:, np.newaxis] / 5000, index % 1000), forget=first_alone)
    assert challenge.num_classes == 1000
    check_shares(challenge)


def test_default_partition_depends_on_labels_and_order_but_on_no_pixel() -> None:
    labels = np.arange(60) % 3
    plain = kit.make_challenge("mine", Arrays(np.arange(60)[:, np.newaxis] / 64, labels))
    shifted = kit.make_challenge("mine", Arrays(np.arange(60)[:, np.newaxis] / 64 + 1, labels))
    for part in PARTS:
        np.testing.assert_array_equal(getattr(plain, part).x + 1, getattr(shifted, part).x)


def test_too_few_examples_for_three_parts_are_refused(refused: Refused) -> None:
    arrays = Arrays(np.zeros((2, 3)), np.array([0, 1]))
    refused(lambda: kit.make_challenge("mine", arrays), "2 examples are too few", "twenty or more", "'partition'")


def test_labels_that_are_identifiers_are_refused(refused: Refused) -> None:
    arrays = Arrays(np.zeros((40, 3)), np.arange(40) % 2 * 40)
    refused(lambda: kit.make_challenge("mine", arrays), "labels up to 40", "only 40 examples", "numpy.unique")
    arrays = Arrays(np.zeros((40, 3)), np.arange(40))
    assert kit.make_challenge("mine", arrays).num_classes == 40


def test_batches_of_nothing_are_refused(refused: Refused) -> None:
    arrays = Arrays(np.zeros((40, 3)), np.arange(40) % 2)
    refused(lambda: kit.make_challenge("mine", arrays, batch_size=0), "batch size is 0", "Try 64")


@pytest.mark.parametrize(
    ("partition", "fragments"),
    [
        (np.zeros(8, int), ["values [0]", "each of them present"]),
        (np.arange(8) % 2, ["values [0, 1]", "each of them present"]),
        (np.arange(8) % 2 + 1, ["values [1, 2]", "each of them present"]),
        (np.arange(8) % 4, ["values [0, 1, 2, 3]", "0 for training"]),
        (np.arange(8) % 3 - 1, ["values [-1, 0, 1]", "0 for training"]),
        (np.arange(9) % 3, ["shape (9,)", "8 examples"]),
        (np.arange(8).reshape(8, 1) % 3, ["shape (8, 1)", "8 examples"]),
        (np.arange(8) % 3 * 1.0, ["dtype float64", "one integer"]),
        (np.array(["train", "test"] * 4), ["dtype <U5", "one integer"]),
        (np.array([0, 1] * 4, bool), ["dtype bool", "one integer"]),
    ],
    ids=[
        "train alone",
        "no test",
        "no train",
        "fourth part",
        "negative",
        "too long",
        "2-D",
        "float",
        "text",
        "boolean",
    ],
)
def test_partition_that_is_not_0_1_and_2_for_each_example_is_refused(
    partition: np.ndarray, fragments: list[str], refused: Refused
) -> None:
    arrays = Arrays(np.zeros((8, 3)), np.arange(8) % 2)
    call = lambda: kit.make_challenge("mine", arrays, partition=partition)  # noqa: E731
    refused(call, "partition of 'mine'", *fragments, "Correct 'partition'")


@pytest.mark.parametrize("name", ["../x", "a/b", "", "my faces", "x" * 101, "é" * 51])
def test_names_that_make_no_folder_are_refused(name: str, refused: Refused) -> None:
    arrays = Arrays(np.zeros((40, 3)), np.arange(40) % 2)
    refused(lambda: kit.make_challenge(name, arrays), f"'{name}' cannot name a challenge", "Rename")


# Challenges from files

X = np.random.default_rng(0).normal(size=(60, 5))
Y = np.arange(60) % 3


def saved(folder: Path, name: str = "mine.npz", **arrays: Any) -> str:
    np.savez(folder / name, **arrays)
    return str(folder / name)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_with_x_and_y_is_the_challenge_of_these_arrays(tmp_path: Path, write: Callable[..., None]) -> None:
    write(tmp_path / "my-table.npz", x=X, y=Y)
    challenge = kit.load_challenge(str(tmp_path / "my-table.npz"), forget="random:0.2", split_seed=3)
    same = kit.make_challenge("my-table", Arrays(X, Y), forget="random:0.2", split_seed=3)
    assert (challenge.name, challenge.model) == ("my-table", "mlp")
    assert (challenge.data_sha256, challenge.split.sha256) == (same.data_sha256, same.split.sha256)
    assert sum(sizes(challenge)) == 60


@pytest.mark.parametrize("name", ["table.npz", "table.NPZ", "table.Npz"])
def test_npz_may_be_a_path_and_its_suffix_in_capitals(tmp_path: Path, name: str) -> None:
    path = Path(saved(tmp_path, "table.npz", x=X, y=Y)).rename(tmp_path / name)
    assert kit.load_challenge(path, forget="class:1").name == "table"
    assert kit.load_challenge(str(path), forget="class:1").name == "table"


def test_npz_columns_reach_the_challenge(tmp_path: Path) -> None:
    groups, wrong = np.array([f"s{index // 6}" for index in range(60)]), np.arange(60) % 4 == 0
    partition = np.arange(60) // 6 % 3
    columns = {"groups": groups, "mislabelled": wrong, "partition": partition}
    path = saved(tmp_path, x=X, y=Y, **columns, comment="ignored")
    by_group = kit.load_challenge(path, forget="group:s3")
    assert by_group.split.forget.tolist() == [6, 7, 8, 9, 10, 11]  # s3 is the second subject of the training part
    np.testing.assert_array_equal(by_group.train.x, X[partition == 0].astype(np.float32))
    np.testing.assert_array_equal(by_group.test.groups, groups[partition == 2])
    by_noise = kit.load_challenge(path, forget="mislabelled")
    assert by_noise.split.forget.tolist() == np.flatnonzero(wrong[partition == 0]).tolist()


def test_npz_images_of_bytes_stay_bytes(tmp_path: Path) -> None:
    images = np.arange(60 * 16, dtype=np.uint8).reshape(60, 4, 4)
    challenge = kit.load_challenge(saved(tmp_path, x=images, y=Y))
    assert (challenge.train.x.dtype, challenge.input_shape, challenge.model) == (np.uint8, (4, 4, 1), "convnet")


@pytest.mark.parametrize(
    ("arrays", "fragments"),
    [
        ({"y": Y}, ["no array 'x'", "it holds y", "numpy.savez(path, x=x, y=y)"]),
        ({"x": X}, ["no array 'y'", "it holds x", "numpy.savez(path, x=x, y=y)"]),
        ({"images": X, "labels": Y}, ["no array 'x' and no array 'y'", "images, labels", "numpy.savez"]),
        ({}, ["no array 'x'", "it holds nothing", "numpy.savez"]),
        ({"x": X, "y": Y[:59]}, ["(60, 5)", "(59,)", "same n"]),
        ({"x": X[:0], "y": Y[:0]}, ["(0, 5)", "n >= 1"]),
        ({"x": X, "y": np.ones((60, 3), int)}, ["(60, 3)", "one-hot rows", "'multilabel'"]),
        ({"x": np.where(X > 2, np.nan, X), "y": Y}, ["NaN", "of 60 examples", "nan_to_num"]),
        ({"x": X.astype(str), "y": Y}, ["'x' has dtype", "StringLookup"]),
        ({"x": X, "y": Y - 1}, ["begins with [-1, 0, 1]", "numpy.unique"]),
        ({"x": X, "y": Y * 1.5}, ["'y' has dtype float", "'regression'"]),
        ({"x": X, "y": Y * 400}, ["labels up to 800", "only 60 examples", "numpy.unique"]),
        ({"x": X, "y": Y, "groups": Y[:10]}, ["'groups' has shape (10,)", "60 labels"]),
        ({"x": X, "y": Y, "mislabelled": Y[:10] > 0}, ["'mislabelled' has shape (10,)", "60 labels"]),
        ({"x": X, "y": Y, "mislabelled": Y}, ["'mislabelled' has dtype int64", "Expected booleans"]),
        ({"x": X, "y": Y, "partition": Y % 2}, ["values [0, 1]", "Correct 'partition'"]),
        ({"x": X, "y": Y, "partition": Y[:10]}, ["shape (10,)", "Correct 'partition'"]),
    ],
    ids=[
        "no x",
        "no y",
        "neither",
        "nothing",
        "unequal lengths",
        "no examples",
        "several classes",
        "NaN pixels",
        "x of text",
        "negative labels",
        "float labels",
        "more labels than examples",
        "short groups",
        "short mislabelled",
        "mislabelled of integers",
        "no test part",
        "short partition",
    ],
)
def test_npz_with_unsound_arrays_is_refused(
    tmp_path: Path, arrays: dict[str, Any], fragments: list[str], refused: Refused
) -> None:
    path = saved(tmp_path, **arrays)
    refused(lambda: kit.load_challenge(path), *fragments)


def test_npz_whose_name_makes_no_folder_is_refused(tmp_path: Path, refused: Refused) -> None:
    refused(lambda: kit.load_challenge(saved(tmp_path, "my faces.npz", x=X, y=Y)), "'my faces'", "Rename the file")


def test_npz_in_which_the_forget_set_is_missing_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = saved(tmp_path, x=X, y=Y)
    refused(lambda: kit.load_challenge(path, forget="class:3"), "class '3'", "0, 1, 2", "--forget class:0")
    refused(lambda: kit.load_challenge(path, forget="group:3"), "Group '3'", "'groups'")


@pytest.mark.parametrize("kind", ["absent", "a folder"])
def test_missing_npz_is_refused(tmp_path: Path, kind: str, refused: Refused) -> None:
    path = tmp_path / "mine.npz"
    if kind == "a folder":
        path.mkdir()
    refused(lambda: kit.load_challenge(str(path)), f"no file '{path}'", "'x' and 'y'", "Check the path")


def damaged(content: bytes) -> bytes:
    """Changes bytes of the first array, which zip notices by its checksum."""
    return content[:400] + bytes(255 - byte for byte in content[400:420]) + content[420:]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: b"", "it is no zip archive"),
        (lambda content: b"these are no arrays", "it is no zip archive"),
        (damaged, "Bad CRC-32"),
        (lambda content: content[: len(content) // 2], "it is no zip archive"),
        (lambda content: content[:-30], "it is no zip archive"),
    ],
    ids=["empty", "no zip", "damaged", "half of a zip", "zip without its end"],
)
def test_unreadable_npz_is_refused(
    tmp_path: Path, spoil: Callable[[bytes], bytes], reason: str, refused: Refused
) -> None:
    path = Path(saved(tmp_path, x=X, y=Y))
    path.write_bytes(spoil(path.read_bytes()))
    refused(lambda: kit.load_challenge(path), f"'{path}' cannot be read ({reason}", "'x' and 'y'", "Write it again")


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", ["x", "y", "groups", "comment"])
def test_pickled_arrays_are_refused_and_never_executed(tmp_path: Path, name: str, refused: Refused) -> None:
    intruder = np.array([Intruder(tmp_path / "broken-in")] * 60, object)
    path = saved(tmp_path, **({"x": X, "y": Y} | {name: intruder}))
    refused(lambda: kit.load_challenge(path), f"'{path}' cannot be read", "Write it again")
    assert not (tmp_path / "broken-in").exists()
    with np.load(path, allow_pickle=True) as trusted:  # the danger is real
        trusted[name]
    assert (tmp_path / "broken-in").exists()


# Which examples row numbers mean, and what is not a challenge


def mixed() -> tuple[Arrays, np.ndarray]:
    """200 examples, each with its own row as its only feature, divided at random."""
    partition = np.random.default_rng(3).permutation(np.repeat([0, 1, 2], [120, 40, 40]))
    return Arrays(np.arange(200)[:, np.newaxis] / 100, np.arange(200) % 3), partition


@pytest.mark.parametrize("form", ["array", "npy", "csv"])
@pytest.mark.parametrize("way", ["make_challenge", "load_challenge"])
def test_row_numbers_are_rows_of_all_the_data(tmp_path: Path, form: str, way: str) -> None:
    arrays, partition = mixed()
    asked = np.flatnonzero(partition == 0)[[50, 3, 7]]
    forget: Any = asked
    if form == "npy":
        forget = tmp_path / "forget.npy"
        np.save(forget, asked)
    elif form == "csv":
        forget = str(tmp_path / "forget.csv")
        Path(forget).write_text("\n".join(map(str, asked)))
    if way == "make_challenge":
        challenge = kit.make_challenge("mine", arrays, partition=partition, forget=forget)
    else:
        np.savez(tmp_path / "data.npz", x=arrays.x, y=arrays.y, partition=partition)
        challenge = kit.load_challenge(tmp_path / "data.npz", forget=forget)
    forgotten = challenge.train.x[challenge.split.forget][:, 0]
    np.testing.assert_allclose(forgotten, asked / 100, rtol=1e-6)


@pytest.mark.parametrize("part", [1, 2])
def test_a_row_that_the_model_has_not_learnt_from_cannot_be_forgotten(part: int, refused: Callable[..., str]) -> None:
    arrays, partition = mixed()
    row = np.flatnonzero(partition == part)[0]
    refused(
        lambda: kit.make_challenge("mine", arrays, partition=partition, forget=[row]),
        f"row {row}",
        "no training example",
        "has not learnt from it",
    )


def test_without_a_partition_row_numbers_are_rows_all_the_same(refused: Callable[..., str]) -> None:
    arrays, _ = mixed()
    rows = (kit.make_challenge("mine", arrays).train.x[:, 0] * 100).round().astype(int)
    challenge = kit.make_challenge("mine", arrays, forget=rows[[5, 9]])
    assert challenge.split.forget.tolist() == [5, 9]
    other = np.setdiff1d(np.arange(200), rows)[0]
    refused(lambda: kit.make_challenge("mine", arrays, forget=[other]), f"row {other}", "'partition'", "70 %")


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        ({"model": "model.keras"}, ["no model 'model.keras'", "keras.saving.load_model"]),
        ({"model": "resnet"}, ["no model 'resnet'", "resnet18"]),
        ({"recipe": "recipe.toml"}, ["'recipe.toml'", "kit.Recipe(epochs=20)"]),
        ({"recipe": {"epochs": 3}}, ["{'epochs': 3}", "kit.Recipe"]),
        ({"recipe": None}, ["None", "kit.Recipe"]),
    ],
)
def test_what_is_no_model_or_recipe_is_refused_at_once(
    settings: dict[str, Any], fragments: list[str], refused: Callable[..., str]
) -> None:
    refused(lambda: kit.make_challenge("mine", mixed()[0], **settings), *fragments)


def test_a_file_with_a_model_and_a_recipe_from_python(tmp_path: Path) -> None:
    arrays, partition = mixed()
    np.savez(tmp_path / "data.npz", x=arrays.x, y=arrays.y, partition=partition)
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)], name="scorecard")
    lines: list[str] = []
    challenge = kit.load_challenge(tmp_path / "data.npz", model=net, announce=lines.append)
    assert challenge.original is not None
    assert [line for line in lines if "no recipe was given" in line and "epochs=30" in line]
    lines.clear()
    challenge = kit.load_challenge(tmp_path / "data.npz", model=net, recipe=Recipe(epochs=3), announce=lines.append)
    assert (challenge.recipe, lines) == (Recipe(epochs=3), [])


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_numbers_on_which_training_would_diverge_are_refused(
    tmp_path: Path, dtype: str, refused: Callable[..., str]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype(dtype)
    images[0, 0, 0] = 255
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(60) % 3)
    refused(lambda: kit.load_challenge(tmp_path / "data.npz"), "values up to 255", "uint8", "StandardScaler")
    np.savez(tmp_path / "data.npz", x=images.astype("uint8"), y=np.arange(60) % 3)
    kit.load_challenge(tmp_path / "data.npz")


SQUARE = np.random.default_rng(0).random((60, 8, 8))
TABLE = np.random.default_rng(0).normal(size=(60, 5))


@pytest.mark.parametrize(
    ("x", "fragment"),
    [
        (SQUARE * 16, "up to 9.19"),  # as scikit-learn's digits: training diverges
        (SQUARE.reshape(60, 64) * 16, "up to 1"),
        (TABLE * [1, 1, 1, 1, 30], "of a column or channel: up to 36.6"),
        (TABLE + np.eye(5)[4] * 40, "of a column or channel: up to 40"),  # an age among standardised columns
    ],
    ids=["images", "flat images", "a wide column", "a column off centre"],
)
def test_moderate_numbers_on_which_nothing_is_learnt_are_refused_by_python_too(
    x: np.ndarray, fragment: str, refused: Callable[..., str]
) -> None:
    arrays = Arrays(x, np.arange(60) % 3)
    refused(lambda: kit.make_challenge("mine", arrays), fragment, "about -3 to 3", "x / x.max()")
    net = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(3)])
    kit.make_challenge("mine", arrays, model=net)  # a model of one's own scales as it likes


@pytest.mark.parametrize("x", [SQUARE, SQUARE * 2 - 1, TABLE, TABLE + np.eye(5)[4] * 3, np.eye(60)])
def test_numbers_of_the_usual_size_are_taken(x: np.ndarray) -> None:
    kit.make_challenge("mine", Arrays(x, np.arange(60) % 3))


@pytest.mark.parametrize("largest", [1, 16, 127])
@pytest.mark.parametrize("shape", [(60, 6), (60, 8, 8)])
def test_bytes_that_are_no_images_of_0_to_255_are_refused(
    shape: tuple[int, ...], largest: int, refused: Callable[..., str]
) -> None:
    """Divided by 255, a table of 0 and 1 teaches a model nothing."""
    x = np.random.default_rng(0).integers(0, largest + 1, shape, np.uint8)
    x.flat[0] = largest
    labels = np.arange(60) % 3
    net = keras.Sequential([keras.Input(shape[1:]), keras.layers.Flatten(), keras.layers.Dense(3)])
    for model in (None, net):
        make = lambda model=model: kit.make_challenge("mine", Arrays(x, labels), model=model)  # noqa: E731
        refused(make, f"goes up to {largest}", "0 to 255", "x.astype('float32')")
    x.flat[0] = 255
    kit.make_challenge("mine", Arrays(x, labels))


def test_a_users_file_that_is_named_like_a_challenge_has_none_of_its_settings(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar10-small.npz", x=TABLE, y=np.arange(60) % 3)
    assert kit.load_challenge(tmp_path / "cifar10-small.npz").hyperparameters == {}
    assert of_challenge("cifar10-small")


@pytest.mark.parametrize(
    "call",
    [
        lambda: kit.evaluate("finetune", "noisy-digits"),
        lambda: kit.unlearn("finetune", "noisy-digits"),
        lambda: kit.run_population("finetune", "noisy-digits", num_models=1),
    ],
)
def test_a_name_is_no_challenge(call: Callable[[], Any], refused: Callable[..., str]) -> None:
    refused(call, "'noisy-digits', of type str", "kit.load_challenge('noisy-digits')")


def test_an_unknown_method_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.setattr(timing, "reference", lambda *_, **__: pytest.fail("a retraining was timed"))
    refused(lambda: kit.evaluate("finetun", kit.load_challenge("digits")), "no method 'finetun'", "finetune")
