"""Which accelerator JAX sees, on machines that this one is made to look like."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.machine import accelerators
from kit.machine.accelerators import Accelerator, Sight

L4 = {"kind": "NVIDIA L4", "platform": "gpu", "count": 2, "memory_bytes": 17 << 30, "capability": 8.9}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    accelerators.look.cache_clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes these packages, and no others, installed."""

    def install(*names: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in names else None)

    return install


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the processes that ask JAX answer, to be filled; without an answer, none may be started."""
    answers: list[Any] = []

    def run(command: list[str], **settings: Any) -> Any:
        assert "jax.devices()" in command[-1]
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(subprocess, "run", run)
    return answers


def says(answer: object, error: str = "", code: int = 0) -> SimpleNamespace:
    return SimpleNamespace(stdout=json.dumps(answer), stderr=error, returncode=code)


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_where_there_is_no_device_nobody_is_asked(tmp_path: Path, installed: Any, asked: list[Any]) -> None:
    installed("jax", "jax_cuda12_plugin", "libtpu")
    assert accelerators.look(files(tmp_path, "null", "vfio/vfio", "nvidiactl")) == Sight()


@pytest.mark.parametrize(
    ("names", "packages", "fragment"),
    [
        (["nvidia0"], [], "JAX is not installed"),
        (["nvidia0"], ["jax"], "no plugin"),
        (["nvidia0"], ["jax", "libtpu"], "jax[cuda12]"),
        (["accel0"], ["jax", "jax_cuda12_plugin"], "jax[tpu]"),
    ],
)
def test_jax_for_the_processor_alone_sees_nothing_and_is_not_asked(
    names: list[str], packages: list[str], fragment: str, tmp_path: Path, installed: Any, asked: list[Any]
) -> None:
    installed(*packages)
    sight = accelerators.look(files(tmp_path, *names))
    assert sight.accelerator is None
    assert fragment in sight.problem
    assert "pip install" in sight.problem


@pytest.mark.parametrize(
    ("names", "packages"),
    [
        (["nvidia0"], ["jax", "jax_cuda12_plugin"]),
        (["nvidia3"], ["jax", "jax_cuda13_plugin"]),
        (["accel0"], ["jax", "libtpu"]),
        (["vfio/0"], ["jax", "libtpu"]),
    ],
)
def test_jax_is_asked_once_where_it_may_see_one(
    names: list[str], packages: list[str], tmp_path: Path, installed: Any, asked: list[Any]
) -> None:
    installed(*packages)
    asked.append(says(L4))
    folder = files(tmp_path, *names)
    assert accelerators.look(folder) == accelerators.look(folder) == Sight(Accelerator(**L4))


@pytest.mark.parametrize("platforms", ["cpu", "tpu,cpu"])
def test_a_user_may_keep_jax_from_it(
    platforms: str, tmp_path: Path, installed: Any, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("jax", "jax_cuda12_plugin")
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    assert f"JAX_PLATFORMS is '{platforms}'" in accelerators.look(files(tmp_path, "nvidia0")).problem
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    accelerators.look.cache_clear()
    asked.append(says(L4))
    assert accelerators.look(tmp_path).accelerator is not None


@pytest.mark.parametrize(
    ("answer", "fragment"),
    [
        (says(None), "the processor alone"),
        (says(None, "W: one\nCUDA_ERROR_NO_DEVICE: two"), "CUDA_ERROR_NO_DEVICE: two"),
        (says(L4, "ImportError: x", code=1), "ImportError: x"),
        (subprocess.TimeoutExpired("python", 1), "no answer"),
        (SimpleNamespace(stdout="noise", stderr="", returncode=0), "cannot use it"),
    ],
)
def test_what_jax_cannot_use_is_said_in_a_paragraph(
    answer: object, fragment: str, tmp_path: Path, installed: Any, asked: list[Any]
) -> None:
    installed("jax", "jax_cuda12_plugin")
    asked.append(answer)
    sight = accelerators.look(files(tmp_path, "nvidia0"))
    assert sight.accelerator is None
    assert fragment in sight.problem
    assert "\n" not in sight.problem


@pytest.mark.parametrize(
    ("platform", "capability", "precisions"),
    [
        ("gpu", 5.2, set()),
        ("gpu", 6.0, {"float16"}),
        ("gpu", 6.1, set()),
        ("gpu", 7.5, {"float16"}),
        ("gpu", 8.0, {"float16", "tf32", "bfloat16"}),
        ("gpu", 9.0, {"float16", "tf32", "bfloat16"}),
        ("tpu", 0.0, {"bfloat16"}),
    ],
)
def test_tf32_and_bfloat16_came_with_ampere_and_float16_before(
    platform: str, capability: float, precisions: set[str]
) -> None:
    device = Accelerator("card", platform, capability=capability)
    known = ("float32", "tf32", "bfloat16", "float16")
    assert {name for name in known if device.multiplies_in(name)} == {"float32", *precisions}
