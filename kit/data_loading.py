"""Published data sets in memory: from the first place that has them whole, or from the net."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import data_cache, data_places, data_readers, downloads
from kit.data_places import Found
from kit.data_readers import BadData, Content, WrongDigest
from kit.data_registry import DataSet
from kit.types import Arrays, FailedRun, InputError


@dataclass(frozen=True)
class Published:
    """A published data set in memory.

    Args:
        arrays: the examples as published, those for training first; x is uint8 of shape (n, height, width, channels).
        num_train: how many of them are for training.
        source: for people: where they were found, and how they were checked.
        sha256: of the file, where the data set is one file; otherwise of the arrays (x, then y as little-endian int32).
    """

    arrays: Arrays
    num_train: int
    source: str
    sha256: str


def load(data_set: DataSet, folder: Path | None = None, announce: Callable[[str], None] | None = None) -> Published:
    """Loads a data set from the first place that has it whole, and downloads it if there is none.

    The places are Keras's cache, the kit's own, the user's folder, and what a Kaggle notebook has attached.

    Args:
        data_set: one of `kit.data_registry`.
        folder: the user's folder, searched five levels deep; by default `$KIT_DATA`.
        announce: told what was skipped because it is damaged, and which mirror failed.

    Raises:
        InputError: there is no such folder.
        FailedRun: no place has it, and it cannot be downloaded or stored.
    """
    tell = announce or _silent
    skipped = []
    for found in data_places.candidates(data_set, folder):
        try:
            return _published(data_set, found)
        except BadData as problem:
            skipped.append(f"'{found.path}': {problem}")
            tell(f"{data_set.title} in {found.place}, {found.path}, is skipped: {problem}")
            if found.cached and isinstance(problem, WrongDigest):
                data_cache.discard(data_set, found, tell)
    try:
        for file in data_set.files:
            downloads.fetch(file, data_places.cache_folder(data_set), announce=tell)
    except downloads.CannotDownload as error:
        raise FailedRun(_not_here(data_set, folder, skipped, f"could not be downloaded ({error})")) from error
    except data_cache.CannotStore as error:
        raise FailedRun(_not_here(data_set, folder, skipped, f"could not be stored: {error}")) from error
    return _from_cache(data_set)


def adopt(data_set: DataSet, folder: Path, announce: Callable[[str], None] | None = None) -> Published | None:
    """Copies a data set from a user's folder into the kit's cache, and loads it from there.

    Returns:
        None if the folder has no files of these names.

    Raises:
        InputError: there is no such folder, or its files are damaged or of another data set.
        FailedRun: the cache cannot take them.
    """
    tell = announce or _silent
    problems = []
    for found in data_places.in_folder(data_set, data_places.existing(folder)):
        try:
            content = _read(data_set, found)
        except BadData as problem:
            problems.append(f"'{found.path}': {problem}")
            continue
        digests = content.digests
        del content  # what was copied is read again, and need not be in memory twice
        try:
            data_cache.keep(data_set, found, digests, tell)
        except data_cache.CannotStore as error:
            raise FailedRun(
                f"{data_set.title} was found in '{found.path}' but could not be copied: {error}. Expected room in the "
                f"kit's cache. Without a copy: set {data_places.FOLDER_VARIABLE} to that folder."
            ) from error
        return _from_cache(data_set)
    if problems:
        raise InputError(
            f"What '{folder}' holds is not {data_set.title}, or is damaged ({'; '.join(problems)}). Expected "
            f"{_expected(data_set)}. Copy or download it again."
        )
    return None


def nearest(data_set: DataSet) -> Found | None:
    """Returns where a data set would be taken from, judged by names alone: nothing is read."""
    return next(data_places.candidates(data_set), None)


def nothing_in(folder: Path, data_sets: Sequence[DataSet]) -> str:
    """Returns the paragraph for a folder in which no files of these data sets are."""
    expected = "; ".join(f"for {data_set.title}: {_expected(data_set)}" for data_set in data_sets)
    return (
        f"The folder '{folder}' holds no files of {' or '.join(data_set.title for data_set in data_sets)}, at most "
        f"{data_places.MAX_DEPTH} levels deep. Expected {expected}. Check the path and the names of the files."
    )


def _silent(_line: str) -> None:
    """Tells nobody."""


def _read(data_set: DataSet, found: Found) -> Content:
    recorded = data_cache.recorded(data_set) if found.cached else None
    return data_readers.read(data_set, found.form, found.paths, recorded)


def _published(data_set: DataSet, found: Found) -> Published:
    content = _read(data_set, found)
    single = len(content.digests) == 1
    return Published(
        Arrays(content.x, content.y),
        data_set.num_train,
        f"{found.place}, {found.path}, {_checked(data_set, found, content)}",
        content.digests[0] if single else _sha256(content.x, content.y),
    )


def _checked(data_set: DataSet, found: Found, content: Content) -> str:
    """Says how the files were checked, file by file where they differ."""
    names = [path.name for path in found.paths]
    official = [digest in data_set.official for digest in content.digests]
    otherwise = "the sha256 recorded when it was copied" if found.cached else "structure"
    if all(official):
        return "checked by the published sha256"
    if not any(official):
        return f"checked by {otherwise}"
    by_digest = ", ".join(name for name, good in zip(names, official, strict=True) if good)
    rest = ", ".join(name for name, good in zip(names, official, strict=True) if not good)
    return f"checked by the published sha256 ({by_digest}) and by {otherwise} ({rest})"


def _sha256(x: np.ndarray, y: np.ndarray) -> str:
    digest = hashlib.sha256(x.data)
    digest.update(y.astype("<i4").data)
    return digest.hexdigest()


def _from_cache(data_set: DataSet) -> Published:
    problems = []
    for found in data_places.in_cache(data_set):
        try:
            return _published(data_set, found)
        except BadData as problem:
            problems.append(f"'{found.path}': {problem}")
    raise FailedRun(
        f"{data_set.title} was stored in '{data_places.cache_folder(data_set)}' but cannot be read from there "
        f"({'; '.join(problems) or 'it is gone'}). Expected what was stored. Check the disk, or set the environment "
        "variable KIT_HOME to a folder on another one."
    )


def _expected(data_set: DataSet) -> str:
    return ", or ".join(form.description for form in data_set.forms)


def _not_here(data_set: DataSet, folder: Path | None, skipped: list[str], failure: str) -> str:
    damaged = f" Skipped as damaged: {'; '.join(skipped)}." if skipped else ""
    addresses = " ".join(file.urls[0] for file in data_set.files)
    return (
        f"{data_set.title} is not on this machine and {failure}. Looked in {', '.join(data_places.looked_at(folder))}."
        f"{damaged} Expected {_expected(data_set)}. Get these files ({data_set.num_bytes / 1e6:.0f} MB) on another "
        f"machine, for instance from {addresses} , put them into any folder DIR and run 'kit data {data_set.name} "
        "--folder DIR'."
    )
