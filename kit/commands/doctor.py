"""What this machine can do: for `kit doctor`, and for the first lines of a report of a fault."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

import kit
from kit import files
from kit.submission import sandbox

_LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib")
_NEEDED_MEMORY, _NEEDED_DISK = 2 << 30, 1 << 30


@dataclass(frozen=True)
class Fact:
    """One line: what was looked at, what was found, and whether it is as the kit needs it (`advice` if not)."""

    name: str
    value: str
    good: bool = True
    advice: str = ""


def examine() -> list[Fact]:
    """Returns the facts, those first that everything else needs.

    Example:
        >>> examine()[0].name
        'kit'
    """
    return [
        Fact("kit", f"{kit.__version__} at {Path(kit.__file__).parent}"),
        _python(),
        *(_library(name) for name in _LIBRARIES),
        *_hardware(),
        _disk(),
        _sandbox(),
        *_folders(),
    ]


def _python() -> Fact:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Fact("python", platform.python_version(), good, "" if good else "Use Python 3.11, 3.12 or 3.13.")


def _library(name: str) -> Fact:
    try:
        return Fact(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Fact(name, "missing", False, "Install it with 'python -m pip install -r requirements.txt'.")


def _hardware() -> list[Fact]:
    memory = psutil.virtual_memory()
    enough = memory.available >= _NEEDED_MEMORY
    return [
        Fact("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Fact("processors", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
        Fact(
            "memory",
            f"{memory.available / 2**30:.1f} GiB free of {memory.total / 2**30:.1f}",
            enough,
            "" if enough else "A run takes 1 to 2 GiB: close other programs.",
        ),
        Fact("gpu", _gpus()),
    ]


def _gpus() -> str:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
    except ImportError as error:
        return f"unknown: {error}"
    return ", ".join(device.name for device in tf.config.list_physical_devices("GPU")) or "none (none is needed)"


def _disk() -> Fact:
    folder = files.cache_folder().absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    enough = free >= _NEEDED_DISK
    return Fact("disk", f"{free / 2**30:.0f} GiB free", enough, "" if enough else "Free some space, or move $KIT_HOME.")


def _sandbox() -> Fact:
    problem = sandbox.sandbox_problem()
    return Fact("sandbox", "not possible" if problem else "bubblewrap works", not problem, problem)


def _folders() -> list[Fact]:
    cache = files.cache_folder()
    stored = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.is_dir() else 0
    shipped = sorted(path.stem for path in (files.data_folder() / "pretrained").glob("*.npz"))
    return [
        Fact("cache", f"{cache} ({stored / 1e6:.1f} MB; set $KIT_HOME to move it)"),
        Fact(
            "shipped weights",
            ", ".join(shipped) or "none",
            bool(shipped),
            "" if shipped else "Install the kit again: its folder data/ is missing.",
        ),
    ]
