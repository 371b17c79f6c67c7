"""Reads a stranger's `.keras` or `.weights.h5` file before Keras does, in a process with limits.

`inspect` starts `python -m kit.models.inspection FILE`, which takes no more memory and time than it is allowed.
What lies in the file is looked at with distrust: an archive of known names, a description of allowed
parts (`kit.models.parts`), and arrays that are all in the file, none of them larger than its bytes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import h5py

from kit.models import parts
from kit.models.parts import Refused
from kit.storage.scratch import Scratch

WEIGHTS, CONFIG, _METADATA = "model.weights.h5", "config.json", "metadata.json"
# Where Keras keeps the words of a StringLookup or a TextVectorization.
_WORDS = re.compile(r"assets/(\w{1,80}/){1,20}vocabulary\.txt")
_MOST_BYTES_OF_WORDS = 64 << 20
_MOST_TEXT, _MOST_ENTRIES, _MOST_ARRAYS, _MOST_GROUPS_DEEP = 16 << 20, 500, 100_000, 100
_MEMORY_BYTES, _CPU_SECONDS, _WALL_SECONDS, _MOST_REPLY = 4 << 30, 60, 300, 10_000


@dataclass(frozen=True)
class Inspected:
    """How many numbers the arrays of a file hold, or why it is refused, as half a sentence."""

    elements: int = 0
    refusal: str = ""


@contextlib.contextmanager
def unchanging(path: Path) -> Iterator[Path]:
    """Gives a copy of a file in a folder of this process's own, so that what is looked at is what is read afterwards.

    Args:
        path: of a file that somebody else may put another in the place of.

    Raises:
        Refused: it cannot be copied, for want of room for instance.

    Example:
        >>> with unchanging(Path(__file__)) as copy:
        ...     copy != Path(__file__), copy.read_bytes() == Path(__file__).read_bytes()
        (True, True)
    """
    with Scratch("kit-model-") as folder:
        copy = folder.path / f"copy{'.weights.h5' if path.name.endswith('.weights.h5') else path.suffix}"
        try:
            if path.stat().st_size > shutil.disk_usage(folder.path).free:  # a file of holes takes no room where it is
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            shutil.copyfile(path, copy)
        except OSError as error:
            raise Refused(f"it cannot be copied to '{folder.path.parent}' ({error.strerror or error})") from error
        yield copy


def inspect(path: Path) -> Inspected:
    """Returns what a file holds, looked at in a process of its own, which nothing in the file can take along.

    Example:
        >>> inspect(Path(__file__).with_suffix(".h5")).refusal
        'FileNotFoundError'
    """
    package = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": package, "PYTHONSAFEPATH": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "kit.models.inspection", str(path.absolute())]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_WALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Inspected(refusal=f"it was not read in {_WALL_SECONDS} seconds")
    try:
        reply = json.loads(done.stdout[:_MOST_REPLY])
        return Inspected(int(reply["elements"]), str(reply["refusal"]))
    except (ValueError, KeyError, TypeError):
        return Inspected(refusal="the process that read it has died, of its size or of what it makes the library do")


def examine(path: Path) -> Inspected:
    """Does what `inspect` does, in this process."""
    try:
        if not path.name.endswith(".keras"):
            with path.open("rb") as stream:
                return Inspected(_elements(stream))
        with zipfile.ZipFile(path) as archive:
            _check_names(archive)
            parts.check(_json_of(archive, CONFIG))
            _json_of(archive, _METADATA)
            with archive.open(WEIGHTS) as stream:
                return Inspected(_elements(stream))
    except Refused as refused:
        return Inspected(refusal=str(refused))
    except Exception as error:  # zipfile's, zlib's, json's and h5py's, of which there are many kinds
        return Inspected(refusal=type(error).__name__)


def description_of(path: Path) -> Any:
    """Returns the description in a `.keras` file that `inspect` has found sound, checked again, for building a model.

    Raises:
        Refused: it has changed since.
    """
    with zipfile.ZipFile(path) as archive:
        description = _json_of(archive, CONFIG)
    parts.check(description)
    return parts.without_training(description)


def is_words(name: str) -> bool:
    """Returns whether an entry of an archive is a list of words, which a layer looks up.

    Example:
        >>> is_words("assets/layers/string_lookup/vocabulary.txt"), is_words("assets/../vocabulary.txt")
        (True, False)
    """
    return _WORDS.fullmatch(name) is not None


def _check_names(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = sorted(entry.filename for entry in entries[:_MOST_ENTRIES] if not is_words(entry.filename))
    if len(entries) > _MOST_ENTRIES or names != sorted((CONFIG, _METADATA, WEIGHTS)):
        raise Refused(f"its archive holds {', '.join(map(repr, names))[:200]}, not {CONFIG}, {_METADATA} and {WEIGHTS}")
    if len({entry.filename for entry in entries}) < len(entries):
        raise Refused("two entries of its archive have one name")
    if sum(entry.file_size for entry in entries if is_words(entry.filename)) > _MOST_BYTES_OF_WORDS:
        raise Refused(f"its lists of words have more than {_MOST_BYTES_OF_WORDS:,} bytes")
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED
        if not (stored or entry.compress_type == zipfile.ZIP_DEFLATED):
            raise Refused("its archive is compressed in an unusual way")
        if entry.filename == WEIGHTS and not stored and entry.file_size > 100 * entry.compress_size:
            raise Refused(f"'{WEIGHTS}' is {entry.file_size:,} bytes packed into {entry.compress_size:,}")


def _json_of(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as stream:
        text = stream.read(_MOST_TEXT + 1)  # bounded, whatever size the archive states
    if len(text) > _MOST_TEXT:
        raise Refused(f"'{name}' has more than {_MOST_TEXT:,} bytes")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise Refused(f"'{name}' is nested deeper than {parts.MOST_DEPTH}") from error


def _elements(stream: IO[bytes]) -> int:
    """Returns how many numbers all arrays of an HDF5 file hold, each of which has been read.

    Raises:
        Refused: a link leads out of the file or to another of its parts; an array lies outside of the file, is made of
            others, takes fewer bytes than it has, or holds something else than numbers.
    """
    total, places = 0, set()
    with h5py.File(stream, "r") as file:
        for number, (name, part) in enumerate(_parts(file, "", 0)):
            place = h5py.h5o.get_info(part.id).addr
            if number >= _MOST_ARRAYS or place in places:
                raise Refused(f"'{name[:60]}' is one of too many arrays and groups, or there twice")
            places.add(place)
            if isinstance(part, h5py.Dataset):
                _check_array(name, part)
                total += part.size
                part[()]  # what it makes the library do, it does here
    return int(total)


def _parts(group: h5py.Group, above: str, depth: int) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    if depth > _MOST_GROUPS_DEEP:
        raise Refused(f"its groups are nested deeper than {_MOST_GROUPS_DEEP}")
    for key in group:
        name = f"{above}/{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise Refused(f"'{name[:60]}' is a link to something else")
        part = group[key]
        if not isinstance(part, h5py.Group | h5py.Dataset):
            raise Refused(f"'{name[:60]}' is no array")
        yield name, part
        if isinstance(part, h5py.Group):
            yield from _parts(part, name, depth + 1)


def _check_array(name: str, array: h5py.Dataset) -> None:
    if array.external or array.is_virtual:
        raise Refused(f"the array '{name[:60]}' lies in other files")
    if array.dtype.kind not in "fiubV" or array.dtype.hasobject or array.dtype.itemsize > 16:
        raise Refused(f"the array '{name[:60]}' holds {str(array.dtype)[:40]}, not numbers")
    if array.id.get_storage_size() < array.nbytes:
        raise Refused(f"the array '{name[:60]}' takes fewer bytes than its {array.nbytes:,}")


def _limit_this_process() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has none of it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit_this_process()
    print(json.dumps(asdict(examine(Path(sys.argv[1])))))
