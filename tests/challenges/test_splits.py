"""Forget sets: the same everywhere for the same seed, disjoint and complete, and refused with advice otherwise."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import pickle
import random
import struct
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from calls import calls_of
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.challenges.splits import make_split, shuffled_halves
from kit.storage import files
from kit.types import Arrays, Split

Refused = Callable[..., str]

PROPERTY = settings(max_examples=8, deadline=None, database=None, derandomize=True)


def labelled(labels: Any, **columns: Any) -> Arrays:
    return Arrays(np.zeros((len(labels), 2)), np.asarray(labels), **columns)


@pytest.fixture(scope="module")
def train() -> Arrays:
    """60 examples of classes 0 to 5 in turn, ten subjects of six examples, every seventh label wrong."""
    subjects = np.array([f"s{number}" for number in np.arange(60) // 6])
    return labelled(np.arange(60) % 6, groups=subjects, mislabelled=np.arange(60) % 7 == 0)


def check_partition(split: Split, examples: int) -> None:
    """Forget and retain are disjoint and cover everything, checked with sets."""
    forget, retain = set(split.forget.tolist()), set(split.retain.tolist())
    assert len(forget) == len(split.forget) > 0
    assert len(retain) == len(split.retain) > 0
    assert forget.isdisjoint(retain)
    assert forget | retain == set(range(examples))


# Random splits


@pytest.mark.parametrize("examples", [37, 1258])
@pytest.mark.parametrize("seed", [0, 42])
def test_random_split_has_the_order_of_keras_split_dataset(examples: int, seed: int) -> None:
    halves = keras.utils.split_dataset(np.arange(examples), left_size=0.1, shuffle=True, seed=seed)
    forget, retain = ([int(index) for index in half.as_numpy_iterator()] for half in halves)
    split = make_split(labelled(np.arange(examples) % 3), "random:0.1", seed)
    assert split.forget.tolist() == forget
    assert split.retain.tolist() == retain


@pytest.mark.parametrize("examples", [2, 3, 10, 255, 1258])
def test_halves_are_those_of_the_installed_keras(examples: int) -> None:
    """Whatever the seed and where the cut is, which does not matter to the order."""
    sizes = (1, examples // 3 or 1, examples - 1)
    seeds = (0, 1, 7, 42, 103, 2023, 2**31 - 1, 2**40)
    for seed, size in [*itertools.product(seeds[:1], sizes), *zip(seeds[1:], itertools.cycle(sizes))]:
        halves = keras.utils.split_dataset(np.arange(examples), left_size=size, shuffle=True, seed=seed)
        expected = [np.concatenate(list(half.batch(1 << 16).as_numpy_iterator())) for half in halves]
        for indices, by_keras in zip(shuffled_halves(examples, size, seed), expected, strict=True):
            np.testing.assert_array_equal(indices, by_keras)


@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("seed", [0, 7])
def test_random_split_is_the_head_of_pythons_own_shuffle(share: float, seed: int) -> None:
    order = list(range(105))
    random.Random(seed).shuffle(order)
    split = make_split(labelled(np.arange(105) % 3), f"random:{share}", seed)
    assert split.forget.tolist() == order[: round(share * 105)]
    assert split.retain.tolist() == order[round(share * 105) :]


@pytest.mark.parametrize(("forget", "count"), [("random:1", 1), ("random:12", 12), ("random:59", 59), ("random", 6)])
def test_random_split_takes_a_number_of_examples_or_a_tenth(train: Arrays, forget: str, count: int) -> None:
    split = make_split(train, forget)
    assert len(split.forget) == count
    check_partition(split, 60)


def global_states() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return random.getstate(), (name, keys.tolist(), *rest)


@pytest.mark.parametrize("forget", ["random:0.1", "stratified:0.2", "class:3"])
def test_global_random_states_are_unchanged(train: Arrays, forget: str) -> None:
    before = global_states()
    make_split(train, forget, seed=3)
    assert global_states() == before


@pytest.mark.parametrize("forget", ["random:0.1", "stratified:0.1"])
def test_global_random_state_does_not_enter_the_split(train: Arrays, forget: str) -> None:
    random.seed(1)
    digest = make_split(train, forget, seed=5).sha256
    random.seed(2)
    assert make_split(train, forget, seed=5).sha256 == digest


@pytest.mark.parametrize("forget", ["random:0.3", "stratified:0.3"])
def test_same_seed_same_digest_and_another_seed_another(train: Arrays, forget: str) -> None:
    digests = [make_split(train, forget, seed).sha256 for seed in (0, 1, 0)]
    assert digests[0] == digests[2] != digests[1]


def test_digest_of_a_made_split_is_what_hashlib_gives_by_hand(train: Arrays) -> None:
    split = make_split(train, "random:0.1", 4)
    by_hand = hashlib.sha256()
    for indices in (split.forget.tolist(), split.retain.tolist()):
        by_hand.update(struct.pack(f"<Q{len(indices)}q", len(indices), *indices))
    assert split.sha256 == by_hand.hexdigest()


def test_split_records_how_it_was_asked_for(train: Arrays) -> None:
    split = make_split(train, "random:0.2", 9)
    assert (split.name, split.seed) == ("random:0.2", 9)


# Stratified, class, group and mislabelled


@pytest.mark.parametrize("share", [1 / 3, 0.77])
@pytest.mark.parametrize("seed", [0, 1])
def test_stratified_takes_its_share_of_each_class_and_the_exact_total(share: float, seed: int) -> None:
    labels = np.repeat([0, 1, 2, 4], [50, 31, 7, 12])
    split = make_split(labelled(labels), f"stratified:{share}", seed)
    check_partition(split, 100)
    assert len(split.forget) == round(share * 100)
    for label in (0, 1, 2, 4):
        members = labels == label
        assert abs(members[split.forget].sum() - share * members.sum()) < 1


def test_stratified_chooses_at_random_within_a_class() -> None:
    """Not the first members of each class: over seeds, every example is forgotten sometimes and retained sometimes."""
    forgotten = [set(make_split(labelled([0, 1] * 5), "stratified:0.4", seed).forget.tolist()) for seed in range(8)]
    assert set.union(*forgotten) == set(range(10))
    assert set.intersection(*forgotten) == set()


@pytest.mark.parametrize(
    ("forget", "classes"), [("class:0", {0}), ("class:5", {5}), ("class:3,5", {3, 5}), ("class: 5 , 3", {3, 5})]
)
def test_class_split_forgets_all_examples_of_the_classes_in_data_order(
    train: Arrays, forget: str, classes: set[int]
) -> None:
    split = make_split(train, forget)
    assert split.forget.tolist() == [index for index, label in enumerate(train.y.tolist()) if label in classes]
    assert split.retain.tolist() == [index for index, label in enumerate(train.y.tolist()) if label not in classes]


@pytest.mark.parametrize(("forget", "groups"), [("group:s1", {"s1"}), ("group:s0,s9", {"s0", "s9"})])
def test_group_split_keeps_all_examples_of_a_subject_on_one_side(train: Arrays, forget: str, groups: set[str]) -> None:
    assert train.groups is not None
    split = make_split(train, forget)
    assert set(train.groups[split.forget]) == groups
    assert groups.isdisjoint(train.groups[split.retain])
    check_partition(split, 60)


def test_group_names_are_compared_whole_as_numbers_or_text() -> None:
    """`group:1` is subject 1, neither 10 nor 11."""
    for subjects in (np.array([1, 10, 11, 1]), np.array(["1", "10", "11", "1"])):
        assert make_split(labelled([0, 1, 0, 1], groups=subjects), "group:1").forget.tolist() == [0, 3]


def test_a_group_whose_name_holds_a_comma_can_be_asked_for() -> None:
    people = np.array(["Doe, Jane", "Doe", "Jane", "Doe, Jane"])
    arrays = labelled([0, 1, 0, 1], groups=people)
    assert make_split(arrays, "group:Doe, Jane").forget.tolist() == [0, 3]
    assert make_split(arrays, "group:Doe,Jane").forget.tolist() == [1, 2]


def test_mislabelled_split_forgets_exactly_the_wrong_labels(train: Arrays) -> None:
    split = make_split(train, "mislabelled")
    assert split.forget.tolist() == list(range(0, 60, 7))
    check_partition(split, 60)


@pytest.mark.parametrize("forget", ["class:2", "group:s3", "mislabelled"])
def test_splits_that_are_not_random_do_not_depend_on_the_seed(train: Arrays, forget: str) -> None:
    assert make_split(train, forget, 0).sha256 == make_split(train, forget, 1).sha256


@pytest.mark.parametrize("forget", ["random:0.1", "stratified:0.1", "class:3", "group:s3", "mislabelled"])
def test_making_a_split_leaves_the_data_as_it_was(train: Arrays, forget: str) -> None:
    columns = ("x", "y", "groups", "mislabelled")
    before = [getattr(train, column).tobytes() for column in columns]
    make_split(train, forget)
    assert [getattr(train, column).tobytes() for column in columns] == before


def test_a_name_with_a_comma_stands_in_quotes_among_others(refused: Refused) -> None:
    names = ["Doe", "Jane", "Doe, Jane", "Roe, Bob", "Bob"]
    arrays = labelled(np.zeros(10, int), groups=np.array(names * 2))
    for forget, rows in (
        ('group:"Doe, Jane"', [2, 7]),
        ('group:"Doe, Jane","Roe, Bob"', [2, 3, 7, 8]),
        ('group:"Doe", "Jane"', [0, 1, 5, 6]),
        ("group:Doe,Bob", [0, 4, 5, 9]),
    ):
        assert make_split(arrays, forget).forget.tolist() == rows
    refused(
        lambda: make_split(arrays, "group:Roe, Al"), "'Al', 'Roe'", 'one of Bob, Doe, "Doe, Jane", Jane, "Roe, Bob"'
    )


# Files


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("7\n3\n59\n", [7, 3, 59]),
        ("index\n7\n3\n", [7, 3]),
        ("row\n7\n3\n", [7, 3]),
        ("subject,index,weight\n1,7,0.5\n2,3,0.5\n", [7, 3]),
        ("subject, Index \n1,7\n2,3\n", [7, 3]),
        ("\ufeff7\n3\n", [7, 3]),
        ("\n7\n\n3\n", [7, 3]),
        ("7\r\n3", [7, 3]),
        ('"7"\n"3"\n', [7, 3]),
    ],
    ids=[
        "bare",
        "headed index",
        "headed otherwise",
        "index second",
        "index in capitals",
        "byte order mark",
        "empty lines",
        "Windows line ends",
        "quoted",
    ],
)
def test_csv_of_indices_is_forgotten_in_the_order_of_the_file(
    train: Arrays, tmp_path: Path, text: str, indices: list[int]
) -> None:
    path = tmp_path / "forget.csv"
    path.write_bytes(text.encode())
    split = make_split(train, str(path))
    assert split.forget.tolist() == indices
    check_partition(split, 60)


@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4"])
def test_npy_of_indices_is_forgotten_in_the_order_of_the_file(train: Arrays, tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "forget.npy", np.array([7, 3, 59], dtype))
    split = make_split(train, str(tmp_path / "forget.npy"))
    assert split.forget.tolist() == [7, 3, 59]
    assert split.forget.dtype == np.int64
    check_partition(split, 60)


@pytest.mark.parametrize("as_path", [str, Path])
def test_saved_split_is_loaded_as_it_was(train: Arrays, tmp_path: Path, as_path: Callable[[Path], Any]) -> None:
    split = make_split(train, "random:0.1", 3)
    kit.save_split(split, as_path(tmp_path / "deep" / "split.npz"))
    loaded = kit.load_split(as_path(tmp_path / "deep" / "split.npz"))
    assert (loaded.name, loaded.seed, loaded.sha256) == ("random:0.1", 3, split.sha256)
    assert loaded.forget.tolist() == split.forget.tolist()
    assert loaded.retain.tolist() == split.retain.tolist()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["split.npz"]


@pytest.mark.parametrize("as_path", [str, Path])
def test_saved_split_is_returned_as_recorded(train: Arrays, tmp_path: Path, as_path: Callable[[Path], Any]) -> None:
    """Its own name, seed and order, not those of the second call: a report says which forget set it was."""
    split = make_split(train, "random:0.1", 3)
    kit.save_split(split, tmp_path / "split.npz")
    again = make_split(train, as_path(tmp_path / "split.npz"), seed=9)
    assert (again.name, again.seed, again.sha256) == ("random:0.1", 3, split.sha256)
    assert again.forget.tolist() == split.forget.tolist()
    assert again.retain.tolist() == split.retain.tolist() != sorted(split.retain.tolist())


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".npz"])
@pytest.mark.parametrize("as_path", [str, Path])
def test_paths_and_suffixes_in_capitals_are_accepted(
    train: Arrays, tmp_path: Path, suffix: str, as_path: Callable[[Path], Any]
) -> None:
    path = tmp_path / f"forget{suffix}"
    if suffix == ".npy":
        np.save(path, np.array([7, 3]))
    elif suffix == ".csv":
        path.write_text("7\n3\n")
    else:
        kit.save_split(Split("mine", 0, np.array([7, 3]), np.delete(np.arange(60), [3, 7])), path)
    assert make_split(train, as_path(path)).forget.tolist() == [7, 3]
    path = path.rename(path.with_name(f"FORGET{suffix.upper()}"))
    assert make_split(train, as_path(path)).forget.tolist() == [7, 3]


def test_saved_split_is_replaced_whole(train: Arrays, tmp_path: Path) -> None:
    for seed in (0, 1):
        kit.save_split(make_split(train, "random:0.1", seed), tmp_path / "split.npz")
    assert kit.load_split(tmp_path / "split.npz").seed == 1


def test_a_save_that_fails_leaves_the_old_split_and_nothing_else(
    train: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_halfway(stream: Any, array: np.ndarray, **options: Any) -> None:
        stream.write(b"\x93NUMPY")
        raise OSError("no space left")

    kit.save_split(make_split(train, "random:0.1", 0), tmp_path / "split.npz")
    monkeypatch.setattr(np.lib.format, "write_array", fail_halfway)
    with pytest.raises(files.CannotWrite, match="no space left"):
        kit.save_split(make_split(train, "random:0.1", 1), tmp_path / "split.npz")
    assert kit.load_split(tmp_path / "split.npz").seed == 0
    assert [path.name for path in tmp_path.iterdir()] == ["split.npz"]


# Properties


@PROPERTY
@given(st.data(), st.integers(2, 60), st.integers(0, 2**31))
def test_random_forget_and_retain_are_disjoint_and_cover_everything(data: Any, examples: int, seed: int) -> None:
    count = data.draw(st.integers(1, examples - 1))
    split = make_split(labelled(np.zeros(examples, int)), f"random:{count}", seed)
    check_partition(split, examples)
    assert len(split.forget) == count


@PROPERTY
@given(st.data(), st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(0, 9))
def test_stratified_is_within_one_of_each_share_for_any_labels(data: Any, labels: list[int], seed: int) -> None:
    count = data.draw(st.integers(1, len(labels) - 1))
    split = make_split(labelled(labels), f"stratified:{count}", seed)
    check_partition(split, len(labels))
    assert len(split.forget) == count
    taken = [labels[index] for index in split.forget]
    for label in set(labels):
        assert abs(taken.count(label) - labels.count(label) * count / len(labels)) < 1


@PROPERTY
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60).filter(lambda labels: len(set(labels)) > 1), st.data())
def test_class_and_group_splits_are_disjoint_and_cover_everything(labels: list[int], data: Any) -> None:
    value = data.draw(st.sampled_from(labels))
    by_class = make_split(labelled(labels), f"class:{value}")
    by_group = make_split(labelled(np.zeros(len(labels), int), groups=np.array(labels)), f"group:{value}")
    check_partition(by_class, len(labels))
    assert by_class.sha256 == by_group.sha256
    assert len(by_class.forget) == labels.count(value)


@PROPERTY
@given(st.lists(st.integers(0, 29), min_size=1, max_size=29, unique=True), st.booleans())
def test_any_list_of_indices_is_forgotten_as_it_is(indices: list[int], headed: bool) -> None:
    headed = headed or indices[0] == 0  # which might be pandas's header
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "forget.csv")
        path.write_text("index\n" * headed + "".join(f"{index}\n" for index in indices))
        split = make_split(labelled(np.zeros(30, int)), str(path))
    check_partition(split, 30)
    assert split.forget.tolist() == indices


# Size


def colour_images(count: int) -> Arrays:
    """12 kB each, which nobody holds unless somebody copies them: 50,000 would take 614 MB."""
    index = np.arange(count)
    images = np.broadcast_to(np.uint8(0), (count, 64, 64, 3))
    return Arrays(images, index % 10, groups=index // 10, mislabelled=index % 5 == 0)


LARGE = ["random:0.1", "stratified:0.1", "class:3,5", "group:7", "mislabelled"]


@pytest.mark.parametrize("forget", LARGE)
def test_a_split_takes_calls_in_proportion_to_the_examples_at_most(forget: str) -> None:
    calls = [calls_of(lambda size=size: make_split(colour_images(size), forget)) for size in (5_000, 50_000)]
    assert calls[1] <= 10 * calls[0] + 1_000
    assert calls[1] < 15 * 50_000


@pytest.mark.parametrize("forget", LARGE)
def test_a_split_copies_no_image(forget: str) -> None:
    large = colour_images(5_000)
    tracemalloc.start()
    try:
        split = make_split(large, forget)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    check_partition(split, 5_000)
    assert peak < large.x.size * large.x.itemsize / 20


# Bad input


@pytest.mark.parametrize(
    ("forget", "fragments"),
    [
        ("clas:3", ["'clas:3' is unknown", "class:LABEL", "Try random:0.1"]),
        ("", ["'' is unknown", "Try random:0.1"]),
        ("0.1", ["'0.1' is unknown", "random:SHARE", "Try random:0.1"]),
        ("forget.txt", ["'forget.txt' is unknown", ".npy, .csv, .npz", "Try random:0.1"]),
        ("class:6", ["No training example has the class '6'", "0, 1, 2, 3, 4, 5", "--forget class:0"]),
        ("class:3,77", ["class '77'", "--forget class:0"]),
        ("class:-1", ["class '-1'", "--forget class:0"]),
        ("class:", ["class ''", "--forget class:0"]),
        ("class:0,1,2,3,4,5", ["everything is to be forgotten", "60 of 60", "Choose another"]),
        ("group:nobody", ["group 'nobody'", "s0, s1", "--forget group:s0"]),
        ("mislabelled:3", ["takes no argument", "'3'", "mislabelled"]),
    ],
)
def test_unknown_forms_classes_and_groups_are_refused(
    train: Arrays, forget: str, fragments: list[str], refused: Refused
) -> None:
    refused(lambda: make_split(train, forget), *fragments)


@pytest.mark.parametrize("kind", ["random", "stratified"])
@pytest.mark.parametrize(
    "share", ["0", "0.0", "1.0", "1.5", "-0.1", "-3", "abc", "nan", "inf", "-inf", "0.001", "60", "61"]
)
def test_shares_that_leave_nothing_on_one_side_are_refused(
    train: Arrays, kind: str, share: str, refused: Refused
) -> None:
    refused(lambda: make_split(train, f"{kind}:{share}"), f"'{share}' of 60", "between 0 and 1", "Try --forget")


@pytest.mark.parametrize("forget", ["random:0.1", "stratified:0.1", "class:3"])
def test_negative_seeds_are_refused(train: Arrays, forget: str, refused: Refused) -> None:
    refused(lambda: make_split(train, forget, -1), "seed is -1", "Try --split-seed 0")


def test_groups_that_nobody_gave_are_refused(refused: Refused) -> None:
    refused(lambda: make_split(labelled([0, 1]), "group:7"), "Group '7'", "'groups'", "kit.make_challenge")


def test_mislabelled_is_refused_where_wrong_labels_are_unknown(refused: Refused) -> None:
    refused(lambda: make_split(labelled([0, 1]), "mislabelled"), "does not know which", "--challenge noisy-digits")


def test_mislabelled_is_refused_where_no_label_is_wrong(refused: Refused) -> None:
    arrays = labelled([0, 1], mislabelled=np.zeros(2, bool))
    refused(lambda: make_split(arrays, "mislabelled"), "nothing is to be forgotten", "Choose another")


def test_a_long_list_of_groups_is_cut_short(refused: Refused) -> None:
    arrays = labelled(np.zeros(500, int), groups=np.arange(500))
    assert len(refused(lambda: make_split(arrays, "group:x"), "group 'x'", ", ...")) < 400


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("", ["nothing is to be forgotten", "Choose another"]),
        ("index\n", ["nothing is to be forgotten", "Choose another"]),
        ("3\n4\n3\n", ["row 3 more than once", "1 duplicates", "numpy.unique"]),
        ("3\n60\n61\n", ["row 60", "no training example", "2 such rows", "(0 to 59)", "'partition'"]),
        ("3\n-1\n", ["row -1", "no training example", "(0 to 59)"]),
        ("3\nfour\n", ["cannot be read", "line 2 has no integer there: 'four'", "headed 'row'", "Write it again"]),
        ("index\n3\n4.5\n", ["cannot be read", "line 3 has no integer there: '4.5'", "Write it again"]),
        ("3.0\n4\n", ["cannot be read", "line 1 has no integer there: '3.0'", "Write it again"]),
        ("3\n99999999999999999999\n", ["cannot be read", "Write it again"]),
        ("subject,index\n1\n", ["cannot be read", "line 2 has no integer there: '1'", "Write it again"]),
        ("7,cat\n3,dog\n", ["headed '7', 'cat'", "'row' or 'index'"]),
        ("a,b,c\n7,3,1\n", ["headed 'a', 'b', 'c'", "'row' or 'index'"]),
        ("index\n" + "\n".join(map(str, range(60))), ["everything is to be forgotten", "Choose another"]),
        ("0\n5\n13\n", ["its first line, 0, is row 0 or the header that pandas writes", "the line 'index'"]),
        ("index\n5\n1,003\n", ["line 3 has 2 columns where the first has 1: '1,003'"]),
        ("5\n1,003\n", ["line 2 has 2 columns where the first has 1: '1,003'"]),
        ("index,why\n5,asked\n1,003,asked\n", ["line 3 has 3 columns where the first has 2"]),
        ('index\n5\n"1,003"\n', ["line 3 has no integer there: '1,003'"]),
        ("index\n5\n1.003\n", ["line 3 has no integer there: '1.003'"]),
        ("index\n5\n1 003\n", ["line 3 has no integer there: '1 003'"]),
    ],
    ids=[
        "empty",
        "header alone",
        "duplicate",
        "out of range",
        "negative",
        "text",
        "fraction",
        "fraction in the first row",
        "huge",
        "short row",
        "two columns",
        "three columns",
        "everything",
        "pandas's header or row 0",
        "thousands below a header",
        "thousands",
        "thousands beside a column",
        "thousands in quotes",
        "thousands with a dot",
        "thousands with a space",
    ],
)
def test_bad_csv_is_refused(train: Arrays, tmp_path: Path, text: str, fragments: list[str], refused: Refused) -> None:
    path = tmp_path / "forget.csv"
    path.write_text(text)
    refused(lambda: make_split(train, str(path)), str(path), *fragments)


@pytest.mark.parametrize(
    ("indices", "fragments"),
    [
        (np.array([3.0, 4.0]), ["float64", "numpy.flatnonzero"]),
        (np.array([[3, 4]]), ["(1, 2)", "numpy.flatnonzero"]),
        (np.array(3), ["()", "numpy.flatnonzero"]),
        (np.arange(60) < 5, ["dtype bool", "numpy.flatnonzero"]),
        (np.array(["3"]), ["<U1", "numpy.flatnonzero"]),
        (np.zeros(3, [(f"column {number}", "i4") for number in range(700)]), ["cannot be read", "Write it again"]),
        (np.array([], int), ["nothing is to be forgotten", "Choose another"]),
        (np.array([3, 3, 4, 4]), ["row 3 more than once", "2 duplicates", "numpy.unique"]),
        (np.array([3, 60]), ["row 60", "no training example", "(0 to 59)"]),
        (np.array([-1, 3]), ["row -1", "(0 to 59)"]),
        (np.array([2**64 - 1], np.uint64), ["18446744073709551615", "(0 to 59)"]),
    ],
    ids=[
        "float",
        "2-D",
        "0-D",
        "mask",
        "text",
        "table",
        "empty",
        "duplicates",
        "out of range",
        "negative",
        "beyond int64",
    ],
)
def test_bad_npy_is_refused(
    train: Arrays, tmp_path: Path, indices: np.ndarray, fragments: list[str], refused: Refused
) -> None:
    np.save(tmp_path / "forget.npy", indices)
    refused(lambda: make_split(train, str(tmp_path / "forget.npy")), "forget.npy", *fragments)


@pytest.mark.parametrize("first", ["index", "Row", "row_number"])
def test_a_header_says_that_rows_are_meant(train: Arrays, tmp_path: Path, first: str) -> None:
    path = tmp_path / "forget.csv"
    path.write_text(f"{first}\n14\n21\n")
    assert make_split(train, path).forget.tolist() == [14, 21]


@pytest.mark.parametrize("first", ["ID", "Zeile", "customer_id", "customer id"])
def test_numbers_under_another_header_are_not_taken_for_rows(
    train: Arrays, tmp_path: Path, first: str, refused: Refused
) -> None:
    path = tmp_path / "forget.csv"
    path.write_text(f"{first}\n14\n21\n")
    refused(lambda: make_split(train, path), f"headed '{first}'", "other people would be forgotten", "--id-column")


def test_requests_by_id_or_group_name_all_examples_of_each(tmp_path: Path) -> None:
    arrays = labelled(np.zeros(6, int), groups=np.array(list("aabbcc")))
    arrays = dataclasses.replace(arrays, keys={"customer": np.array([10, 20, 10, 30, 40, 50])})
    path = tmp_path / "forget.csv"
    path.write_text("Customer,why\n10,asked\n40,moved\n")
    assert make_split(arrays, path).forget.tolist() == [0, 2, 4]
    path.write_text("group\nb\n")
    assert make_split(arrays, path).forget.tolist() == [2, 3]
    path.write_text("customer,index\n10,5\n")  # rows are the plainer of two
    assert make_split(arrays, path).forget.tolist() == [5]


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("customer\n10\n99\n", ["1 of 2", "'99'", "unknown, already absent"]),
        ("customer\n10\n20\n10\n", ["the customer '10' more than once"]),
        ("customer,group\n10,a\n", ["several of its columns"]),
        ("order\n10\n", ["headed 'order'", "by 'customer'"]),
    ],
)
def test_ids_that_are_unknown_double_or_unclear_are_refused(
    tmp_path: Path, text: str, fragments: list[str], refused: Refused
) -> None:
    arrays = labelled(np.zeros(4, int), groups=np.array(list("aabb")))
    arrays = dataclasses.replace(arrays, keys={"customer": np.array([10, 20, 10, 30])})
    path = tmp_path / "forget.csv"
    path.write_text(text)
    refused(lambda: make_split(arrays, path), *fragments)


@pytest.mark.parametrize("first", ["bob@example.com", "O7", "-", "deleted: 5", "#3", "1e1", "7;", "0x1f"])
def test_a_request_that_cannot_be_read_is_not_taken_for_a_header(
    train: Arrays, tmp_path: Path, first: str, refused: Refused
) -> None:
    path = tmp_path / "forget.csv"
    path.write_text(f"{first}\n14\n21\n")
    refused(lambda: make_split(train, path), f"line 1 has no integer there: '{first}'")


@pytest.mark.parametrize("form", [list, tuple, np.array])
def test_row_numbers_may_be_given_as_they_are(train: Arrays, form: Callable[[list[int]], Any]) -> None:
    split = make_split(train, form([7, 3]))
    assert (split.forget.tolist(), split.name) == ([7, 3], "row numbers")
    assert split.sha256 == make_split(train, np.array([7, 3], np.uint8)).sha256


def test_row_numbers_count_what_they_are_said_to_count(train: Arrays, tmp_path: Path, refused: Refused) -> None:
    rows = np.random.default_rng(0).permutation(1000)[: len(train)]
    asked = rows[[40, 2, 17]]
    np.save(tmp_path / "forget.npy", asked)
    for forget in (asked, asked.tolist(), tmp_path / "forget.npy"):
        split = make_split(train, forget, rows=rows)
        assert split.forget.tolist() == [40, 2, 17]
        assert sorted([*split.forget, *split.retain]) == list(range(len(train)))
    other = np.setdiff1d(np.arange(1000), rows)[:2]
    refused(lambda: make_split(train, other, rows=rows), f"row {other[0]}", "no training example", "2 such rows")


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".npz"])
@pytest.mark.parametrize("kind", ["absent", "a folder"])
def test_missing_files_are_refused(train: Arrays, tmp_path: Path, suffix: str, kind: str, refused: Refused) -> None:
    path = tmp_path / f"forget{suffix}"
    if kind == "a folder":
        path.mkdir()
    refused(lambda: make_split(train, str(path)), f"no file '{path}'", suffix, "Check the path")


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".npz"])
@pytest.mark.parametrize("content", [b"\xff\xfe\x00nonsense", b"\x93NUMPY\x01\x00"])
def test_files_of_nonsense_are_refused(
    train: Arrays, tmp_path: Path, suffix: str, content: bytes, refused: Refused
) -> None:
    path = tmp_path / f"forget{suffix}"
    path.write_bytes(content)
    reason = "it is no zip archive" if suffix == ".npz" else ""
    refused(lambda: make_split(train, str(path)), f"'{path}' cannot be read ({reason}", "Write it again")


@pytest.mark.parametrize(
    ("arrays", "fragments"),
    [
        ({"forget": np.arange(3)}, ["cannot be read", "Write it again"]),
        ({"forget": np.arange(3), "retain": np.arange(3, 60), "name": "a", "seed": "b"}, ["cannot be read"]),
        (
            {"forget": np.arange(3), "retain": np.arange(2, 60), "name": "a", "seed": 0},
            ["The forget and retain", "'a'"],
        ),
        (
            {"forget": np.arange(3), "retain": np.arange(4, 60), "name": "a", "seed": 0},
            ["The forget and retain", "'a'"],
        ),
    ],
    ids=["nothing but forget", "seed of text", "overlap", "gap"],
)
def test_npz_that_is_no_split_is_refused(
    tmp_path: Path, arrays: dict[str, Any], fragments: list[str], refused: Refused
) -> None:
    np.savez(tmp_path / "split.npz", **arrays)
    message = refused(lambda: kit.load_split(tmp_path / "split.npz"), *fragments, "kit.save_split")
    assert message.count("Expected") == 1  # one paragraph, not one inside another


@pytest.mark.parametrize("examples", [59, 100])
def test_split_of_another_training_set_is_refused(
    train: Arrays, tmp_path: Path, examples: int, refused: Refused
) -> None:
    kit.save_split(Split("mine", 0, np.arange(5), np.arange(5, examples)), tmp_path / "split.npz")
    call = lambda: make_split(train, str(tmp_path / "split.npz"))  # noqa: E731
    refused(call, "split.npz", f"for {examples} training examples", "this challenge has 60")


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_the_intruder_would_act_if_it_were_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Intruder(tmp_path / "broken-in")))
    assert (tmp_path / "broken-in").is_dir()


@pytest.mark.parametrize("kind", ["array.npy", "pickle.npy", "pickle.npz", "arrays.npz"])
def test_pickles_are_refused_and_never_executed(train: Arrays, tmp_path: Path, kind: str, refused: Refused) -> None:
    path, intruder = tmp_path / kind, Intruder(tmp_path / "broken-in")
    if kind == "array.npy":
        np.save(path, np.array([intruder], object), allow_pickle=True)
    elif kind == "arrays.npz":
        np.savez(path, forget=np.array([intruder], object), retain=np.arange(60), name="a", seed=0)
    else:
        path.write_bytes(pickle.dumps(intruder))
    refused(lambda: make_split(train, str(path)), f"'{path}' cannot be read", "Write it again")
    assert not (tmp_path / "broken-in").exists()
