"""The tensors within a file of `torch.save`: entries of a zip archive, which may have been forged."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from kit.models.torch.pickle import Name, RefusedPickleError, read_pickle, shown

# The types of PyTorch's storages. NumPy has no bfloat16: it is the upper half of a float32, and becomes one.
STORAGES = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<u2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "|i1",
    "torch.ByteStorage": "|u1",
    "torch.BoolStorage": "|u1",
}
_ORDERED_DICT, _TENSOR = "collections.OrderedDict", "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_MOST_DIMENSIONS = 32


def read_archive(stream: BinaryIO) -> Any:
    """Returns what was saved, with read-only arrays for tensors: views of the storages, which are read once each.

    Args:
        stream: a file, opened for reading bytes.

    Raises:
        RefusedPickleError: what the file holds beside tensors, or what is forged about it.
        Exception: of many kinds, for a damaged file.
    """
    with zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise RefusedPickleError("it is a zip archive, but not one of torch.save: it has no single data.pkl")
        # Stored entries that lie one after another cannot be larger than the file; forged ones can overlap.
        if sum(entry.file_size for entry in archive.infolist()) > os.fstat(stream.fileno()).st_size:
            raise RefusedPickleError("its entries claim more bytes than the file has")
        storages = _Storages(archive, entries, pickles[0].removesuffix("data.pkl"))
        if storages.has("byteorder") and storages.read("byteorder") != b"little":
            raise RefusedPickleError("its numbers are not in the little-endian order")
        names = {*STORAGES, _ORDERED_DICT, _TENSOR, _PARAMETER}
        return read_pickle(storages.read("data.pkl"), names, storages.load, storages.call)


@dataclass(frozen=True)
class _Storage:
    """The elements of a storage, in one line."""

    flat: np.ndarray


@dataclass
class _Storages:
    """The storages of an archive, each read once."""

    archive: zipfile.ZipFile
    entries: Mapping[str, zipfile.ZipInfo]
    prefix: str

    def __post_init__(self) -> None:
        self._raw: dict[str, bytes] = {}
        self._flat: dict[tuple[str, str], np.ndarray] = {}

    def has(self, name: str) -> bool:
        return f"{self.prefix}{name}" in self.entries

    def read(self, name: str) -> bytes:
        if not self.has(name):
            raise RefusedPickleError(f"it has no entry {shown(name)}")
        entry = self.entries[f"{self.prefix}{name}"]
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise RefusedPickleError(f"its entry {shown(name)} is compressed, which torch.save does not do")
        return self.archive.read(entry)

    def load(self, identifier: Any) -> _Storage:
        """Returns the storage that a persistent id names."""
        match identifier:
            case ("storage", Name(text=kind), str(key), str(), int(length)) if kind in STORAGES and length >= 0:
                flat = self._elements(kind, key)
            case _:
                raise RefusedPickleError("it refers to something that is no storage")
        if length > len(flat):
            raise RefusedPickleError(f"its storage {shown(key)} has {len(flat):,} elements, not the {length:,} claimed")
        return _Storage(flat[:length])

    def _elements(self, kind: str, key: str) -> np.ndarray:
        if (kind, key) not in self._flat:
            if key not in self._raw:
                self._raw[key] = self.read(f"data/{key}")
            raw, dtype = self._raw[key], np.dtype(STORAGES[kind])
            flat = np.frombuffer(raw, dtype, len(raw) // dtype.itemsize)
            if kind == "torch.BFloat16Storage":
                flat = (flat.astype("<u4") << 16).view("<f4")
            elif kind == "torch.BoolStorage":
                flat = flat != 0
            self._flat[kind, key] = flat
        return self._flat[kind, key]

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Returns what one of the three functions that a state dict needs would return."""
        match name, arguments:
            case (str(text), ()) if text == _ORDERED_DICT:
                return {}
            case (str(text), (np.ndarray() as tensor, bool(), _)) if text == _PARAMETER:
                return tensor
            case (str(text), (_Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), _)) if (
                text == _TENSOR
            ):
                return _view(storage.flat, offset, shape, strides)
        raise RefusedPickleError(f"it calls {shown(name)} with other arguments than PyTorch does")


def _view(flat: np.ndarray, offset: int, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> np.ndarray:
    """Returns a read-only view of a storage, after a look at whether all of it lies inside."""
    sound = len(shape) == len(strides) <= _MOST_DIMENSIONS
    if not sound or not all(type(number) is int and number >= 0 for number in (offset, *shape, *strides)):
        raise RefusedPickleError("a tensor's offset, shape or strides are no small natural numbers")
    size = math.prod(shape)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if size == 0:
        return np.broadcast_to(np.zeros((), flat.dtype), shape)
    if last >= len(flat) or size > len(flat):
        raise RefusedPickleError(f"a tensor of {size:,} elements does not lie within its storage of {len(flat):,}")
    steps = [0 if length == 1 else stride * flat.itemsize for length, stride in zip(shape, strides, strict=True)]
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False)
