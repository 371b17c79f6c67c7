"""Published data sets in memory: from the first place that has them whole, or from the net."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.datasets import cache, downloads, places, readers
from kit.datasets.places import Candidate
from kit.datasets.readers import BadData, Content, OtherData
from kit.datasets.registry import DataSet
from kit.types import Arrays, FailedRun, InputError

_LISTED = 3
_Unfit = list[tuple[Candidate, BadData]]


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
        data_set: one of `kit.datasets.registry`.
        folder: the user's folder, searched five levels deep; by default `$KIT_DATA`.
        announce: told what was skipped because it is damaged, and which mirror failed.

    Raises:
        InputError: there is no such folder.
        FailedRun: no place has it, and it cannot be downloaded or stored. Every file is still there.
    """
    tell = announce or _silent
    skipped: _Unfit = []
    for candidate in places.candidates(data_set, folder):
        try:
            return _published(data_set, candidate)
        except BadData as problem:
            skipped.append((candidate, problem))
            if not isinstance(problem, OtherData):
                tell(f"{data_set.title} in {candidate.place}, {candidate.path}, is skipped: {problem}")
    try:
        for file in data_set.files:
            downloads.fetch(file, places.cache_folder(data_set), announce=tell)
    except downloads.CannotDownload as error:
        raise FailedRun(_not_here(data_set, folder, skipped, f"could not be downloaded ({error.brief})")) from error
    except cache.CannotStore as error:
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
    published, unfit = _copied(data_set, folder, announce or _silent)
    if unfit and published is None:
        raise InputError(_nothing_whole_in(folder, [(data_set, unfit)]))
    return published


def adopt_any(
    data_sets: Sequence[DataSet], folder: Path, announce: Callable[[str], None] | None = None
) -> Iterator[tuple[DataSet, Published]]:
    """Copies those data sets that a user's folder has whole into the kit's cache, and yields them, loaded from there.

    What turns out to be another data set is passed over; what is damaged, or there in part, is told of.

    Raises:
        InputError: there is no such folder, or it has none of them whole.
        FailedRun: the cache cannot take them.
    """
    tell = announce or _silent
    remaining: list[tuple[DataSet, _Unfit]] = []
    for data_set in data_sets:
        published, unfit = _copied(data_set, folder, tell)
        if published is None:
            remaining.append((data_set, unfit))
        else:
            yield data_set, published
    if len(remaining) < len(data_sets):
        for data_set, unfit in remaining:
            reason = _listed(_damaged(unfit)) if unfit else _lacking(data_set, folder)
            if reason:
                tell(f"{data_set.title} is skipped: {reason}")
        return
    some = [pair for pair in remaining if _damaged(pair[1])] or [pair for pair in remaining if pair[1]]
    in_part = [data_set for data_set in data_sets if _lacking(data_set, folder)]
    raise InputError(_nothing_whole_in(folder, some) if some else nothing_in(folder, in_part or data_sets))


def nearest(data_set: DataSet) -> Candidate | None:
    """Returns where a data set would be taken from, judged by names, and by labels where data sets share names."""
    for candidate in places.candidates(data_set):
        if readers.has_labels(data_set, candidate.form, candidate.paths):
            return candidate
    return None


def nothing_in(folder: Path, data_sets: Sequence[DataSet]) -> str:
    """Returns the paragraph for a folder in which no files of these data sets are, or not all of any."""
    parts = {data_set.title: _lacking(data_set, folder) for data_set in data_sets}
    absent = [title for title, part in parts.items() if not part]
    contents = [f"no files of {' or '.join(absent)}, at most {places.MAX_DEPTH} levels deep"] if absent else []
    contents += [f"only a part of {title}: {part}" for title, part in parts.items() if part]
    return (
        f"The folder '{folder}' holds {', and '.join(contents)}. Expected {_expected(*data_sets)}. Check the path and "
        "the names of the files."
    )


def _nothing_whole_in(folder: Path, unfit: Sequence[tuple[DataSet, _Unfit]]) -> str:
    data_sets = [data_set for data_set, _ in unfit]
    return (
        f"What '{folder}' holds is not {' or '.join(data_set.title for data_set in data_sets)}, or is damaged "
        f"({_listed([problem for _, some in unfit for problem in some])}). Expected {_expected(*data_sets)}. Copy or "
        "download it again, or name the data set that it is."
    )


def _silent(_line: str) -> None:
    """Ignores what is announced, where no caller listens."""


def _damaged(unfit: _Unfit) -> _Unfit:
    return [(candidate, problem) for candidate, problem in unfit if not isinstance(problem, OtherData)]


def _listed(unfit: _Unfit) -> str:
    problems = list(dict.fromkeys(f"'{candidate.path}': {problem}" for candidate, problem in unfit))
    return "; ".join(problems[:_LISTED]) + (f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else "")


def _lacking(data_set: DataSet, folder: Path) -> str:
    """Says which files of a data set are missing from the folder that has most of them; nothing if there is none."""
    part = places.in_part(data_set, places.existing(folder))
    return f"'{part[0]}' lacks {', '.join(part[1])}" if part else ""


def _copied(data_set: DataSet, folder: Path, tell: Callable[[str], None]) -> tuple[Published | None, _Unfit]:
    """Copies a data set from where a folder has it whole, and returns it too; and what was not fit."""
    unfit: _Unfit = []
    for candidate in places.in_folder(data_set, places.existing(folder)):
        try:
            content = _read(data_set, candidate)
        except BadData as problem:
            unfit.append((candidate, problem))
            continue
        digests = content.digests
        del content  # what was copied is read again, and need not be in memory twice
        try:
            cache.keep(data_set, candidate, digests, tell)
        except cache.CannotStore as error:
            raise FailedRun(
                f"{data_set.title} was found in '{candidate.path}' but could not be copied: {error}. Expected room in "
                f"the kit's cache. Without a copy: set {places.FOLDER_VARIABLE} to that folder."
            ) from error
        return _from_cache(data_set), unfit
    return None, unfit


def _read(data_set: DataSet, candidate: Candidate) -> Content:
    recorded = cache.recorded(data_set) if candidate.cached else None
    return readers.read(data_set, candidate.form, candidate.paths, recorded)


def _published(data_set: DataSet, candidate: Candidate) -> Published:
    content = _read(data_set, candidate)
    single = len(content.digests) == 1
    return Published(
        Arrays(content.x, content.y),
        data_set.num_train,
        f"{candidate.place}, {candidate.path}, {_checked(data_set, candidate, content)}",
        content.digests[0] if single else _sha256(content.x, content.y),
    )


def _checked(data_set: DataSet, candidate: Candidate, content: Content) -> str:
    """Says how the files were checked, file by file where they differ."""
    names = [path.name for path in candidate.paths]
    official = [digest in data_set.official for digest in content.digests]
    otherwise = "the sha256 recorded when it was copied" if candidate.cached else "structure"
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
    unfit: _Unfit = []
    for candidate in places.in_cache(data_set):
        try:
            return _published(data_set, candidate)
        except BadData as problem:
            unfit.append((candidate, problem))
    raise FailedRun(
        f"{data_set.title} was stored in '{places.cache_folder(data_set)}' but cannot be read from there "
        f"({_listed(unfit) or 'it is gone'}). Expected what was stored. Check the disk, or set the environment "
        "variable KIT_HOME to a folder on another one."
    )


def _expected(*data_sets: DataSet) -> str:
    forms = {data_set.title: ", or ".join(form.description for form in data_set.forms) for data_set in data_sets}
    if len(forms) == 1:
        return forms[data_sets[0].title]
    return "; ".join(f"for {title}: {description}" for title, description in forms.items())


def _not_here(data_set: DataSet, folder: Path | None, skipped: _Unfit, failure: str) -> str:
    sentence = f" Skipped: {_listed(skipped)}." if skipped else ""
    return (
        f"{data_set.title} is not on this machine and {failure}. Looked in {', '.join(places.looked_at(folder))}."
        f"{sentence} Expected {_expected(data_set)}. Get these files ({data_set.num_bytes / 1e6:.0f} MB) on another "
        f"machine, for instance from {_address(data_set)} , put them into any folder DIR and run 'kit data "
        f"{data_set.name} --folder DIR'."
    )


def _address(data_set: DataSet) -> str:
    """Returns an address of the file, or of the folder where there are several."""
    first = data_set.files[0].urls[0]
    return first if len(data_set.files) == 1 else f"{first.rpartition('/')[0]}/"
