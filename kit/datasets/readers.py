"""Reading the published data sets from their files, and refusing what is not them.

Files are checked by hash where one is required, and by structure always: shapes, dtypes, examples of each class.
Nothing in them is executed: of the pickles of CIFAR-10, arrays, numbers and texts are admitted, and no calls.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kit.datasets import registry
from kit.datasets.pickles import read_arrays
from kit.datasets.registry import ARCHIVE, BATCHES, DataSet, Form

# The published images have no constant one among them; a file that was cut and filled up with zeros has thousands.
MAX_CONSTANT_SHARE = 0.01
_GZIP_MAGIC = b"\x1f\x8b"


class BadData(Exception):
    """The files are not the data set; the text is a clause that says why."""


class WrongDigest(BadData):
    """A file does not have the sha256 that it must have."""


class OtherData(BadData):
    """The files are sound as far as they were read, and another data set's."""


@dataclass(frozen=True)
class Content:
    """What was read.

    Args:
        x: uint8 (n, height, width, channels), training examples first.
        y: int32 (n,).
        digests: the sha256 of each file, in the order of the form.
    """

    x: np.ndarray
    y: np.ndarray
    digests: tuple[str, ...]


def read(
    data_set: DataSet, form: Form, paths: Sequence[Path], recorded: Mapping[str, frozenset[str]] | None = None
) -> Content:
    """Reads a data set and checks it.

    Args:
        data_set: what it must be.
        form: how the files are to be read.
        paths: the files, in the order of the form.
        recorded: for each file name the digests that it may have; None admits every digest where the form is not an
            archive, for which the published one is always required.

    Raises:
        BadData: a file is damaged, or not of this data set.
    """
    with contextlib.ExitStack() as stack:
        try:
            streams = [stack.enter_context(path.open("rb")) for path in paths]
            digests = tuple(_sha256(stream) for stream in streams)
        except OSError as error:
            raise BadData(f"it cannot be read ({error.strerror or error})") from error
        if recorded is not None or form.kind == "archive":
            for path, digest in zip(paths, digests, strict=True):
                if digest not in data_set.official | (recorded or {}).get(path.name, frozenset()):
                    raise WrongDigest(f"'{path.name}' has the sha256 {digest[:12]}..., which is not the published one")
        try:
            x, y = _READERS[form.kind](data_set, streams)
        except BadData:
            raise
        except Exception as error:  # each of zlib, tarfile, zipfile, pickle and NumPy has errors of its own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadData(f"it cannot be read ({reason})") from error
    _check_images(data_set, x)
    return Content(x, y, digests)


def has_labels(data_set: DataSet, form: Form, paths: Sequence[Path]) -> bool:
    """Returns whether the files of labels, where there are such, are the data set's: they are small, the rest is not.

    Files of MNIST's format are called the same whatever is in them.
    """
    if form.kind != "idx":
        return True
    try:
        with paths[1].open("rb") as train, paths[3].open("rb") as test:
            _idx_labels(data_set, train, test)
    except (BadData, OSError, EOFError, zlib.error):
        return False
    return True


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # typeshed asks for readinto
    stream.seek(0)
    return digest


def _check_labels(data_set: DataSet, y: np.ndarray) -> np.ndarray:
    """Returns the labels as int32. How many there are of each class tells one data set from another."""
    counts = data_set.train_counts + data_set.test_counts
    if y.shape != (sum(counts),) or y.dtype.kind not in "iu":
        raise BadData(f"its labels have shape {y.shape} and dtype {y.dtype}, not ({sum(counts)},) and integers")
    classes = len(data_set.train_counts)
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise BadData(f"its labels go from {y.min()} to {y.max()}, not from 0 to {classes - 1}")
    parts = y[: data_set.num_train], y[data_set.num_train :]
    counts_here = [int(count) for part in parts for count in np.bincount(part, minlength=classes)]
    for other in registry.DATA_SETS.values():
        if tuple(counts_here) == other.train_counts + other.test_counts != counts:
            raise OtherData(f"it has as many examples of each class as {other.title}")
    for position, (here, there) in enumerate(zip(counts_here, counts, strict=True)):
        if here != there:
            part = "training" if position < classes else "test"
            number = position % classes
            raise BadData(f"it has {here:,} {part} examples of class {number}, and {data_set.title} {there:,}")
    return y.astype(np.int32)


def _check_images(data_set: DataSet, x: np.ndarray) -> None:
    expected = (data_set.num_train + data_set.num_test, *data_set.image_shape)
    if x.shape != expected or x.dtype != np.uint8:
        raise BadData(f"its images have shape {x.shape} and dtype {x.dtype}, not {expected} and uint8")
    flat = x.reshape(len(x), -1)
    constant = int((flat.min(axis=1) == flat.max(axis=1)).sum())
    if constant > MAX_CONSTANT_SHARE * len(x):
        raise BadData(f"{constant:,} of its images have one value everywhere")


def _empty(data_set: DataSet) -> np.ndarray:
    return np.empty((data_set.num_train + data_set.num_test, *data_set.image_shape), np.uint8)


# CIFAR-10's batches


def _read_archive(data_set: DataSet, streams: Sequence[BinaryIO]) -> tuple[np.ndarray, np.ndarray]:
    with tarfile.open(fileobj=streams[0], mode="r:gz") as archive:
        return _assemble(data_set, _batches_in(archive))


def _batches_in(archive: tarfile.TarFile) -> Iterator[tuple[int, BinaryIO]]:
    """Yields each batch with its number, in the order of the archive: to go back means to decompress again."""
    numbers = {names[0]: number for number, names in enumerate(BATCHES.names)}
    for member in archive:
        name = os.path.basename(member.name)
        stream = archive.extractfile(member) if name in numbers else None
        if stream is not None:
            yield numbers[name], io.BytesIO(stream.read())


def _assemble(data_set: DataSet, batches: Iterable[tuple[int, BinaryIO]]) -> tuple[np.ndarray, np.ndarray]:
    x, last = _empty(data_set), len(BATCHES.names) - 1
    labels = [np.empty(0, np.int32)] * (last + 1)
    for number, stream in batches:
        size = data_set.num_train // last if number < last else data_set.num_test
        start = number * (data_set.num_train // last)
        labels[number] = _read_batch(stream, x[start : start + size])
    return x, _check_labels(data_set, np.concatenate(labels))


def _read_batch(stream: BinaryIO, target: np.ndarray) -> np.ndarray:
    """Reads the images of a batch into `target`, and returns its labels."""
    if stream.seek(0, os.SEEK_END) > 2 * target.size + (1 << 20):
        raise BadData("a batch in it is far too large")
    stream.seek(0)
    batch = read_arrays(stream)
    if not isinstance(batch, dict):
        raise BadData(f"a batch in it holds a {type(batch).__name__}, not a dictionary")
    # Text instead of bytes: written again by Python 3.
    images, labels = (batch.get(name.encode(), batch.get(name)) for name in ("data", "labels"))
    size, height, width, channels = target.shape
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.size != target.size:
        raise BadData(f"a batch in it does not hold {size:,} images of {height}x{width}x{channels} bytes")
    if not isinstance(labels, list | np.ndarray) or len(labels) != size:
        raise BadData(f"a batch in it does not hold {size:,} labels")
    planes = images.reshape(size, channels, height, width)
    for channel in range(channels):  # twice as quick as to transpose all at once
        target[..., channel] = planes[:, channel]
    return np.asarray(labels)


# MNIST's file of Keras


def _read_npz(data_set: DataSet, streams: Sequence[BinaryIO]) -> tuple[np.ndarray, np.ndarray]:
    with zipfile.ZipFile(streams[0]) as archive:
        y = np.concatenate([_npz_member(data_set, archive, name) for name in ("y_train", "y_test")])
        labels = _check_labels(data_set, y)
        parts = [_npz_member(data_set, archive, name) for name in ("x_train", "x_test")]
    return np.concatenate(parts)[..., np.newaxis], labels


def _npz_member(data_set: DataSet, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    largest = int(np.prod(data_set.image_shape)) * data_set.num_train
    if archive.getinfo(f"{name}.npy").file_size > 2 * largest + (1 << 20):
        raise BadData(f"'{name}' in it is far too large")
    # Read whole first: NumPy stops at the last value, and so before zipfile compares the checksum.
    member = io.BytesIO(archive.read(f"{name}.npy"))
    return np.asarray(np.load(member, allow_pickle=False))


# The format of MNIST's authors (http://yann.lecun.com/exdb/mnist/), which Fashion-MNIST shares


def _read_idx(data_set: DataSet, streams: Sequence[BinaryIO]) -> tuple[np.ndarray, np.ndarray]:
    y = _idx_labels(data_set, streams[1], streams[3])  # before the images: quick to see that it is the other set
    x, train = _empty(data_set), data_set.num_train
    height, width, _ = data_set.image_shape
    for stream, part in (streams[0], x[:train]), (streams[2], x[train:]):
        part[...] = _idx_payload(stream, (len(part), height, width)).reshape(part.shape)
    return x, y


def _idx_labels(data_set: DataSet, train: BinaryIO, test: BinaryIO) -> np.ndarray:
    labels = [_idx_payload(train, (data_set.num_train,)), _idx_payload(test, (data_set.num_test,))]
    return _check_labels(data_set, np.concatenate(labels))


def _idx_payload(stream: BinaryIO, shape: tuple[int, ...]) -> np.ndarray:
    compressed = stream.read(2) == _GZIP_MAGIC
    stream.seek(0)
    # 0x08 stands for bytes; then come the number of axes and each of their sizes, big-endian.
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    expected = len(header) + int(np.prod(shape))
    # One byte more than there may be: gzip compares its checksum only at the end.
    with gzip.GzipFile(fileobj=stream) if compressed else contextlib.nullcontext(stream) as source:
        content = source.read(expected + 1)
    if content[: len(header)] != header or len(content) != expected:
        raise BadData(f"'{os.path.basename(stream.name)}' does not hold bytes of shape {shape} in MNIST's format")
    return np.frombuffer(content, np.uint8, offset=len(header))


_Reader = Callable[[DataSet, Sequence[BinaryIO]], tuple[np.ndarray, np.ndarray]]
_READERS: dict[str, _Reader] = {
    ARCHIVE.kind: _read_archive,
    BATCHES.kind: lambda data_set, streams: _assemble(data_set, enumerate(streams)),
    "npz": _read_npz,
    "idx": _read_idx,
}
