"""Backends, and forms of compiling, compute the same: an epoch of each method, to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import method_steps
import numpy as np
import pytest

from kit import methods
from kit.machine import xla

OF_ONE_TRAINING = [name for name in methods.names() if not methods.trains_its_own(name)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By TensorFlow, here, and by JAX, in a process of its own."""
    path = tmp_path_factory.mktemp("jax") / "weights.npz"
    # What is compiled runs for milliseconds: XLA need not spend seconds on making it quick.
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    with subprocess.Popen([sys.executable, str(Path(method_steps.__file__)), str(path)], env=environment) as process:
        here = method_steps.all_steps()
    assert process.returncode == 0
    return here, dict(np.load(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE_TRAINING)
def test_an_epoch_of_a_method_is_the_same_on_both(
    weights: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], name: str
) -> None:
    assert_same_steps(*weights, name)


@pytest.fixture(scope="module")
def forms() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By TensorFlow's operations, and by XLA."""
    with pytest.MonkeyPatch.context() as patched:
        by_form = []
        for wish in ("never", "auto"):
            patched.setenv(xla.VARIABLE, wish)
            by_form.append(method_steps.all_steps(normalised=False))
    return by_form[0], by_form[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE_TRAINING)
def test_an_epoch_of_a_method_is_the_same_by_operations_and_by_xla(
    forms: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], name: str
) -> None:
    assert_same_steps(*forms, name)


def assert_same_steps(here: dict[str, np.ndarray], there: dict[str, np.ndarray], name: str) -> None:
    keys = [key for key in here if key.startswith(f"{name}/")]
    assert keys == [key for key in there if key.startswith(f"{name}/")] != []
    start = {key.partition("/")[2]: here[key] for key in here if key.startswith("original/")}
    assert name == "original" or any((here[key] != start[key.partition("/")[2]]).any() for key in keys)
    for key in keys:
        assert abs(there[key] - here[key]).max() <= 1e-5 * max(1.0, abs(here[key]).max()), key
