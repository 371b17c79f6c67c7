"""Which training examples are forgotten: index sets, recorded and hashed; no image is ever copied."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kit.challenges import checks, requests
from kit.storage import files
from kit.storage.digests import with_digest_of_arrays, without_digest_of_arrays
from kit.types import Arrays, InputError, Split, forget_form


def make_split(
    train: Arrays,
    forget: str | Path | Sequence[int] | np.ndarray = "random:0.1",
    seed: int = 0,
    *,
    rows: np.ndarray | None = None,
) -> Split:
    """Chooses the forget set.

    Args:
        train: the training set.
        forget: `random:0.1` (a share, or a number of examples as in `random:126`), `stratified:0.1` (the same share
            of each class), `class:5`, `class:3,5`, `group:ID`, `mislabelled`, or row numbers: an array of integers, or
            the path of a file of them; or of ids or groups, under the name that the data have for them.
        seed: of the random ones, >= 0; the same seed gives the same split everywhere.
        rows: int64 (len(train),), the row of the whole data set that each training example comes from: what row numbers
            count. By default they count the training set.

    Returns:
        A `Split`. Random splits have the order of `keras.utils.split_dataset`, others that of the data or the file.

    Raises:
        InputError: an unknown form, a class or group that does not occur, an empty set or everything, a bad file.

    Example:
        >>> train = Arrays(np.zeros((6, 2)), np.array([0, 1, 2, 0, 1, 2]))
        >>> make_split(train, "class:1").forget.tolist()
        [1, 4]
    """
    if isinstance(forget, np.ndarray | list | tuple):
        rows = np.arange(len(train)) if rows is None else rows
        return _without("row numbers", _positions(np.asarray(forget), "The forget set", rows), seed, len(train))
    forget = str(forget)
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"The split seed is {seed}. Expected a whole number, 0 or more. Try --split-seed 0.")
    checks.check_forget(forget)
    kind, argument = forget_form(forget)
    if kind == "random":
        return Split(forget, seed, *shuffled_halves(len(train), _share(argument, len(train)), seed))
    if kind in _MAKERS:
        positions = _MAKERS[kind](train, argument, seed)
    elif Path(forget).suffix.lower() == ".npz":
        return _recorded(Path(forget), len(train))
    else:
        rows = np.arange(len(train)) if rows is None else rows
        positions = _from_file(Path(forget), train, rows)
    return _without(forget, positions, seed, len(train))


def _without(name: str, positions: np.ndarray, seed: int, num_examples: int) -> Split:
    is_retained = np.ones(num_examples, bool)
    is_retained[positions] = False
    return Split(name, seed, forget=positions, retain=np.flatnonzero(is_retained))


def shuffled_halves(num_examples: int, left_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits `range(num_examples)` as `keras.utils.split_dataset(..., shuffle=True, seed=seed)` does, without Keras.

    That function shuffles a list with Python's `random.shuffle`, whose swaps depend on the seed and the length alone,
    and cuts it. `tests/challenges/test_splits.py` holds this function against Keras's own for many sizes and seeds.

    Example:
        >>> left, right = shuffled_halves(5, 2, seed=0)
        >>> left.tolist(), right.tolist()
        ([2, 1], [0, 4, 3])
    """
    shuffled = list(range(num_examples))
    random.Random(int(seed)).shuffle(shuffled)  # noqa: S311 (not for secrets: the split is to be repeatable)
    indices = np.array(shuffled, dtype=np.int64)
    return indices[:left_size], indices[left_size:]


def save_split(split: Split, path: str | Path) -> None:
    """Writes a split as `.npz` with the arrays `forget`, `retain`, `name`, `seed` and their `sha256`, atomically.

    Args:
        split: what `make_split` returned, or `challenge.split`.
        path: file to write; one of that name is replaced.

    Example:
        >>> import tempfile
        >>> split = Split("rows", 0, forget=np.array([1]), retain=np.array([0, 2]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_split(split, f"{folder}/split.npz")
        ...     load_split(f"{folder}/split.npz").sha256 == split.sha256
        True
    """
    arrays = {"forget": split.forget, "retain": split.retain}
    arrays |= {"name": np.array(split.name), "seed": np.array(split.seed)}
    files.write_npz(Path(path), with_digest_of_arrays(arrays))


def load_split(path: str | Path) -> Split:
    """Reads what `save_split` wrote; nothing is unpickled.

    Args:
        path: of the `.npz` file; each `kit run` leaves one, `split.npz`, beside its report.

    Returns:
        The `Split`, whose `forget` can be passed on: `kit.load_challenge(..., forget=rows)`.

    Raises:
        InputError: the file is missing, damaged or not a split.
    """

    def load() -> Split:
        stored = without_digest_of_arrays(files.read_npz(Path(path)))
        missing = sorted({"forget", "retain", "name", "seed"} - set(stored))
        if missing:
            raise ValueError(f"it has no array {' and no array '.join(map(repr, missing))}")
        if stored["seed"].dtype.kind not in "iu" or stored["seed"].ndim or stored["name"].dtype.kind != "U":
            raise ValueError("its seed is no whole number, or its name no text")
        return Split(str(stored["name"]), int(stored["seed"]), forget=stored["forget"], retain=stored["retain"])

    split: Split = files.checked(load, Path(path), checks.SPLIT_FILE)
    return split


def _share(argument: str, num_examples: int) -> int:
    """Number of examples for `0.1` (a share, rounded as Keras does), `126` (a count) or nothing (a tenth)."""
    try:
        value = float(argument or "0.1")
    except ValueError:
        value = float("nan")
    share = not argument.strip().isdigit()
    count = (round(value * num_examples) if 0 < value < 1 else float("nan")) if share else value
    if not float(count).is_integer() or not 0 < count < num_examples:
        raise InputError(
            f"'{argument}' of {num_examples} training examples cannot be forgotten: that is nothing, everything or no "
            "number. Expected a share between 0 and 1 or a number of examples that leaves one on either side. Try "
            "--forget random:0.1."
        )
    return int(count)


def _stratified(train: Arrays, argument: str, seed: int) -> np.ndarray:
    if train.y.dtype.kind == "f":
        raise InputError(
            f"'stratified:{argument}' was asked for labels of dtype {train.y.dtype}. Expected classes, of which the "
            "same share is forgotten. Try random:0.1."
        )
    total = _share(argument, len(train))
    labels, counts = np.unique(train.y, return_counts=True)
    exact = counts * total / len(train)
    takes = np.floor(exact).astype(int)
    takes[np.argsort(takes - exact, kind="stable")[: total - takes.sum()]] += 1  # largest remainders first
    positions = []
    for label, take, count in zip(labels, takes, counts, strict=True):
        members = np.flatnonzero(train.y == label)
        if 0 < take < count:
            members = members[shuffled_halves(int(count), int(take), seed)[0]]
        positions.append(members[:take])
    return np.concatenate(positions)


def _class(train: Arrays, argument: str, seed: int) -> np.ndarray:
    named = np.array(train.classes)[train.y] if train.classes else train.y
    return _equal_to(named, argument, "class")


def _group(train: Arrays, argument: str, seed: int) -> np.ndarray:
    if train.groups is None:
        raise InputError(
            f"Group '{argument}' cannot be forgotten because this challenge does not say which example belongs to "
            "whom. Expected 'groups', one entry an example. Add an array 'groups' to the .npz file or pass it to "
            "kit.make_challenge."
        )
    return _equal_to(train.groups, argument, "group")


def _equal_to(column: np.ndarray, argument: str, what: str) -> np.ndarray:
    text = column.astype(str)
    values = checks.named_values(argument, np.unique(text).tolist(), what)
    return np.flatnonzero(np.isin(text, values))


def _mislabelled(train: Arrays, argument: str, seed: int) -> np.ndarray:
    if train.mislabelled is None or argument:
        raise InputError(
            "'mislabelled' forgets the examples whose labels are known to be wrong; it takes no argument, and this "
            f"challenge {'does not know which they are' if not argument else 'was given ' + repr(argument)}. Expected "
            "an array 'mislabelled' of booleans beside x and y. Use --challenge noisy-digits, or a file of indices."
        )
    return np.flatnonzero(train.mislabelled)


_MAKERS: dict[str, Callable[[Arrays, str, int], np.ndarray]] = {
    "stratified": _stratified,
    "class": _class,
    "group": _group,
    "mislabelled": _mislabelled,
}


def _recorded(path: Path, num_examples: int) -> Split:
    split = load_split(path)
    total = len(split.forget) + len(split.retain)
    if total != num_examples:
        raise InputError(
            f"The split '{path}' was made for {total} training examples, but this challenge has {num_examples}. "
            "Expected a split of this training set. Use the challenge that it was recorded with."
        )
    return split


def _from_file(path: Path, train: Arrays, rows: np.ndarray) -> np.ndarray:
    """Returns the positions of the training examples that a file names, by row numbers, ids or groups."""
    if path.suffix.lower() == ".npy":
        numbers = files.checked(lambda: np.asarray(np.load(path, allow_pickle=False)), path, checks.ROWS_FILE)
        return _positions(numbers, f"'{path}'", rows)
    keys = dict(train.keys)
    if train.groups is not None:
        keys |= {"group": train.groups, "groups": train.groups}

    def read() -> tuple[str, np.ndarray]:
        asked = requests.read(path)
        place = asked.column(list(keys))
        name = asked.names[place]
        return ("", asked.integers(place)) if name.lower() in requests.ROW_NAMES else (name, asked.texts(place))

    name, values = files.checked(read, path, checks.ROWS_FILE)
    if not name:
        return _positions(values, f"'{path}'", rows)
    known = [key for key in keys if key.lower() == name.lower()]
    if len(known) > 1 and name not in known:
        raise InputError(
            f"'{path}' names examples by '{name}', and the data have {' and '.join(map(repr, known))}. Expected the "
            "name of one of them as it is written there. Correct the header."
        )
    return _of_keys(keys[name if name in known else known[0]].astype(str), values, f"'{path}'", name.lower())


def _of_keys(column: np.ndarray, values: np.ndarray, what: str, name: str) -> np.ndarray:
    """Returns where these ids stand: all examples of each."""
    distinct, counts = np.unique(values, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{what} names the {name} '{distinct[counts > 1][0]}' more than once ({int((counts > 1).sum())} "
            "duplicates). Expected each once. Remove the duplicates."
        )
    missing = distinct[~np.isin(distinct, column)]
    if missing.size:
        raise InputError(
            f"{what} names {missing.size} of {distinct.size} that no training example has as '{name}', "
            f"{', '.join(map(repr, missing[:3].tolist()))} first: unknown, already absent, or among the examples for "
            "validation and test, from which the model has not learnt. Expected ids of training examples. Take these "
            "out of the file."
        )
    return np.flatnonzero(np.isin(column, distinct))


def _positions(numbers: np.ndarray, what: str, rows: np.ndarray) -> np.ndarray:
    """Returns where in the training set these rows of the data set stand."""
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise InputError(
            f"{what} holds an array of shape {numbers.shape} and dtype {numbers.dtype}. Expected {checks.ROWS}. "
            "Save the examples' rows, for instance with numpy.flatnonzero."
        )
    values, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{what} names row {values[counts > 1][0]} more than once ({int((counts > 1).sum())} duplicates). "
            "Expected each row once. Remove the duplicates, for instance with numpy.unique."
        )
    outside = ~np.isin(numbers, rows)
    if outside.any():
        raise InputError(
            f"{what} names row {numbers[outside][0]}, which is no training example ({int(outside.sum())} such rows): "
            f"the model has not learnt from it. Expected rows of the {len(rows)} training examples, counted from 0 "
            f"over the whole data set ({rows.min()} to {rows.max()}). Where the data do not say which examples are for "
            "training (an array 'partition'), the kit chooses 70 % of them for it: add that array."
        )
    order = np.argsort(rows)
    return order[np.searchsorted(rows, numbers, sorter=order)].astype(np.int64)
