"""What this machine can do, and how soon: `kit doctor`, for the first lines of a report of a fault.

What is looked at is imported where it is looked at: `kit --help` imports this file too.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import kit
from kit.commands import options
from kit.commands.options import ChallengeOption, DebugOption, JsonOption, QuietOption
from kit.machine import quiet

if TYPE_CHECKING:
    from kit.engines import Engine

_LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib")
_NEEDED_MEMORY, _NEEDED_DISK = 2 << 30, 1 << 30
_MODELS = 512  # of the 2023 competition
_UNITS = (("h", 3600.0, 10_000.0), ("min", 60.0, 120.0), ("s", 1.0, 0.0))  # the last number: from so many seconds on


@dataclass(frozen=True)
class Fact:
    """One line: what was looked at, what was found, and whether it is as the kit needs it (`advice` if not)."""

    name: str
    value: str
    good: bool = True
    advice: str = ""


def doctor(
    challenge: ChallengeOption = "noisy-digits",
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what this machine can do, and how long a challenge's models take.

    Examples:
        kit doctor
        kit doctor --challenge cifar10
    """
    from kit import challenges

    challenges.check_request(challenge)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    with quiet.quiet_tensorflow(debug):
        facts = [*examine(), *of_challenge(challenge)]
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
        _accelerator(),
        _engine(),
    ]


def _accelerator() -> Fact:
    from kit.machine import accelerators

    sight, seen_by_tensorflow = accelerators.look(), _seen_by_tensorflow()
    accelerator = sight.accelerator
    if accelerator is not None:
        memory = f", {accelerator.memory_bytes / 2**30:.0f} GiB" if accelerator.memory_bytes else ""
        seers = "JAX and TensorFlow" if seen_by_tensorflow else "JAX"
        return Fact("accelerator", f"{accelerators.described()}{memory}, seen by {seers}")
    names = ", ".join(seen_by_tensorflow)
    value = f"{names}, seen by TensorFlow alone" if names else "none that can be used" if sight.problem else ""
    return Fact("accelerator", value or "none (none is needed)", not sight.problem, sight.problem)


def _seen_by_tensorflow() -> list[str]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
    except ImportError:  # which is said above
        return []
    return [device.name for device in tf.config.list_physical_devices("GPU")]


def _engine() -> Fact:
    """What populations of the kit's own methods are made by, if nobody says otherwise."""
    from kit.machine import accelerators

    with _populations() as engine:
        at_once = f"{engine.workers} model{'s' * (engine.workers > 1)} at once"
        accelerator = accelerators.find() if engine.together else None
        names = ("tf32", "bfloat16", "float16") if accelerator is not None else ()
        quicker = [name for name in names if accelerator is not None and accelerator.multiplies_in(name)][:2]
        others = f" (--precision {' or '.join(quicker)} is quicker)" if quicker else ""
        return Fact("populations", f"engine '{engine.name}', {at_once}, float32{others}")


def _populations() -> Engine:
    from kit import engines
    from kit.runs import choice
    from kit.submission.entry import Entry

    return engines.start(choice.default_engine(_MODELS, entries=[Entry("retrain")]))


def of_challenge(challenge: str) -> list[Fact]:
    """Says how a challenge's models are trained here, and how long 512 of them take, from a trial of two seconds."""
    from kit import challenges
    from kit.challenges import catalogue
    from kit.datasets import loading, registry

    name, preset = f"{_MODELS} models", catalogue.CHALLENGES.get(challenge)
    published = preset.published if preset is not None else ""
    for data_set in registry.DATA_SETS.values():
        if data_set.title == published and loading.nearest(data_set) is None:
            return [Fact(name, f"unknown: the data of {challenge} are not here")]
    from kit.runs import originals, trial
    from kit.toolbox import compiled

    loaded = challenges.load_challenge(challenge)
    with _populations() as engine:
        seconds = trial.seconds_of_models(loaded, _MODELS, engine)
    about = f"about {_in_words(seconds)} to retrain for {loaded.name}, from a trial of {trial.SECONDS:.0f} s"
    return [Fact("training", compiled.described(originals.build(loaded))), Fact(name, about)]


def _in_words(seconds: float) -> str:
    """Returns two digits of a duration.

    Example:
        >>> [_in_words(seconds) for seconds in (8.3, 83, 8300, 830000)]
        ['8 s', '83 s', '140 min', '230 h']
    """
    unit, size = next((unit, size) for unit, size, least in _UNITS if seconds >= least)
    number = seconds / size
    return f"{float(f'{number:.2g}'):.0f} {unit}"


def _disk() -> Fact:
    from kit.storage import files

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
    from kit.storage import files

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
