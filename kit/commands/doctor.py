"""What this machine can do: `kit doctor`, for the first lines of a report of a fault.

What is looked at is imported where it is looked at: `kit --help` imports this file too.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import kit
from kit.commands import options
from kit.commands.options import DebugOption, JsonOption
from kit.machine import quiet

_LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib")
_NEEDED_MEMORY, _NEEDED_DISK = 2 << 30, 1 << 30


@dataclass(frozen=True)
class Fact:
    """One line: what was looked at, what was found, and whether it is as the kit needs it (`advice` if not)."""

    name: str
    value: str
    good: bool = True
    advice: str = ""


def doctor(json_file: JsonOption = None, debug: DebugOption = False) -> None:
    """Say what this machine can do."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    with quiet.quiet_tensorflow(debug):
        facts = examine()
    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for fact in facts:
            finding = Text(fact.value if fact.good else f"{fact.value}. {fact.advice}", "" if fact.good else "yellow")
            table.add_row(Text(fact.name, "bold"), finding)
        Console(highlight=False).print(table)
    options.write_json(json_file, {fact.name: asdict(fact) for fact in facts})


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
    import importlib.metadata

    try:
        return Fact(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Fact(name, "missing", False, "Install it with 'python -m pip install -r requirements.txt'.")


def _hardware() -> list[Fact]:
    import psutil

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
    from kit import files

    folder = files.cache_folder().absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    enough = free >= _NEEDED_DISK
    return Fact("disk", f"{free / 2**30:.0f} GiB free", enough, "" if enough else "Free some space, or move $KIT_HOME.")


def _sandbox() -> Fact:
    from kit.submission import sandbox

    problem = sandbox.sandbox_problem()
    return Fact("sandbox", "not possible" if problem else "bubblewrap works", not problem, problem)


def _folders() -> list[Fact]:
    from kit import files

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
