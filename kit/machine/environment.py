"""What numbers depend on besides seeds: versions, the machine, and the source of the kit."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from pathlib import Path

import tensorflow as tf

import kit
from kit.machine import threads

_LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = {library: importlib.metadata.version(library) for library in _LIBRARIES}
    return tuple(({"kit": kit.__version__, "python": platform.python_version()} | found).items())


def versions() -> dict[str, str]:
    """Returns the versions of the kit, Python and the libraries that numbers depend on."""
    return dict(_versions())


def machine() -> dict[str, str]:
    """Returns what the bits of a trained model depend on besides versions: system, processor, threads."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    gpus = ", ".join(device.name for device in tf.config.list_physical_devices("GPU")) or "none"
    system = {"system": platform.system(), "processor": processor, "gpus": gpus}
    return system | {"threads": str(threads.number()), "op_determinism": "on"}


@functools.cache
def source_sha256() -> str:
    """Digest of the code that makes models: editing it makes new populations, as it must.

    Read once, for the code that this process runs is that of its start.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(kit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
