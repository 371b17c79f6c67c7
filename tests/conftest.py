"""Shared fixtures. Every test has a cache of its own making, never the user's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import kit
from kit.types import Recipe


@pytest.fixture(scope="session", autouse=True)
def kit_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("kit-home")
    os.environ["KIT_HOME"] = str(home)
    return home


@pytest.fixture(scope="session")
def small_challenge() -> kit.Challenge:
    """240 examples of 6 features in 3 classes, an mlp, two epochs: a whole run takes a fraction of a second."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    features = generator.normal(size=(240, 6)) + labels[:, np.newaxis]
    arrays = kit.Arrays(features, labels, groups=np.arange(240) // 8, mislabelled=np.arange(240) % 5 == 0)
    return kit.make_challenge("small", arrays, recipe=Recipe(epochs=2), batch_size=32)
