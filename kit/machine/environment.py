"""What numbers depend on besides seeds: versions, the machine, and the source of the kit."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

import kit
from kit.machine import threads, xla

TENSORFLOW, JAX = "tensorflow", "jax"
_LIBRARIES = ("keras", "numpy", "scipy", "scikit-learn")
# By which users tell oneDNN, OpenBLAS, NumPy and CUDA what instructions to use: other ones give other last bits.
_OF_INSTRUCTIONS = (
    "TF_ENABLE_ONEDNN_OPTS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
)


def backend() -> str:
    """Returns the backend that Keras runs on in this process, or will once it is imported, by Keras's own rule."""
    if "keras" in sys.modules and hasattr(sys.modules["keras"], "backend"):
        return str(sys.modules["keras"].backend.backend())
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    settings = Path(os.environ.get("KERAS_HOME", os.path.expanduser("~/.keras"))) / "keras.json"
    try:
        return str(json.loads(settings.read_text()).get("backend", TENSORFLOW))
    except (OSError, ValueError):  # none, or damaged, which Keras overlooks too
        return TENSORFLOW


def may_be_jax() -> bool:
    """Returns whether the environment leaves it open that models are made on JAX. The file that Keras writes does."""
    return os.environ.get("KERAS_BACKEND", JAX) == JAX


@functools.cache
def _versions(backend: str) -> tuple[tuple[str, str], ...]:
    known = backend if backend in (TENSORFLOW, JAX) else TENSORFLOW  # others are refused where they are used
    libraries = {library: importlib.metadata.version(library) for library in (known, *_LIBRARIES)}
    return tuple(({"kit": kit.__version__, "python": platform.python_version()} | libraries).items())


def versions(on_backend: str | None = None) -> dict[str, str]:
    """Returns the versions of the kit, Python and the libraries that numbers depend on.

    Args:
        on_backend: of processes where Keras runs on another backend; by default this process's own.
    """
    return dict(_versions(on_backend or backend()))


def instructions() -> dict[str, str]:
    """Returns the variables that are set to choose instructions: processes whose bits are to be the same need them too.

    Example:
        >>> instructions().items() <= os.environ.items()
        True
    """
    return {name: os.environ[name] for name in _OF_INSTRUCTIONS if name in os.environ}


def machine() -> dict[str, str]:
    """Returns what the bits of a trained model depend on besides versions: system, processor, threads, compiler."""
    system = {"system": platform.system(), "processor": _processor(), "gpus": ", ".join(gpus()) or "none"}
    without_xla = {"xla": "never"} if xla.wish() == "never" else {}
    chosen = {"instructions": json.dumps(instructions())} if instructions() else {}
    return system | {"threads": threads.recorded(), "op_determinism": "on"} | without_xla | chosen


@functools.cache
def _processor() -> str:
    processor, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return processor
    models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
    return models[0] if models else processor


def gpus(devices: Path = Path("/dev")) -> list[str]:
    """Returns the NVIDIA cards that a process may use, under TensorFlow's names for them and without importing it.

    Args:
        devices: the folder of the driver's device files.

    What counts are the driver's files, and of these as many as `CUDA_VISIBLE_DEVICES` lists, if it is set; like CUDA,
    this reads the list up to the first entry that names no card.
    """
    names = os.listdir(devices) if devices.is_dir() else []
    cards = sum(name.startswith("nvidia") and name.removeprefix("nvidia").isdecimal() for name in names)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        entries = [entry.strip() for entry in visible.split(",")]
        is_card = [
            bool(entry) and not (entry.lstrip("-").isdecimal() and not 0 <= int(entry) < cards) for entry in entries
        ]
        cards = min(cards, is_card.index(False) if False in is_card else len(is_card))
    return [f"/physical_device:GPU:{number}" for number in range(cards)]


@functools.cache
def source_sha256() -> str:
    """Returns the sha256 of the code that makes models: who edits it makes new populations, as it should be.

    Read once, for the code that this process runs is that of its start.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(kit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
