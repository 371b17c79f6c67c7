"""Arrays in a folder: read as those of an `.npz` file are, without being copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.challenges import loading, user_data
from kit.models import matching
from kit.types import Arrays, Table

PARTS = np.repeat([0, 1, 2], [80, 20, 20])
X = np.random.default_rng(0).normal(size=(120, 5)).astype("float32")
Y = np.arange(120) % 3


def folder(path: Path, **arrays: np.ndarray) -> Path:
    path.mkdir()
    for name, array in {"y": Y, "partition": PARTS, **arrays}.items():
        np.save(path / f"{name}.npy", array)
    return path


def is_in_a_file(array: np.ndarray) -> bool:
    """Whether an array is mapped from a file, or a view of one that is."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


@pytest.mark.parametrize("x", [X, np.random.default_rng(0).integers(0, 256, (120, 4, 4, 3), np.uint8)])
def test_parts_in_a_row_stay_in_their_file(x: np.ndarray, tmp_path: Path) -> None:
    challenge = kit.load_challenge(folder(tmp_path / "data", x=x), forget=[3, 70])
    for part, number in ((challenge.train, 0), (challenge.validation, 1), (challenge.test, 2)):
        assert is_in_a_file(part.x)
        np.testing.assert_array_equal(part.x, x[number == PARTS])
        np.testing.assert_array_equal(part.y, Y[number == PARTS])
    np.savez(tmp_path / "data.npz", x=x, y=Y, partition=PARTS)
    assert kit.load_challenge(tmp_path / "data.npz", forget=[3, 70]).data_sha256 == challenge.data_sha256


def test_parts_in_another_order_are_the_same_examples(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(120)
    path = folder(tmp_path / "data", x=X, partition=PARTS[order])
    challenge = kit.load_challenge(path, forget=[int(np.flatnonzero(PARTS[order] == 0)[5])])
    np.testing.assert_array_equal(challenge.train.x, X[PARTS[order] == 0])


def test_several_inputs_ids_and_weights_are_files_too(tmp_path: Path) -> None:
    names = np.array([f"C{number}" for number in range(120)])
    path = folder(tmp_path / "data", x_age=X[:, 0], x_job=names, ids=names, sample_weight=np.ones(120))
    table, partition = user_data.read_folder(path)
    assert isinstance(table, Table)
    assert table.inputs["job"].tolist() == names.tolist()
    assert is_in_a_file(table.inputs["age"])
    assert table.keys["id"][7] == "C7"
    assert table.sample_weight is not None
    assert partition is not None
    np.testing.assert_array_equal(partition, PARTS)


def test_files_that_are_no_arrays_are_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = folder(tmp_path / "data", x=X)
    for content in (b"", b"no array", (path / "x.npy").read_bytes()[:500]):
        (path / "x.npy").write_bytes(content)
        refused(lambda: loading.load(path), "x.npy", "cannot be read")
    np.save(path / "x.npy", np.array([{}, {}], object), allow_pickle=True)
    refused(lambda: loading.load(path), "x.npy", "cannot be read")
    (path / "x.npy").unlink()
    refused(lambda: loading.load(path), "no array 'x'")


@pytest.mark.parametrize(
    ("indices", "is_view"),
    [([3, 4, 5], True), ([3], True), ([4, 3], False), ([3, 5], False), ([3, 3], False), ([-2, -1], False)],
)
def test_examples_in_a_row_are_not_copied(indices: list[int], is_view: bool) -> None:
    arrays = Arrays(X, Y, groups=Y * 2, keys={"id": np.arange(120)})
    chosen = arrays.take(np.array(indices))
    assert np.shares_memory(chosen.x, arrays.x) == is_view
    np.testing.assert_array_equal(chosen.x, X[indices])
    np.testing.assert_array_equal(chosen.y, Y[indices])
    assert chosen.groups is not None
    np.testing.assert_array_equal(chosen.groups, 2 * Y[indices])
    np.testing.assert_array_equal(chosen.keys["id"], np.arange(120)[indices])


def test_numbers_that_are_none_are_found_in_any_block(refused: Callable[..., str]) -> None:
    x = np.zeros((20_000, 2), np.float32)
    x[[9_000, 19_999], 1] = np.nan
    refused(lambda: Arrays(x, np.zeros(20_000, int)), "in 2 of 20000", "the first is example 9000")


def test_columns_become_one_array_of_32_bits_unless_ids_would_be_merged(refused: Callable[..., str]) -> None:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    columns = {"a": X[:, 0].astype(float), "b": np.arange(120), "c": Y == 1}
    (rows,) = matching.in_order(net, columns)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.stack([X[:, 0], np.arange(120), Y == 1], axis=1))
    columns["b"] = 2**24 + np.arange(120)
    (rows,) = matching.in_order(net, columns)
    refused(lambda: Arrays(rows, Y), "would be merged")
