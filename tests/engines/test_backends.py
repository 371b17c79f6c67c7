"""Keras on JAX computes what Keras on TensorFlow does: an epoch of each method, to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import method_steps
import numpy as np
import pytest

from kit import methods

OF_ONE_TRAINING = [name for name in methods.names() if not methods.trains_its_own(name)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By TensorFlow, here, and by JAX, in a process of its own."""
    path = tmp_path_factory.mktemp("jax") / "weights.npz"
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    with subprocess.Popen([sys.executable, str(Path(method_steps.__file__)), str(path)], env=environment) as process:
        here = method_steps.all_steps()
    assert process.returncode == 0
    return here, dict(np.load(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE_TRAINING)
def test_an_epoch_of_a_method_is_the_same_on_both(
    weights: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], name: str
) -> None:
    on_tensorflow, on_jax = weights
    keys = [key for key in on_tensorflow if key.startswith(f"{name}/")]
    assert keys == [key for key in on_jax if key.startswith(f"{name}/")] != []
    start = {key.partition("/")[2]: on_tensorflow[key] for key in on_tensorflow if key.startswith("original/")}
    assert name == "original" or any((on_tensorflow[key] != start[key.partition("/")[2]]).any() for key in keys)
    for key in keys:
        assert abs(on_jax[key] - on_tensorflow[key]).max() <= 1e-5 * max(1.0, abs(on_tensorflow[key]).max()), key
