"""Backends, and forms of compiling, compute the same: an epoch of each method, to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import method_steps
import numpy as np
import processes
import pytest
import tensorflow as tf

from kit import methods
from kit.machine import xla
from kit.toolbox._tensorflow import form

OF_ONE_TRAINING = [name for name in methods.names() if not methods.trains_its_own(name)]


# What is compiled runs for milliseconds: XLA need not spend seconds on making it quick. It ends the process if it does
# not know a flag.
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
NEW_XLA_FLAGS = f"{XLA_FLAGS} --xla_cpu_use_fusion_emitters=false"
IS_NEW = tuple(map(int, tf.__version__.split(".")[:2])) >= (2, 21)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By TensorFlow, here, and by JAX, in a process of its own."""
    path = tmp_path_factory.mktemp("jax") / "weights.npz"
    environment = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": NEW_XLA_FLAGS}
    with subprocess.Popen([sys.executable, method_steps.__file__, str(path)], env=environment) as process:
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
def forms(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By TensorFlow's operations, here, and by XLA, in a process that is forked before it has read XLA's flags."""
    folder = tmp_path_factory.mktemp("xla")
    environment = os.environ | {xla.VARIABLE: "auto", "XLA_FLAGS": NEW_XLA_FLAGS if IS_NEW else XLA_FLAGS}
    script, arguments = Path(method_steps.__file__), [folder / "weights.npz", "not normalised"]
    process = processes.Forked(script, arguments, folder, environment)
    here = method_steps.all_steps(normalised=False)
    finished = process.finish()
    assert finished.returncode == 0, finished.stderr
    return here, dict(np.load(folder / "weights.npz"))


@pytest.mark.parametrize("wish", ["never", "auto"])
def test_a_network_without_batch_statistics_is_compiled_by_xla_unless_that_is_forbidden(
    wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(xla.VARIABLE, wish)
    nets = [method_steps.build(normalised=normalised) for normalised in (False, True)]
    assert [form.is_fused(net) for net in nets] == [wish == "auto", False]


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
