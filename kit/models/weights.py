"""A model's weights as `.npz`, arrays named 0, 1, ... in the order of `net.weights`: the only writer and reader.

The kit's own files are read plainly (`read_checked_file`), a stranger's as if an enemy had written them
(`read_strangers_file`).
"""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.storage import files

# A .npy header of a plain array takes 128 bytes; NumPy itself allows 10,000.
_HEADER_BYTES = 10_000
# An entry of the zip's directory takes about 55 bytes. Forged ones cost memory and time before they can be compared.
_DIRECTORY_BYTES = 200
_SHOWN = 60
# Numbers that were trained are packed into nine tenths of their bytes; zeros alone into a thousandth.
_LARGEST_RATIO = 100


class RefusedWeightsError(ValueError):
    """A file of weights is refused. `check` names the check of `kit validate`: `architecture` where they are others."""

    def __init__(self, reason: str, check: str = "weights") -> None:
        """Takes the reason as half a sentence, and the check that fails."""
        super().__init__(reason)
        self.check = check


@dataclass(frozen=True)
class Expected:
    """What an array must be: its shape and its dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Size of the data."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def expected_like(weights: Sequence[np.ndarray]) -> tuple[Expected, ...]:
    """Returns what `read_weights` must find to replace `weights`.

    Example:
        >>> expected_like([np.zeros((2, 3), np.float32)])
        (Expected(shape=(2, 3), dtype=dtype('float32')),)
    """
    return tuple(Expected(tuple(array.shape), array.dtype) for array in weights)


def numbered(weights: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays under the names that they have in a file.

    Example:
        >>> list(numbered([np.zeros(2), np.ones(3)]))
        ['0', '1']
    """
    return {str(number): array for number, array in enumerate(weights)}


def in_order(stored: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the arrays of a file, in the order of their numbers.

    Raises:
        KeyError: a number is left out, or an array has another name.

    Example:
        >>> in_order({"1": np.ones(1), "0": np.zeros(1)})
        [array([0.]), array([1.])]
    """
    return [stored[str(number)] for number in range(len(stored))]


def write_file(path: Path, weights: Iterable[np.ndarray]) -> None:
    """Writes weights to an `.npz` file, atomically; the same arrays give the same bytes."""
    files.write_npz(path, numbered(weights))


def read_checked_file(path: Path, sha256: str) -> tuple[np.ndarray, ...]:
    """Returns the weights in a file of the kit's own, whose digest was recorded.

    Raises:
        ValueError: it has another digest.
        OSError: there is no such file.
    """
    return tuple(in_order(files.read_checked_npz(path, sha256)))


def read_strangers_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an `.npz` of which nothing is known yet; it is not unpacked to far more than it is.

    Raises:
        ValueError, or one of `kit.storage.files.DAMAGED`: it is no sound `.npz` file, or packed beyond what weights
            allow.
    """
    with path.open("rb") as stream:
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                if entry.file_size > _LARGEST_RATIO * entry.compress_size + _HEADER_BYTES:
                    raise ValueError(f"'{entry.filename[:_SHOWN]}' is {entry.file_size:,} bytes packed into few")
        return files.read_npz(stream)


def weights_to_bytes(weights: Iterable[np.ndarray]) -> bytes:
    """Returns what `write_file` writes, as bytes."""
    stream = io.BytesIO()
    np.savez(stream, **numbered(weights))  # type: ignore[arg-type]  # NumPy's stub takes every keyword for allow_pickle
    return stream.getvalue()


def in_dtypes(arrays: Sequence[np.ndarray], dtypes: Sequence[np.dtype]) -> list[np.ndarray]:
    """Returns floating-point arrays in other floating-point dtypes; arrays of another kind or number are left.

    Example:
        >>> in_dtypes([np.zeros(1, np.float16), np.zeros(1, int)], [np.dtype(np.float32)] * 2)
        [array([0.], dtype=float32), array([0])]
    """
    if len(arrays) != len(dtypes):
        return list(arrays)
    return [
        array.astype(dtype) if _is_floating(array.dtype) and _is_floating(dtype) else array
        for array, dtype in zip(arrays, dtypes, strict=True)
    ]


def _is_floating(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"  # which NumPy knows from elsewhere


def same_weights(weights: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Returns whether two models have the same weights, to the bit.

    Example:
        >>> same_weights([np.zeros(2)], [np.zeros(2), np.zeros(3)])
        False
    """
    return len(weights) == len(other) and all(map(np.array_equal, weights, other))


def largest_file(expected: Sequence[Expected]) -> int:
    """Returns how many bytes an honest `.npz` of these arrays can have at most."""
    return sum(array.nbytes + 2 * _HEADER_BYTES for array in expected) + _HEADER_BYTES


def read_strangers_file(path: Path, expected: Sequence[Expected]) -> tuple[np.ndarray, ...]:
    """Returns the arrays of an `.npz` file whose writer is not trusted and may have put something else in its place.

    Args:
        path: of the file.
        expected: what each array must be, in order.

    Raises:
        OSError: there is none, or it is a link.
        ValueError: what is wrong with it, as half a sentence; a `RefusedWeightsError` where that is its content.
    """
    # Neither a link nor a pipe put in the file's place may lead the reader astray.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is no regular file")
        most, size = largest_file(expected), os.fstat(handle).st_size
        if size > most:
            larger = f"they take {size:,} bytes where {most:,} are enough"
            raise RefusedWeightsError(larger, check="architecture")
        data = stream.read(most + 1)
    return read_weights(data, expected)


def read_weights(data: bytes, expected: Sequence[Expected]) -> tuple[np.ndarray, ...]:
    """Returns the arrays of an `.npz` whose writer is not trusted.

    Nothing is unpickled, nothing is written to disk, and no more memory is taken than the expected arrays need,
    whatever sizes the file claims.

    Args:
        data: the bytes of the file.
        expected: what each array must be, in order.

    Raises:
        RefusedWeightsError: what is wrong with the file, as half a sentence.

    Example:
        >>> arrays = [np.arange(3, dtype=np.float32)]
        >>> read_weights(weights_to_bytes(arrays), expected_like(arrays))[0]
        array([0., 1., 2.], dtype=float32)
    """
    if len(data) > largest_file(expected):
        raise RefusedWeightsError(f"it has {len(data):,} bytes where {largest_file(expected):,} are enough")
    directory_bytes = struct.unpack("<L", data[-10:-6])[0] if data[-22:-18] == b"PK\5\6" else None
    if directory_bytes is None or directory_bytes > len(expected) * _DIRECTORY_BYTES:
        raise RefusedWeightsError("it is no sound .npz file (no directory at its end, or a large one)")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = sorted(entry.filename for entry in archive.infolist())
            if names != sorted(f"{number}.npy" for number in range(len(expected))):
                shown = [name[:40] for name in names[:5]]
                reason = f"it holds {len(names)} arrays {shown}..., not 0.npy to {len(expected) - 1}.npy"
                raise RefusedWeightsError(reason, check="architecture")
            return tuple(_read_entry(archive, number, array) for number, array in enumerate(expected))
    except RefusedWeightsError:
        raise
    except Exception as error:  # zipfile and zlib raise errors of many kinds for a forged file
        raise RefusedWeightsError(f"it is no sound .npz file ({type(error).__name__})") from error


def _read_entry(archive: zipfile.ZipFile, number: int, expected: Expected) -> np.ndarray:
    entry = archive.getinfo(f"{number}.npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedWeightsError(f"array {number} is compressed in an unusual way")
    most = expected.nbytes + _HEADER_BYTES
    with archive.open(entry) as stream:
        raw = stream.read(most + 1)  # bounded: the sizes that the archive states may be lies
        if len(raw) > most or stream.read(1):
            raise RefusedWeightsError(
                f"array {number} is larger than the {expected.nbytes:,} bytes that it should have"
            )
    shape, dtype, fortran_order, data = _split_npy(raw, number)
    _require_form(number, shape, dtype, expected)
    if len(data) != expected.nbytes:
        raise RefusedWeightsError(f"array {number} has {len(data):,} bytes of data, expected {expected.nbytes:,}")
    flat = np.frombuffer(data, dtype)
    array = flat.reshape(shape[::-1]).T if fortran_order else flat.reshape(shape)
    _require_finite(number, array)
    return np.ascontiguousarray(array).reshape(shape)  # of a scalar, NumPy makes a list of one


def require_like(arrays: Sequence[np.ndarray], expected: Sequence[Expected]) -> None:
    """Checks arrays as `read_weights` checks those of a file.

    Args:
        arrays: a model's weights.
        expected: what each of them must be, in order.

    Raises:
        RefusedWeightsError: what is wrong with them, as half a sentence.

    Example:
        >>> require_like([np.zeros(3)], [Expected((3,), np.dtype(np.float64))])
    """
    if len(arrays) != len(expected):
        raise RefusedWeightsError(f"there are {len(arrays)} arrays, not {len(expected)}", check="architecture")
    for number, (array, like) in enumerate(zip(arrays, expected, strict=True)):
        _require_form(number, array.shape, array.dtype, like)
        _require_finite(number, array)


def _require_form(number: int, shape: tuple[int, ...], dtype: np.dtype, expected: Expected) -> None:
    if shape != expected.shape or dtype != expected.dtype or dtype.fields != expected.dtype.fields:
        raise RefusedWeightsError(
            f"array {number} has shape {_short(shape)} and dtype {_short(dtype)}, "
            f"expected {expected.shape} and {expected.dtype}",
            check="weights" if shape == expected.shape else "architecture",
        )


def _require_finite(number: int, array: np.ndarray) -> None:
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise RefusedWeightsError(f"array {number} holds NaN or infinite values")


def _split_npy(raw: bytes, number: int) -> tuple[tuple[int, ...], np.dtype, bool, bytes]:
    """Parses the header alone: NumPy's own reader allocates what the header claims before it looks for the data."""
    stream = io.BytesIO(raw)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are read with a warning
            version = np.lib.format.read_magic(stream)
            shape, fortran_order, dtype = readers[version](stream, max_header_size=_HEADER_BYTES)
    except Exception as error:  # a forged header can raise anything
        raise RefusedWeightsError(f"array {number} has no sound .npy header ({type(error).__name__})") from error
    return shape, dtype, fortran_order, raw[stream.tell() :]


def _short(value: object) -> str:
    """Returns what a forged header holds, cut: it can be as long as its writer likes."""
    try:
        text = str(value)
    except ValueError:  # Python does not print integers of thousands of digits
        return "beyond printing"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
