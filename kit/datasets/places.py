"""Where published data sets may lie on this machine, and in which order to look."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.datasets.registry import DataSet, Form
from kit.storage import files
from kit.storage.near_paths import did_you_mean_path
from kit.types import InputError

# Where Kaggle mounts what a notebook has attached: one folder a data set, of late below the folder of its owner.
KAGGLE_INPUT = Path("/kaggle/input")
FOLDER_VARIABLE = "KIT_DATA"
# A folder that a user names may be a whole disk: so deep, and over so many entries, is it searched.
MAX_DEPTH, MAX_ENTRIES = 5, 20_000


@dataclass(frozen=True)
class Candidate:
    """Files that by their names are a data set; nothing has been read of them.

    Args:
        place: one of the places, for people.
        form: how they are to be read.
        paths: the files, in the order of the form.
        cached: they lie in the kit's own cache.
    """

    place: str
    form: Form
    paths: tuple[Path, ...]
    cached: bool = False

    @property
    def path(self) -> Path:
        """The file, or the folder where there are several."""
        return self.paths[0] if len(self.paths) == 1 else self.paths[0].parent


def candidates(data_set: DataSet, folder: Path | None = None) -> Iterator[Candidate]:
    """Yields what may be the data set, in this order: Keras's cache, the kit's, a user's folder, Kaggle's input.

    Args:
        data_set: what to look for.
        folder: the user's folder; by default `$KIT_DATA`, if that is set.

    Raises:
        InputError: there is no such folder. This is said at once, even where the data are found elsewhere.
    """
    named_folder = user_folder(folder)
    return _candidates(data_set, named_folder)


def _candidates(data_set: DataSet, named_folder: Path | None) -> Iterator[Candidate]:
    for home in keras_folders():
        yield from _in(data_set, "Keras's cache", (home / below for below in data_set.keras_folders))
    yield from in_cache(data_set)
    if named_folder is not None:
        yield from in_folder(data_set, named_folder)
    if KAGGLE_INPUT.is_dir():
        yield from _in(data_set, "Kaggle's input", _folders_below(KAGGLE_INPUT))


def in_cache(data_set: DataSet) -> Iterator[Candidate]:
    """Yields what lies in the kit's own cache."""
    return _in(data_set, "the kit's cache", [cache_folder(data_set)], cached=True)


def in_folder(data_set: DataSet, folder: Path) -> Iterator[Candidate]:
    """Yields what lies in a folder or below it, what is higher first."""
    return _in(data_set, "the folder that you named", _folders_below(folder))


def in_part(data_set: DataSet, folder: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Returns where in or below a folder most of the data set's files lie but not all, and which are missing."""
    parts: list[tuple[Path, tuple[str, ...]]] = []
    for below in _folders_below(folder):
        for form in data_set.forms:
            missing = form.missing(below)
            if 0 < len(missing) < len(form.names):
                parts.append((below, missing))
    return min(parts, key=lambda part: len(part[1]), default=None)


def _in(data_set: DataSet, place: str, folders: Iterable[Path], cached: bool = False) -> Iterator[Candidate]:
    for folder in folders:
        for form in data_set.forms:
            paths = form.find(folder)
            if paths is not None:
                yield Candidate(place, form, paths, cached)


def looked_at(folder: Path | None = None) -> list[str]:
    """Returns the places as a person would list them, for a message that nothing was found."""
    places = [f"Keras's cache '{home}'" for home in keras_folders()]
    places.append(f"the kit's cache '{files.cache_folder() / 'datasets'}'")
    named_folder = user_folder(folder)
    if named_folder is not None:
        places.append(f"the folder '{named_folder}' that you named")
    if KAGGLE_INPUT.is_dir():
        places.append(f"Kaggle's input '{KAGGLE_INPUT}'")
    return places


def cache_folder(data_set: DataSet) -> Path:
    """Returns the folder of a data set in the kit's own cache."""
    return files.cache_folder() / "datasets" / data_set.name


def user_folder(folder: Path | None = None) -> Path | None:
    """Returns the folder that the user named, here or in `$KIT_DATA`; None if there is none.

    Raises:
        InputError: it is no folder.

    Example:
        >>> user_folder(Path("no-such-folder"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kit.types.errors.InputError: The folder 'no-such-folder' of data does not exist. Expected ...
    """
    if folder is not None:
        return existing(folder)
    variable = os.environ.get(FOLDER_VARIABLE)
    return existing(Path(variable), f", which the environment variable {FOLDER_VARIABLE} names,") if variable else None


def existing(folder: Path, origin: str = "") -> Path:
    """Returns a folder of the user's, with the home folder in place of a tilde.

    Args:
        folder: what was named.
        origin: a clause that says where, if not in the call.

    Raises:
        InputError: it is no folder.
    """
    expanded = Path(os.path.expanduser(folder))  # pathlib's own raises an error for a home that is not known
    if os.path.isfile(expanded):
        raise InputError(
            f"'{folder}'{origin} is a file. Expected a folder with the files of a data set, at most {MAX_DEPTH} levels "
            f"deep. Name the folder that the file is in, '{folder.parent}', or leave it out."
        )
    if not os.path.isdir(expanded):
        hint = did_you_mean_path(expanded, "Check the path, or leave it out.")
        raise InputError(
            f"The folder '{folder}' of data{origin} does not exist. Expected a folder with the files of a data set, at "
            f"most {MAX_DEPTH} levels deep. {hint}"
        )
    return expanded


def keras_folders() -> list[Path]:
    """Returns the folders in which Keras keeps data sets, by its own rules (its file utilities and its configuration).

    That is `datasets` in `$KERAS_HOME`, by default `~/.keras`, and one in the folder for temporary files where that
    cannot be written to.
    """
    if "KERAS_HOME" in os.environ:
        home = os.path.expanduser(os.environ["KERAS_HOME"])
    else:
        user = os.path.expanduser("~")
        home = os.path.join(user if os.access(user, os.W_OK) else "/tmp", ".keras")  # noqa: S108 (as Keras does)
    instead = os.path.join("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")  # noqa: S108
    homes = [home] if home else []
    # A home that is not there is made by Keras when it is imported; one that is there and closed is replaced.
    if not home or (os.path.isdir(home) and not os.access(home, os.W_OK)):
        homes.append(instead)
    return [Path(home) / "datasets" for home in homes]


def _folders_below(root: Path) -> Iterator[Path]:
    """Yields a folder and those below it, level by level; what cannot be looked into is left out."""
    level, left = [root], MAX_ENTRIES
    for _ in range(MAX_DEPTH + 1):
        yield from level
        below = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    for entry in itertools.islice(entries, left):
                        left -= 1
                        if entry.is_dir():
                            below.append(Path(entry.path))
            except OSError:
                continue
        level = sorted(below)
