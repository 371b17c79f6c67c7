"""Published data sets are read as they are, or refused: whatever the files, there is never a wrong array."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
import io
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import data_helpers
import numpy as np
import pytest
from data_helpers import IDX_NAMES, archive, batch_of, batches, examples, idx, idx_files, npz, sha256, stand_in, write

from kit.datasets import readers, registry
from kit.datasets.readers import BadData, Content, WrongDigest
from kit.datasets.registry import ARCHIVE, BATCHES, CIFAR10, IDX, MNIST, NPZ, DataSet, Form, RemoteFile

COLOUR, GREY = (4, 5, 3), (4, 5, 1)
TINY_CIFAR, TINY_MNIST = stand_in(CIFAR10, COLOUR), stand_in(MNIST, GREY)


def read(data_set: DataSet, form: Form, folder: Path) -> Content:
    paths = form.find(folder)
    assert paths is not None
    return readers.read(data_set, form, paths)


def refused(data_set: DataSet, form: Form, folder: Path, *fragments: str) -> str:
    with pytest.raises(BadData) as caught:
        read(data_set, form, folder)
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message
    return message


def check(content: Content, x: np.ndarray, y: np.ndarray) -> None:
    np.testing.assert_array_equal(content.x, x)
    np.testing.assert_array_equal(content.y, y)
    assert (content.x.dtype, content.y.dtype) == (np.uint8, np.int32)
    assert content.x.flags.c_contiguous


# CIFAR-10's batches


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_batches_are_read_whatever_the_protocol(tmp_path: Path, protocol: int) -> None:
    x, y = examples(COLOUR)
    contents = batches(x, y, protocol)
    content = read(TINY_CIFAR, BATCHES, write(tmp_path, contents))
    check(content, x, y)
    assert content.digests == tuple(map(sha256, contents.values()))


def test_a_batch_as_python_2_wrote_it_is_read(tmp_path: Path) -> None:
    """Copied from the official file, byte by byte where it matters: texts of Python 2 and NumPy's module of then."""
    x, y = examples(COLOUR)
    contents = {}
    for name, content in batches(x, y).items():
        batch = pickle.loads(content)
        data = batch[b"data"].tobytes()
        labels = b"".join(b"K" + bytes([label]) for label in batch[b"labels"])
        contents[name] = (
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5U\x06labelsq\x04]q\x05(" + labels + b"e"
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
            b"(K\x01K" + bytes([len(batch[b"labels"])]) + b"K\x3c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b"
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
            + len(data).to_bytes(4, "little")
            + data
            + b"tbu."
        )
    check(read(TINY_CIFAR, BATCHES, write(tmp_path, contents)), x, y)


def test_batches_with_texts_for_keys_are_read(tmp_path: Path) -> None:
    x, y = examples(COLOUR)
    contents = {}
    for name, content in batches(x, y).items():
        batch = pickle.loads(content)
        contents[name] = pickle.dumps({"data": batch[b"data"], "labels": np.array(batch[b"labels"]), "name": "é"})
    check(read(TINY_CIFAR, BATCHES, write(tmp_path, contents)), x, y)


class Hostile:
    """Calls something when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._call, self._arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call, self._arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "call", [os.mkdir, exec, eval, open, getattr, np.fromfile, np.save, pickle.loads], ids=lambda call: call.__name__
)
def test_a_hostile_pickle_is_refused_and_not_executed(tmp_path: Path, call: Callable[..., Any], protocol: int) -> None:
    x, y = examples(COLOUR)
    mark = tmp_path / "mark"
    hostile = Hostile(os.mkdir, str(mark)) if call is os.mkdir else Hostile(call, "0", "1")
    contents = batches(x, y)
    contents["data_batch_3"] = pickle.dumps(batch_of(x[12:18], y[12:18], more=hostile), protocol=protocol)
    folder = write(tmp_path / "data", contents)
    refused(TINY_CIFAR, BATCHES, folder, "do not trust it")
    assert not mark.exists()
    if call is os.mkdir:
        pickle.loads(contents["data_batch_3"])  # the danger is real
        assert mark.is_dir()


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\ncore.multiarray.fromstring\n.",  # a dotted name, which newer protocols resolve
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        b"\x82\x01.",  # an extension code
        b"Pname\n.",  # a persistent id
    ],
)
def test_other_ways_to_get_hold_of_something_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path, batches(*examples(COLOUR)) | {"test_batch": content})
    refused(TINY_CIFAR, BATCHES, folder)


def test_an_array_that_claims_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    content = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L100000000000000000L\ntI98\ntR."
    folder = write(tmp_path, batches(*examples(COLOUR)) | {"data_batch_1": content})
    refused(TINY_CIFAR, BATCHES, folder)


BAD_BATCHES: dict[str, tuple[Callable[[np.ndarray, np.ndarray], bytes], str]] = {
    "empty": (lambda x, y: b"", "cannot be read"),
    "random": (lambda x, y: bytes(range(256)), "cannot be read"),
    "a page": (lambda x, y: b"<html>Please log in.</html>", "cannot be read"),
    "cut": (lambda x, y: pickle.dumps(batch_of(x, y))[:-20], "cannot be read"),
    "zeros": (lambda x, y: bytes(len(pickle.dumps(batch_of(x, y)))), "cannot be read"),
    "far too large": (lambda x, y: pickle.dumps(batch_of(x, y)) + bytes(3 << 20), "far too large"),
    "a list": (lambda x, y: pickle.dumps([1, 2]), "holds a list"),
    "no data": (lambda x, y: pickle.dumps({b"labels": [0] * len(y)}), "does not hold 6 images"),
    "no labels": (lambda x, y: pickle.dumps(batch_of(x, y) | {b"labels": None}), "does not hold 6 labels"),
    "too few": (lambda x, y: pickle.dumps(batch_of(x[1:], y[1:])), "does not hold 6 images of 4x5x3"),
    "floats": (lambda x, y: pickle.dumps(batch_of(x / 255, y)), "does not hold 6 images"),
    "labels of floats": (lambda x, y: pickle.dumps(batch_of(x, y) | {b"labels": [0.5] * len(y)}), "dtype float64"),
    "labels of texts": (lambda x, y: pickle.dumps(batch_of(x, y) | {b"labels": ["cat"] * len(y)}), ""),
    "a label too high": (lambda x, y: pickle.dumps(batch_of(x, [3, *y[1:]])), "from 0 to 3, not from 0 to 2"),
    "a negative label": (lambda x, y: pickle.dumps(batch_of(x, [-1, *y[1:]])), "from -1 to 2"),
    "another label": (lambda x, y: pickle.dumps(batch_of(x, [*(y[:1] + 1) % 3, *y[1:]])), "training examples of class"),
}


@pytest.mark.parametrize("fault", BAD_BATCHES)
def test_a_bad_batch_is_refused(tmp_path: Path, fault: str) -> None:
    x, y = examples(COLOUR)
    make, reason = BAD_BATCHES[fault]
    refused(TINY_CIFAR, BATCHES, write(tmp_path, batches(x, y) | {"data_batch_2": make(x[6:12], y[6:12])}), reason)


def test_a_batch_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    contents = batches(*examples(COLOUR))
    refused(TINY_CIFAR, BATCHES, write(tmp_path, contents | {"data_batch_1": contents["data_batch_2"]}), "of class")


def test_images_without_content_are_noticed(tmp_path: Path) -> None:
    x, y = examples(COLOUR)
    x[5] = 7
    folder = write(tmp_path, batches(x, y))
    refused(TINY_CIFAR, BATCHES, folder, "1 of its images have one value everywhere")


def test_a_file_that_may_not_be_read_is_an_error_of_the_data(tmp_path: Path) -> None:
    write(tmp_path, batches(*examples(COLOUR)))
    paths = BATCHES.find(tmp_path)
    assert paths is not None
    paths[2].unlink()
    paths[2].mkdir()  # for root may read every file
    with pytest.raises(BadData, match=r"cannot be read \(Is a directory\)"):
        readers.read(TINY_CIFAR, BATCHES, paths)


# CIFAR-10's archive


def official(data_set: DataSet, content: bytes) -> DataSet:
    return dataclasses.replace(data_set, files=(RemoteFile("file", sha256(content), len(content), ()),))


def test_the_archive_is_read_in_any_order_of_its_members(tmp_path: Path) -> None:
    x, y = examples(COLOUR)
    content = archive({"readme.html": b"<html>", "batches.meta": b"?"} | batches(x, y))
    write(tmp_path, {"cifar-10-python.tar.gz": content})
    read_back = read(official(TINY_CIFAR, content), ARCHIVE, tmp_path)
    check(read_back, x, y)
    assert read_back.digests == (sha256(content),)


def test_an_archive_with_another_digest_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive(batches(*examples(COLOUR)))
    write(tmp_path, {"cifar-10-python.tar.gz": content})
    monkeypatch.delattr(readers, "tarfile")
    with pytest.raises(WrongDigest, match=f"has the sha256 {sha256(content)[:12]}"):
        read(TINY_CIFAR, ARCHIVE, tmp_path)


def test_an_archive_that_lacks_a_batch_is_refused_even_with_the_right_digest(tmp_path: Path) -> None:
    contents = batches(*examples(COLOUR))
    del contents["data_batch_4"]
    content = archive(contents)
    write(tmp_path, {"cifar-10-python.tar.gz": content})
    refused(official(TINY_CIFAR, content), ARCHIVE, tmp_path, "its labels have shape (34,)")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no archive", id="text"),
        pytest.param(gzip.compress(b"no archive"), id="compressed text"),
        pytest.param(archive({}), id="archive without files"),
    ],
)
def test_no_archive_with_the_right_digest_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"cifar-10-python.tar.gz": content})
    refused(official(TINY_CIFAR, content), ARCHIVE, tmp_path)


# MNIST's file of Keras


def test_the_npz_is_read(tmp_path: Path) -> None:
    x, y = examples(GREY)
    content = npz(x, y)
    write(tmp_path, {"mnist.npz": content})
    read_back = read(TINY_MNIST, NPZ, tmp_path)
    check(read_back, x, y)
    assert read_back.digests == (sha256(content),)


def test_a_changed_byte_anywhere_in_the_npz_changes_no_array(tmp_path: Path) -> None:
    x, y = examples(GREY)
    content = npz(x, y)
    refusals = 0
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        write(tmp_path, {"mnist.npz": bytes(changed)})
        try:
            check(read(TINY_MNIST, NPZ, tmp_path), x, y)
        except BadData:
            refusals += 1
    assert refusals > len(content) / 2  # dates and attributes do not matter


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_cut_npz_is_refused(tmp_path: Path, share: float) -> None:
    content = npz(*examples(GREY))
    write(tmp_path, {"mnist.npz": content[: int(share * len(content))]})
    refused(TINY_MNIST, NPZ, tmp_path, "cannot be read")


def test_an_npz_with_objects_is_refused_and_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hostile = np.array([Hostile(os.mkdir, str(mark))], dtype=object)
    x, y = examples(GREY)
    np.savez(tmp_path / "mnist.npz", x_train=x[:30], y_train=hostile, x_test=x[30:], y_test=y[30:], allow_pickle=True)
    refused(TINY_MNIST, NPZ, tmp_path, "cannot be read")
    assert not mark.exists()


def test_an_npz_that_unpacks_to_far_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            bomb.writestr(f"{name}.npy", bytes(50 << 20))
    tracemalloc.start()
    refused(TINY_MNIST, NPZ, tmp_path, "far too large")
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x_test": None}, "cannot be read"),
        ({"x_train": np.zeros((30, 4, 5), np.uint8)}, "have one value everywhere"),
        ({"x_train": np.ones((30, 5, 4), np.uint8)}, "cannot be read"),
        ({"x_train": np.random.default_rng(0).random((30, 4, 5))}, "dtype float64"),
        ({"y_train": np.eye(3)[np.arange(30) % 3]}, "cannot be read"),
        ({"y_test": np.zeros(10, np.uint8)}, "10 test examples of class 0, and MNIST 4"),
        ({"y_test": np.zeros(9, np.uint8)}, "shape (39,)"),
    ],
)
def test_an_npz_of_another_shape_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    x, y = examples(GREY)
    arrays = {"x_train": x[:30, ..., 0], "y_train": y[:30], "x_test": x[30:, ..., 0], "y_test": y[30:]} | changes
    np.savez(tmp_path / "mnist.npz", **{name: array for name, array in arrays.items() if array is not None})
    refused(TINY_MNIST, NPZ, tmp_path, reason)


# The format of MNIST's authors


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
def test_the_four_files_are_read_compressed_or_not(tmp_path: Path, compressed: bool, dotted: bool) -> None:
    x, y = examples(GREY)
    contents = idx_files(x, y)
    if not compressed:
        contents = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in contents.items()}
    if dotted:
        contents = {name.replace("s-idx", "s.idx"): content for name, content in contents.items()}
    check(read(TINY_MNIST, IDX, write(tmp_path, contents)), x, y)


@pytest.mark.parametrize("name", IDX_NAMES)
def test_a_changed_byte_anywhere_in_a_compressed_file_changes_no_array(tmp_path: Path, name: str) -> None:
    x, y = examples(GREY)
    contents = idx_files(x, y)
    write(tmp_path, contents)
    refusals = 0
    for position in range(len(contents[name])):
        changed = bytearray(contents[name])
        changed[position] ^= 0xFF
        (tmp_path / name).write_bytes(changed)
        try:
            check(read(TINY_MNIST, IDX, tmp_path), x, y)
        except BadData:
            refusals += 1
    assert refusals >= len(contents[name]) - 7  # the time, the level and the system do not matter


@pytest.mark.parametrize("name", IDX_NAMES)
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, name: str, compressed: bool) -> None:
    contents = idx_files(*examples(GREY))
    if not compressed:
        contents = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in contents.items()}
        name = name.removesuffix(".gz")
    write(tmp_path, contents)
    for length in range(0, len(contents[name]), 7):
        (tmp_path / name).write_bytes(contents[name][:length])
        refused(TINY_MNIST, IDX, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"\x00",
        lambda content: b"\x00\x00\x0d" + content[3:],  # floats
        lambda content: content[:7] + b"\x1d" + content[8:],
        lambda content: b"<html>Please log in.</html>" + content,
    ],
    ids=["a byte more", "another type", "another size", "a page"],
)
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], compressed: bool) -> None:
    x, y = examples(GREY)
    content = change(idx(x[:30, ..., 0]))
    contents = idx_files(x, y) | {IDX_NAMES[0]: gzip.compress(content) if compressed else content}
    refused(TINY_MNIST, IDX, write(tmp_path, contents), f"'{IDX_NAMES[0]}' does not hold bytes of shape (30, 4, 5)")


def test_what_follows_the_compressed_bytes_is_noticed(tmp_path: Path) -> None:
    contents = idx_files(*examples(GREY))
    write(tmp_path, contents | {IDX_NAMES[0]: contents[IDX_NAMES[0]] + b"more"})
    refused(TINY_MNIST, IDX, tmp_path)


def test_a_file_that_unpacks_to_far_too_much_is_refused_with_little_memory(tmp_path: Path) -> None:
    x, y = examples(GREY)
    bomb = gzip.compress(idx(x[:30, ..., 0]) + bytes(50 << 20))
    write(tmp_path, idx_files(x, y) | {IDX_NAMES[0]: bomb})
    tracemalloc.start()
    refused(TINY_MNIST, IDX, tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_the_other_data_set_of_the_same_format_is_told_by_its_labels(tmp_path: Path) -> None:
    fashion = dataclasses.replace(TINY_MNIST, title="Fashion-MNIST", train_counts=(10, 10, 10))
    write(tmp_path, idx_files(*examples(GREY)))
    refused(fashion, IDX, tmp_path, "it has 12 training examples of class 0, and Fashion-MNIST 10")


# Digests


def test_in_the_kits_cache_a_digest_must_be_published_or_recorded(tmp_path: Path) -> None:
    x, y = examples(GREY)
    contents = idx_files(x, y)
    write(tmp_path, contents)
    paths = IDX.find(tmp_path)
    assert paths is not None
    recorded = {name: frozenset([sha256(content)]) for name, content in contents.items()}
    check(readers.read(TINY_MNIST, IDX, paths, recorded), x, y)
    published = official(TINY_MNIST, contents[IDX_NAMES[2]])
    del recorded[IDX_NAMES[2]]
    check(readers.read(published, IDX, paths, recorded), x, y)
    with pytest.raises(WrongDigest, match=IDX_NAMES[2]):
        readers.read(TINY_MNIST, IDX, paths, recorded)


# What Keras and the authors have published


def keras_source(name: str) -> str:
    spec = importlib.util.find_spec("keras")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "src" / "datasets" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("data_set", "source"), [(CIFAR10, "cifar10.py"), (MNIST, "mnist.py")])
def test_the_digests_are_those_of_keras(data_set: DataSet, source: str) -> None:
    (file,) = data_set.files
    assert f'"{file.sha256}"' in keras_source(source)


def test_the_names_are_those_of_keras() -> None:
    cifar, fashion = keras_source("cifar10.py"), keras_source("fashion_mnist.py")
    assert 'dirname = "cifar-10-batches-py-target"' in cifar
    assert "cifar-10-batches-py-target/cifar-10-batches-py" in CIFAR10.keras_folders
    assert "cifar-10-batches-py-target_archive" in ARCHIVE.names[0]  # get_file, for a name without a dot
    assert 'os.path.join("datasets", "fashion-mnist")' in fashion
    assert registry.FASHION_MNIST.keras_folders == ("fashion-mnist",)
    for file in registry.FASHION_MNIST.files:
        assert f'"{file.name}"' in fashion


@pytest.mark.parametrize("data_set", registry.DATA_SETS.values(), ids=lambda data_set: data_set.name)
def test_a_data_set_is_complete(data_set: DataSet) -> None:
    assert (data_set.num_train, data_set.num_test) == ((50_000 if data_set is CIFAR10 else 60_000), 10_000)
    assert len(data_set.train_counts) == len(data_set.test_counts) == 10
    downloaded = {file.name for file in data_set.files}
    assert any(all(set(names) & downloaded for names in form.names) for form in data_set.forms)
    for file in data_set.files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert len(file.urls) >= 2
        assert len({url.split("/")[2] for url in file.urls}) == len(file.urls)  # as many hosts
        assert all(url.startswith(("https://", "http://fashion-mnist.s3-website")) for url in file.urls)
    assert len(data_set.official) == len(data_set.files)


# The real thing, where Keras has cached it

Real = Callable[[DataSet, Form], tuple[tuple[Path, ...], Content]]
REAL = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


@pytest.fixture
def real(without_data: Callable[[str], NoReturn]) -> Real:
    def read(data_set: DataSet, form: Form) -> tuple[tuple[Path, ...], Content]:
        for below in data_set.keras_folders:
            paths = form.find(REAL / below)
            if paths is not None:
                return paths, readers.read(data_set, form, paths)
        return without_data(data_set.title)

    return read


def test_the_real_cifar10_is_read_as_keras_reads_it(real: Real) -> None:
    paths, content = real(CIFAR10, BATCHES)
    start = 0
    for path in paths:
        batch = pickle.load(io.BytesIO(path.read_bytes()), encoding="bytes")
        part = slice(start, start + 10_000)
        assert np.array_equal(content.x[part], batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        assert np.array_equal(content.y[part], batch[b"labels"])
        start += 10_000
    assert start == len(content.x) == 60_000


def test_the_real_mnist_is_read_as_keras_reads_it(real: Real) -> None:
    (path,), content = real(MNIST, NPZ)
    with np.load(path, allow_pickle=False) as stored:
        assert np.array_equal(content.x[..., 0], np.concatenate([stored["x_train"], stored["x_test"]]))
        assert np.array_equal(content.y, np.concatenate([stored["y_train"], stored["y_test"]]))


def test_the_real_fashion_mnist_is_read_as_keras_reads_it(real: Real) -> None:
    paths, content = real(registry.FASHION_MNIST, IDX)
    unpacked = [gzip.decompress(path.read_bytes()) for path in paths]
    images = [np.frombuffer(unpacked[number], np.uint8, offset=16).reshape(-1, 28, 28) for number in (0, 2)]
    labels = [np.frombuffer(unpacked[number], np.uint8, offset=8) for number in (1, 3)]
    assert np.array_equal(content.x[..., 0], np.concatenate(images))
    assert np.array_equal(content.y, np.concatenate(labels))


def test_the_helpers_make_what_they_say() -> None:
    x, y = examples(GREY)
    assert tuple(np.bincount(y[:30])) == data_helpers.TRAIN_COUNTS
    assert tuple(np.bincount(y[30:])) == data_helpers.TEST_COUNTS
    assert x.shape == (40, *GREY)
