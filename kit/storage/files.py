"""Where files live, and writing them so that nobody ever sees half of one.

Decisions:

- A wheel carries `data/` inside the package, a checkout beside it; `data_folder` finds either.
- NumPy is imported where arrays are read or written: a name that is refused does not wait for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kit.storage.near_paths import did_you_mean_path
from kit.types import FailedRun, InputError

if TYPE_CHECKING:
    import numpy as np

_LEFTOVER_SECONDS = 3600
# What reading a damaged `.npz` file raises, of which NumPy's and zipfile's documentation tell little.
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)


class CannotWrite(FailedRun):
    """A file cannot be written, because the disk is full for instance; its cause is the system's error."""


def data_folder() -> Path:
    """Returns the folder of shipped weights: beside the package in a checkout, inside it once installed."""
    package = Path(__file__).resolve().parents[1]
    return inside if (inside := package / "data").is_dir() else package.parent / "data"


def cache_folder() -> Path:
    """Returns `$KIT_HOME`, by default `~/.cache/unlearning-kit`: trained originals and measured references.

    Raises:
        InputError: neither is there: a process of no known user, in a container for instance, has no home folder.
    """
    try:
        return Path(os.environ.get("KIT_HOME") or Path.home() / ".cache" / "unlearning-kit")
    except RuntimeError as error:
        raise InputError(
            "There is no home folder in which the kit could keep trained models. Expected one, or a folder of your "
            "choice. Set the environment variable KIT_HOME to a folder that can be written to."
        ) from error


@contextlib.contextmanager
def atomic_write(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and renames it to `path` when the block ends without an error.

    Args:
        path: of the file; its folder is made.
        mode: who may read it.

    Raises:
        CannotWrite: the file or its folder cannot be made, or the disk is full.
    """
    try:
        with _replacing(path, mode) as stream:
            yield stream
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    """Returns the error for a file at `path` that the system refused to write; `error` is what it raised."""
    elsewhere = "set the environment variable KIT_HOME to another folder" if _in_cache(path) else "choose another"
    return CannotWrite(
        f"'{path}' cannot be written ({error.strerror or error}). Expected a folder that can be written to, and room "
        f"on its disk. Free some space, or {elsewhere}; what was finished before is kept, and the same command goes "
        "on there."
    )


@contextlib.contextmanager
def _replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(temporary, mode)  # mkstemp allows the owner only
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _in_cache(path: Path) -> bool:
    with contextlib.suppress(InputError):
        return path.is_relative_to(cache_folder())
    return False


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Removes from `folder` half-written files an hour old, which killed processes left: of `name`, or of any.

    A younger file may be another process's, still writing.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        # A folder a run: pathlib's own search would take longer than all the reading.
        for leftover in (entry for entry in os.listdir(folder) if entry.startswith(f".{name}")):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - os.stat(folder / leftover).st_mtime > _LEFTOVER_SECONDS:
                    os.unlink(folder / leftover)


def remove(path: Path) -> None:
    """Removes `path`: a file, a link, or a folder with all that is in it, even what its owner may not read.

    Nothing must be at work there meanwhile. What a link leads to is left alone.
    """
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Writes `content` as JSON to `path`, atomically; NaN and infinity, which JSON does not have, are a ValueError."""
    with atomic_write(path) as stream:
        stream.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes `arrays`, by name, to `path`, atomically; the same arrays give the same bytes."""
    import numpy as np

    # What numpy.savez does, but that this closes the archive after an error: else Python prints a traceback of its own.
    with atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


def read_npz(file: Path | BinaryIO) -> dict[str, np.ndarray]:
    """Returns all arrays of the `.npz` file `file`, unpickles nothing, and closes it whatever happens.

    Raises:
        one of `DAMAGED`: it is no sound zip archive, holds Python objects, something else than arrays, two of one name,
            or more than there is memory for.
    """
    import numpy as np

    with file.open("rb") if isinstance(file, Path) else file as stream:
        if not zipfile.is_zipfile(stream):
            raise ValueError("it is no zip archive, which every .npz file is")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as stored:
            require_memory(sum(entry.file_size for entry in stored.zip.infolist()))
            if len({*stored.files}) < len(stored.files):
                raise ValueError("two of its arrays have one name")
            arrays = {name: stored[name] for name in stored.files}
    others = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]  # NumPy returns their bytes
    if others:
        raise ValueError(f"'{others[0][:40]}' in it is no array")
    return arrays


def require_memory(num_bytes: int) -> None:
    """Checks that `num_bytes` of memory are free: a packed file may take a thousand times its size.

    Raises:
        ValueError: it cannot.
    """
    import psutil

    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise ValueError(f"its arrays take {num_bytes / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of memory are free")


def read_checked_npz(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Returns all arrays of the `.npz` file at `path`, if `sha256` is the digest of its bytes.

    Raises:
        ValueError: they have another.
        OSError: there is no such file.
    """
    content = path.read_bytes()  # once: what is looked at is what is read
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ValueError(f"the sha256 is {digest[:16]}..., not the one that was recorded")
    return read_npz(io.BytesIO(content))


def sha256_of(path: Path) -> str:
    """Returns the sha256 of the file at `path`, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def require_writable(folder: Path, option: str = "--out", what: str = "output folder") -> None:
    """Checks that results can be stored under `folder`, without leaving anything behind.

    Args:
        folder: existing or not.
        option: for people: how another one is chosen.
        what: for people: what the folder is.

    Raises:
        InputError: `folder`, or the nearest parent that exists, is no folder or cannot be written to.
    """
    nearest = folder
    try:
        nearest = folder.absolute()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            nearest.stat()  # other errors are final: a name that is too long, a folder that is closed to this user
        while not os.path.exists(nearest):
            nearest = nearest.parent
        with tempfile.TemporaryFile(dir=nearest):
            return
    except OSError as error:
        raise InputError(
            f"The {what} '{folder}' cannot be written to ({error.strerror or error} at '{nearest}'). Expected a "
            f"folder, existing or not, in which files may be made. Choose another one with {option}."
        ) from error


def require_free(folder: Path, option: str) -> None:
    """Checks that a folder can be written, and that nothing in it would be lost.

    Args:
        folder: new or empty.
        option: for people: how another one is chosen.

    Raises:
        InputError: there is something in it, or it cannot be made.
    """
    if os.path.exists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"'{folder}' exists already, and is not empty. Expected a new or an empty folder, so that nothing is lost. "
            f"Choose another one with {option}."
        )
    require_writable(folder.parent, option, "folder of the new one")


def require_cache() -> None:
    """Checks that the kit's cache can be written to: before what takes long and is kept there.

    Raises:
        InputError: it cannot.
    """
    require_writable(cache_folder(), "the environment variable KIT_HOME", "kit's cache")


def require_file(path: Path, expected: str) -> None:
    """Checks that there is a file before it is opened; where there is none, near matches are shown.

    Args:
        path: of the file.
        expected: the sentence that says what it should be, "Expected ... .".

    Raises:
        InputError: there is none.
    """
    if not os.path.isfile(path):  # pathlib's own raises an error for a name that is too long
        hint = did_you_mean_path(path, "Check the path and the working folder.")
        raise InputError(f"There is no file '{path}'. {expected} {hint}")


def checked(load: Callable[[], Any], path: Path, expected: str) -> Any:
    """Returns what `load` reads from `path`, and turns whatever a strange file makes it raise into one paragraph.

    Raises:
        InputError: the file is missing, or is not what `expected` says.
    """
    require_file(path, f"Expected {expected}.")
    try:
        return load()
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib, NumPy and the OS each have errors of their own for a strange file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        advice = "Write it again, and check that it was copied whole."
        raise InputError(f"The file '{path}' cannot be read ({reason}). Expected {expected}. {advice}") from error
