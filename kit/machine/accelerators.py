"""The accelerator that JAX computes on, if there is one: first by what is installed and plugged in, then by asking JAX.

To ask is to import JAX, seconds that nobody pays where there is nothing to find, and to take hold of the device: so a
process of its own is asked, which lets go of it.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from kit.machine import environment

# What lets JAX see a device, by the names that it has for the platform.
_PLUGINS = {"gpu": ("jax_cuda13_plugin", "jax_cuda12_plugin"), "tpu": ("libtpu",)}
_NAMES = {"gpu": ("gpu", "cuda"), "tpu": ("tpu",)}
_EXTRAS = {"gpu": "jax[cuda12]", "tpu": "jax[tpu]"}
_SECONDS = 120.0
_AMPERE = 8.0  # the first of NVIDIA's cards that multiply in TF32 and bfloat16
_VOLTA, _P100 = 7.0, 6.0  # and in float16, with units for it; between the two it is slower than float32
_ASK = """
import json, jax
devices = [device for device in jax.devices() if device.platform != "cpu"]
first = devices[0] if devices else None
print(json.dumps(first and {
    "kind": first.device_kind,
    "platform": first.platform,
    "count": len(devices),
    "memory_bytes": (first.memory_stats() or {}).get("bytes_limit", 0),
    "capability": float(getattr(first, "compute_capability", None) or 0),
}))
"""


@dataclass(frozen=True)
class Accelerator:
    """What JAX sees: devices of one kind.

    Args:
        kind: as JAX names it, such as `NVIDIA L4`.
        platform: `gpu` or `tpu`.
        count: of the devices.
        memory_bytes: that JAX may use of one of them; 0 where it does not say.
        capability: of an NVIDIA card, such as 8.9; 0 of others.
    """

    kind: str
    platform: str
    count: int = 1
    memory_bytes: int = 0
    capability: float = 0.0

    def multiplies_in(self, precision: str) -> bool:
        """Returns whether it has units for products in a format.

        Args:
            precision: `float32`, `tf32`, `bfloat16` or `float16`.
        """
        if self.platform == "tpu":
            return precision in {"float32", "bfloat16"}
        if precision == "float16":
            return self.capability >= _VOLTA or self.capability == _P100
        return precision == "float32" or self.capability >= _AMPERE


@dataclass(frozen=True)
class Sight:
    """What JAX sees; or, where it does not see what is there, why and what to do."""

    accelerator: Accelerator | None = None
    problem: str = ""


def present(devices: Path = Path("/dev")) -> str:
    """Returns which accelerator the system has, by its device files: nothing is imported or started.

    Args:
        devices: the folder of device files.

    Returns:
        `gpu` (NVIDIA's), `tpu`, or "" for none.
    """
    if environment.gpus(devices):
        return "gpu"
    if any(devices.glob("accel[0-9]*")):
        return "tpu"
    handed_on = any(devices.glob("vfio/[0-9]*"))  # newer TPUs, but also whatever else is handed to a virtual machine
    return "tpu" if handed_on and importlib.util.find_spec("libtpu") is not None else ""


def find() -> Accelerator | None:
    """Returns what JAX sees besides the processor; at once where there is nothing, or nothing for JAX to see it by."""
    return look().accelerator


def described() -> str:
    """Returns what JAX computes on, for a record: `NVIDIA L4`, `2 x NVIDIA L4`, or `processor`."""
    accelerator = find()
    if accelerator is None:
        return "processor"
    return accelerator.kind if accelerator.count == 1 else f"{accelerator.count} x {accelerator.kind}"


def suffix() -> str:
    """Returns the same as part of a folder's name: `-nvidia-l4`, `-2-x-nvidia-l4`, or nothing for the processor.

    A processor is in the name of a population's folder already; of cards, their number alone.
    """
    return "" if find() is None else "-" + "-".join(re.findall("[a-z0-9]+", described().lower()))


@functools.cache
def look(devices: Path = Path("/dev")) -> Sight:
    """Returns what JAX sees, or why it does not; JAX is asked once a process.

    Args:
        devices: the folder of the drivers' device files.
    """
    platform = present(devices)
    if not platform:
        return Sight()
    installed = importlib.util.find_spec("jax") is not None
    plugged = installed and any(importlib.util.find_spec(name) is not None for name in _PLUGINS[platform])
    device = "An NVIDIA card" if platform == "gpu" else "A TPU"
    if not plugged:
        return Sight(
            problem=f"{device} is here, but JAX {'has no plugin for it' if installed else 'is not installed'}. "
            f"Expected '{_EXTRAS[platform]}'. Run 'python -m pip install \"{_EXTRAS[platform]}\"' to use it."
        )
    wanted = os.environ.get("JAX_PLATFORMS", "")
    if wanted and not set(wanted.split(",")) & set(_NAMES[platform]):
        return Sight(
            problem=f"{device} is here, but JAX_PLATFORMS is '{wanted}'. Expected '{_NAMES[platform][-1]}' in it, or "
            "no such variable. Unset it to use the device."
        )
    return _asked(device)


def _asked(device: str) -> Sight:
    """Returns what a process that imports JAX says."""
    surroundings = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    reason = f"no answer within {_SECONDS:.0f} s"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=surroundings,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
        if answer is not None:
            return Sight(Accelerator(**answer))
        reason = (done.stderr.strip().splitlines() or ["it sees the processor alone"])[-1][:200]
    except (subprocess.TimeoutExpired, ValueError):
        pass
    return Sight(
        problem=f"{device} is here with JAX's plugin for it, but JAX cannot use it ({reason}). Expected the driver and "
        "the plugin to go together. Run 'python -c \"import jax; print(jax.devices())\"' to see all that it says."
    )
