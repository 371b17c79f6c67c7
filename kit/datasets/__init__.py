"""Published data by name: found on this machine or downloaded, checked, and handed over as arrays. NumPy only.

Decisions:

- An archive of CIFAR-10 must have the published hash, a folder or an `.npz` the right structure: what Kaggle has
  unpacked has no published hash. In the kit's own cache every file is held against a hash, published or recorded at
  its copying.
- The mirrors come before the authors' own hosts where those are slow: the hash makes them equal.
- pooch and tqdm are imported when something is downloaded, NumPy when something is loaded: names are known without.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kit.datasets import registry

if TYPE_CHECKING:
    from kit.datasets.loading import Published
    from kit.datasets.registry import DataSet
    from kit.types import Arrays

# Part of the challenge, never to change. The seed differs from that of the division in train, validation and test:
# with one seed for both, the same permutation would put all wrong labels into train.
LABEL_NOISE_SHARE, LABEL_NOISE_SEED = 0.2, 2023


def digits() -> Arrays:
    """Returns scikit-learn's bundled digits: 1,797 images of shape (8, 8, 1), float32 in [0, 1], labels 0 to 9.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (CC BY 4.0).

    Example:
        >>> digits().x.shape
        (1797, 8, 8, 1)
    """
    import numpy as np

    from kit.types import Arrays

    # The file that scikit-learn reads too; importing scikit-learn for it would take a second.
    specification = importlib.util.find_spec("sklearn")
    assert specification is not None and specification.origin is not None  # noqa: PT018 (a requirement of the kit's)
    path = Path(specification.origin).parent / "datasets" / "data" / "digits.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    table = np.fromstring(text.replace("\n", ","), sep=",").reshape(-1, 65)
    return Arrays((table[:, :-1] / 16.0).reshape(-1, 8, 8, 1), table[:, -1].astype(int))


def noisy_digits() -> Arrays:
    """Returns `digits` with 20 % of all labels resampled uniformly over the ten classes.

    The noise is drawn before anything is split, so that forget, retain and test examples stay exchangeable: a
    retrained model cannot tell forget from test. A resampled label is the true one in a tenth of the cases, so
    `mislabelled` marks about 18 % of the examples.

    Example:
        >>> bool(0.16 < noisy_digits().mislabelled.mean() < 0.20)
        True
    """
    import numpy as np

    from kit.types import Arrays

    clean = digits()
    generator = np.random.default_rng(LABEL_NOISE_SEED)
    resampled = generator.permutation(len(clean))[: round(LABEL_NOISE_SHARE * len(clean))]
    labels = clean.y.copy()
    labels[resampled] = generator.integers(0, 10, size=len(resampled))
    return Arrays(clean.x, labels, mislabelled=labels != clean.y)


def cifar10(folder: Path | None = None, *, announce: Callable[[str], None] | None = None) -> Published:
    """Returns CIFAR-10: 50,000 training and 10,000 test images of shape (32, 32, 3), uint8, labels 0 to 9.

    Taken from the first place that has it whole: Keras's cache (`$KERAS_HOME`), the kit's own (`$KIT_HOME`), `folder`,
    what a Kaggle notebook has attached. Otherwise it is downloaded (170 MB).

    Args:
        folder: where to look too, five levels deep; by default the environment variable `KIT_DATA`.
        announce: told what was skipped because it is damaged, and which mirror failed.

    Raises:
        InputError: there is no such folder.
        FailedRun: it is in no place, and cannot be downloaded or stored.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Example:
        >>> cifar10(Path("no-such-folder"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kit.types.errors.InputError: The folder 'no-such-folder' of data does not exist. Expected ...
    """
    return _load(registry.CIFAR10, folder, announce)


def mnist(folder: Path | None = None, *, announce: Callable[[str], None] | None = None) -> Published:
    """Returns MNIST: 60,000 training and 10,000 test images of shape (28, 28, 1), uint8, labels 0 to 9.

    Found, or downloaded (11 MB), as by `cifar10`, with the same arguments and errors.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits (CC BY-SA 3.0).

    Example:
        >>> mnist(Path("no-such-folder"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kit.types.errors.InputError: The folder 'no-such-folder' of data does not exist. Expected ...
    """
    return _load(registry.MNIST, folder, announce)


def fashion_mnist(folder: Path | None = None, *, announce: Callable[[str], None] | None = None) -> Published:
    """Returns Fashion-MNIST: 60,000 training and 10,000 test images of shape (28, 28, 1), uint8, labels 0 to 9.

    Found, or downloaded (31 MB), as by `cifar10`, with the same arguments and errors.

    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017 (MIT licence), arXiv:1708.07747.

    Example:
        >>> fashion_mnist(Path("no-such-folder"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kit.types.errors.InputError: The folder 'no-such-folder' of data does not exist. Expected ...
    """
    return _load(registry.FASHION_MNIST, folder, announce)


def _load(data_set: DataSet, folder: Path | None, announce: Callable[[str], None] | None) -> Published:
    from kit.datasets import loading

    return loading.load(data_set, folder, announce)
