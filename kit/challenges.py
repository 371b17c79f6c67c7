"""The challenges: presets as plain data, and challenges from a user's arrays or `.npz` file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit import datasets, files, splits
from kit.types import Arrays, Challenge, InputError, Recipe

# Shares of a data set that become train and validation; the rest is test.
TRAIN_SHARE, VALIDATION_SHARE = 0.70, 0.15


@dataclass(frozen=True)
class Preset:
    """A challenge that the kit knows by name."""

    summary: str
    arrays: Callable[[], Arrays]
    model: str
    recipe: Recipe
    batch_size: int
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# Weight decay is a fifth of the 2023 kit's: with 5e-4 some originals do not fit all of their noisy labels (retain
# accuracy 0.997 on average, 0.989 at worst). benchmarks/signal.py prints what these settings give.
_DIGITS_RECIPE = Recipe(epochs=50, learning_rate=0.1, momentum=0.9, weight_decay=1e-4, schedule="cosine")

CHALLENGES: dict[str, Preset] = {
    "noisy-digits": Preset(
        summary="8x8 digits with 20 % of all labels resampled: memorisation visible in seconds",
        arrays=datasets.noisy_digits,
        model="convnet",
        recipe=_DIGITS_RECIPE,
        batch_size=64,
    ),
    "digits": Preset(
        summary="the same 8x8 digits with clean labels: almost nothing to find",
        arrays=datasets.digits,
        model="convnet",
        recipe=_DIGITS_RECIPE,
        batch_size=64,
    ),
}


def names() -> tuple[str, ...]:
    """Returns the names of the challenges that need no file.

    Example:
        >>> names()
        ('digits', 'noisy-digits')
    """
    return tuple(sorted(CHALLENGES))


def load_challenge(name_or_path: str = "noisy-digits", *, forget: str = "random:0.1", split_seed: int = 0) -> Challenge:
    """Loads a challenge by name, or makes one from an `.npz` file.

    Args:
        name_or_path: a name (`kit list challenges`), or the path of an `.npz` file with `x`, `y` and optionally
            `groups`, `mislabelled` and `partition` (see `make_challenge`).
        forget: which training examples are to be forgotten (see `kit.make_split`).
        split_seed: seed of a random forget set.

    Raises:
        InputError: an unknown name (near matches are shown), a bad file, a bad forget set.

    Example:
        >>> challenge = load_challenge("noisy-digits")
        >>> len(challenge.split.forget), len(challenge.split.retain), len(challenge.validation), len(challenge.test)
        (126, 1132, 269, 270)
    """
    name_or_path = str(name_or_path)
    if name_or_path in CHALLENGES:
        preset = CHALLENGES[name_or_path]
        return make_challenge(
            name_or_path,
            preset.arrays(),
            forget=forget,
            split_seed=split_seed,
            model=preset.model,
            recipe=preset.recipe,
            batch_size=preset.batch_size,
            hyperparameters=preset.hyperparameters,
        )
    path = Path(name_or_path)
    if path.suffix.lower() != ".npz":
        near = difflib.get_close_matches(name_or_path, names(), n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"The challenges are {', '.join(names())}."
        raise InputError(f"There is no challenge '{name_or_path}'. Expected a name or the path of an .npz file. {hint}")
    arrays, partition = _read_npz(path)
    return make_challenge(path.stem, arrays, partition=partition, forget=forget, split_seed=split_seed)


def make_challenge(
    name: str,
    arrays: Arrays,
    *,
    partition: np.ndarray | None = None,
    forget: str = "random:0.1",
    split_seed: int = 0,
    model: str | None = None,
    recipe: Recipe = Recipe(),
    batch_size: int = 64,
    hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> Challenge:
    """Makes a challenge from a user's arrays.

    Args:
        name: becomes the name of the results' folder.
        arrays: all examples, e.g. `kit.Arrays(x, y, groups=person)`.
        partition: optional integers (n,): 0 for training, 1 for validation, 2 for test. By default 70, 15 and 15 %,
            each class in the same shares, always the same for the same data.
        forget, split_seed: as in `load_challenge`.
        model: a name of the zoo; by default `convnet` for images and `mlp` for tables.
        recipe, batch_size: how the original is trained; without shipped weights the kit trains and caches it.
        hyperparameters: method name -> keyword arguments that differ on this challenge.

    Raises:
        InputError: a partition without one of its three parts, a bad forget set.

    Example:
        >>> arrays = Arrays(np.random.default_rng(0).normal(size=(200, 5)), np.arange(200) % 4)
        >>> challenge = make_challenge("table", arrays, forget="class:3")
        >>> challenge.model, len(challenge.split.forget)
        ('mlp', 35)
    """
    if int(arrays.y.max()) >= len(arrays):
        raise InputError(
            f"'{name}' has labels up to {arrays.y.max()} but only {len(arrays)} examples. Expected labels 0 .. "
            "num_classes - 1. Map them with numpy.unique(y, return_inverse=True)."
        )
    partition = _default_partition(arrays) if partition is None else np.asarray(partition)
    if partition.shape != arrays.y.shape or partition.dtype.kind not in "iu" or set(np.unique(partition)) != {0, 1, 2}:
        raise InputError(
            f"The partition of '{name}' has shape {partition.shape}, dtype {partition.dtype} and the values "
            f"{np.unique(partition)[:5].tolist()}. Expected one integer for each of {len(arrays)} examples, 0 for "
            "training, 1 for validation and 2 for test, each of them present. Correct 'partition' or leave it out."
        )
    train, validation, test = (arrays.take(np.flatnonzero(partition == part)) for part in range(3))
    return Challenge(
        name=name,
        train=train,
        validation=validation,
        test=test,
        split=splits.make_split(train, forget, split_seed),
        model=model or ("convnet" if train.x.ndim == 4 else "mlp"),
        recipe=recipe,
        batch_size=batch_size,
        hyperparameters=hyperparameters or {},
    )


def _default_partition(arrays: Arrays) -> np.ndarray:
    """Deals the examples to train, validation and test, class by class and in random order within a class.

    Wrong labels, where they are known, are dealt in the same way: otherwise the luck of one fixed test set would stay
    in every comparison of forget with test. Multiples of the golden ratio make every run of examples, however short,
    come close to the shares, so that small classes do not all miss the same part.
    """
    strata = arrays.y.astype(np.int64) * 2
    if arrays.mislabelled is not None:
        strata += arrays.mislabelled
    order = np.random.default_rng(0).permutation(len(arrays))
    order = order[np.argsort(strata[order], kind="stable")]
    position = (np.arange(len(arrays)) + 0.5) * (5**0.5 - 1) / 2 % 1
    partition = np.empty(len(arrays), np.int64)
    partition[order] = np.searchsorted([TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE], position)
    if set(np.unique(partition)) != {0, 1, 2}:
        raise InputError(
            f"{len(arrays)} examples are too few to be divided in training, validation and test. Expected twenty or "
            "more. Add examples, or pass 'partition'."
        )
    return partition


def _read_npz(path: Path) -> tuple[Arrays, np.ndarray | None]:
    expected = "an .npz file with the arrays 'x' and 'y' (and optionally 'groups', 'mislabelled', 'partition')"

    stored = files.checked(lambda: files.read_npz(path), path, expected)
    missing = [name for name in ("x", "y") if name not in stored]
    if missing:
        raise InputError(
            f"'{path}' has no array {' and no array '.join(repr(name) for name in missing)}; it holds "
            f"{', '.join(sorted(stored)) or 'nothing'}. Expected {expected}. Save it with numpy.savez(path, x=x, y=y)."
        )
    arrays = Arrays(stored["x"], stored["y"], stored.get("groups"), stored.get("mislabelled"))
    return arrays, stored.get("partition")
