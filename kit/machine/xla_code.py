"""What XLA has compiled, kept for other processes, and believed only with its seal: TensorFlow runs what it finds.

Beside each of TensorFlow's files lies its digest, sealed (`kit.storage.seals`) by the process that has compiled it.
What has none, or another, a process removes before TensorFlow could look for it; it is then compiled anew.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
from collections.abc import Callable
from pathlib import Path

from kit.storage import files, seals

_VARIABLE, _DIRECTORY = "TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory="


def keep(folder: Callable[[str], Path | None]) -> None:
    """Has what XLA compiles from now on kept for other processes, which take it from there, to the same bits.

    TensorFlow reads the variable at its first operation, or when it looks for devices; later, nothing is kept.

    Args:
        folder: returns where a compiler of this name and version may keep it; not called where the variable says so
            already.
    """
    flags = os.environ.get(_VARIABLE, "")
    if "persistent_cache" in flags:
        return
    path = folder(_compiler())
    if path is not None and not re.search(r"\s", str(path)):  # white space ends a flag
        remove_damaged(path)
        os.environ[_VARIABLE] = f"{flags} {_DIRECTORY}{path} --tf_xla_persistent_cache_read_only=false".strip()


def record() -> None:
    """Seals what this process has compiled last."""
    directory = re.search(rf"{_DIRECTORY}(\S+)", os.environ.get(_VARIABLE, ""))
    path = Path(directory[1]) if directory else None
    if path is None or not path.name.startswith(f"{_compiler()}-"):  # the user's own folder
        return
    for code in path.glob("*.pb"):
        with contextlib.suppress(OSError):  # another process has removed it
            if not _seal_of(code).exists():
                seals.write_json(_seal_of(code), _place(code), files.sha256_of(code))


def remove_damaged(folder: Path) -> None:
    """Removes compiled code whose seal is missing or does not fit, and seals without code.

    Args:
        folder: of the compiled code.
    """
    for code in folder.glob("*.pb"):
        with contextlib.suppress(OSError):
            status = code.stat()
            if seals.read_json(_seal_of(code), _place(code)) != files.sha256_of(code):
                code.unlink()
            else:  # to look whether it is whole is no use of it: what nobody uses is swept
                os.utime(code, ns=(status.st_atime_ns, status.st_mtime_ns))
    for seal in folder.glob("*.seal"):
        with contextlib.suppress(OSError):
            if not seal.with_suffix(".pb").exists():
                seal.unlink()


def _compiler() -> str:
    return f"tensorflow-{importlib.metadata.version('tensorflow')}"


def _seal_of(code: Path) -> Path:
    return code.with_suffix(".seal")


def _place(code: Path) -> str:
    return f"compiled/{code.name}"
