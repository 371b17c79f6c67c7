"""Files of PyTorch (`.pth`, `.pt`): state dicts read and written without PyTorch, as NumPy arrays."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kit.models.torch.pickle import RefusedPickleError, shown
from kit.models.torch.storages import STORAGES, read_archive
from kit.storage import files
from kit.types import InputError

_STORAGE_OF = {np.dtype(code): name for name, code in STORAGES.items() if "BFloat" not in name and "Bool" not in name}
_STORAGE_OF[np.dtype(np.bool_)] = "torch.BoolStorage"
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # checkpoints hold the state dict beside other things
_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and of torch.compile
_ALIGNMENT = 64
# A forged file has earlier ones run code or overwrite memory, `weights_only` or not: CVE-2025-32434, CVE-2026-24747.
_SAFE_PYTORCH = (2, 10)
# What PyTorch before 1.6 writes first, as a pickle of its own.
_OLD_BEGINNINGS = tuple(pickle.dumps(0x1950A86A20F9469CFC6C, protocol) for protocol in range(2, 6))
# What people have by mistake in place of it.
_OTHER_BEGINNINGS = {
    b"<!doctype": "it is an HTML page, which came in place of the file",
    b"<html": "it is an HTML page, which came in place of the file",
    b"pk\x03\x04": "it begins as a zip archive and has no end, so it was not copied whole",
    b"\x89hdf": "it is an HDF5 file, as Keras writes it with the ending .weights.h5",
    b"\x93numpy": "it is an array of NumPy",
    b"version https://git-lfs": "it is what Git LFS leaves in place of a file that was not fetched",
    b"\x80": "it is a pickle, but none of PyTorch's",
}


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file that `torch.save` wrote, as read-only arrays of the same shapes and dtypes.

    The format of PyTorch 1.6 and later, a zip archive, is read by this module alone, whether PyTorch is installed or
    not: what a file gives then does not depend on the machine. Nothing is unpickled, no tensor reaches beyond its
    storage, and no more memory is taken than a small multiple of the file's size. The format before 1.6, known by its
    first bytes, is handed to `torch.load(weights_only=True)` where PyTorch 2.10 or later is installed, and refused
    elsewhere: earlier versions can be made to run code by it.

    Of a checkpoint, the entry `state_dict`, `model_state_dict`, `model` or `net` is taken; the prefixes of
    `torch.nn.DataParallel` and `torch.compile` are cut off. bfloat16 becomes float32.

    Args:
        path: of a file of tensors by name.

    Raises:
        InputError: the file is missing, damaged, forged, or holds something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "weights.pth"
        ...     write_state_dict(path, {"fc.bias": np.arange(3, dtype=np.float32)})
        ...     read_state_dict(path)["fc.bias"]
        array([0., 1., 2.], dtype=float32)
    """
    files.require_file(path, "Expected a state dict that torch.save wrote (.pth or .pt).")
    try:
        with path.open("rb") as stream:
            if zipfile.is_zipfile(stream):
                stream.seek(0)
                return _named(read_archive(stream), np.ndarray)
            stream.seek(0)
            _check_old_beginning(stream.read(64))
        return _read_old_format(path)
    except Exception as error:  # zipfile, pickletools and NumPy each have errors of their own
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            f"The file '{path}' cannot be read as a PyTorch state dict ({reason}). Expected what "
            "torch.save(model.state_dict(), FILE) writes: tensors by name. Check that the file was downloaded and "
            "copied whole, or write it again so, with PyTorch 1.6 or later."
        ) from error


def _named(content: Any, kind: type) -> dict[str, Any]:
    """Returns the state dict within a checkpoint: names and objects of one kind."""
    for _ in _WRAPPERS:
        inner = [content[key] for key in _WRAPPERS if isinstance(content, dict) and isinstance(content.get(key), dict)]
        content = inner[0] if inner else content
    if not isinstance(content, dict) or not content:
        raise RefusedPickleError("it holds no tensors by name")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, kind):
            raise RefusedPickleError(f"its entry {shown(name)} is no tensor")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return dict(content)


def _check_old_beginning(beginning: bytes) -> None:
    if not beginning:
        raise RefusedPickleError("it is empty")
    if not beginning.startswith(_OLD_BEGINNINGS):
        lowered = beginning.lstrip().lower()
        for other, reason in _OTHER_BEGINNINGS.items():
            if lowered.startswith(other):
                raise RefusedPickleError(reason)
        raise RefusedPickleError("it does not begin as torch.save writes files")


def _read_old_format(path: Path) -> dict[str, np.ndarray]:
    if importlib.util.find_spec("torch") is None:
        raise RefusedPickleError(
            "it is no zip archive, and the format before PyTorch 1.6 is read by PyTorch only, which is not installed"
        )
    _check_version()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the file, which is read or refused here
            return _load_with_pytorch(path)
    except RefusedPickleError:
        raise
    except Exception:
        # Without PyTorch's own words, which propose to unpickle a stranger's file.
        raise RefusedPickleError(
            "it has the format before PyTorch 1.6, and is damaged or holds something else than tensors"
        ) from None


def _check_version() -> None:
    """Refuses a PyTorch that a stranger's file can have run code; it is not imported for that."""
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        version = "of no known version"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _SAFE_PYTORCH:
        raise RefusedPickleError(
            "it has the format before PyTorch 1.6, which is read by PyTorch 2.10 or later only, since a forged file "
            f"has earlier ones run code, and PyTorch {version} is installed"
        )


def _load_with_pytorch(path: Path) -> dict[str, np.ndarray]:
    import torch

    tensors = _named(torch.load(path, map_location="cpu", weights_only=True), torch.Tensor)
    for name, tensor in tensors.items():
        plain = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
        tensors[name] = plain.numpy()
        tensors[name].flags.writeable = False
    return tensors


def write_state_dict(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file that `torch.load(path, weights_only=True)` opens, without PyTorch and atomically.

    Args:
        path: usually `.pth` or `.pt`.
        arrays: of float64, float32, float16, int64, int32, int16, int8, uint8 or bool, of any shape, by name. The same
            arrays give the same bytes.

    Raises:
        InputError: an array of another dtype.
    """
    for name, array in arrays.items():
        if array.dtype.newbyteorder("<") not in _STORAGE_OF:
            raise InputError(
                f"The array {shown(name)} of dtype {array.dtype} cannot be written for PyTorch. Expected floats, "
                "integers or booleans. Convert it first, for instance with array.astype('float32')."
            )
    with files.atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        _add(archive, "data.pkl", b"".join(_pickled(arrays)))
        _add(archive, "byteorder", b"little")
        for key, array in enumerate(arrays.values()):
            _add(archive, f"data/{key}", array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        _add(archive, "version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Adds an entry whose content begins at a multiple of 64 bytes, as PyTorch maps it into memory."""
    entry = zipfile.ZipInfo(f"archive/{name}")
    start = archive.start_dir + 30 + len(entry.filename) + 4
    padding = -start % _ALIGNMENT
    entry.extra = struct.pack("<2sH", b"FB", padding) + bytes(padding)
    archive.writestr(entry, content)


def _pickled(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Yields the instructions of a pickle of protocol 2, as torch.save writes it, without its memo."""
    ordered_dict = b"ccollections\nOrderedDict\n)R"
    yield b"\x80\x02" + ordered_dict + b"("
    for key, (name, array) in enumerate(arrays.items()):
        storage = _STORAGE_OF[array.dtype.newbyteorder("<")].removeprefix("torch.")
        yield _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n("
        yield b"(" + _text("storage") + b"ctorch\n" + storage.encode() + b"\n" + _text(str(key)) + _text("cpu")
        yield _integer(array.size) + b"tQ" + _integer(0)
        strides = [math.prod(max(length, 1) for length in array.shape[axis + 1 :]) for axis in range(array.ndim)]
        for numbers in (array.shape, strides):
            yield b"(" + b"".join(map(_integer, numbers)) + b"t"
        yield b"\x89" + ordered_dict + b"tR"
    yield b"u."


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _integer(number: int) -> bytes:
    return b"\x8a\x09" + number.to_bytes(9, "little", signed=True)
