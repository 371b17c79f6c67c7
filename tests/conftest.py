"""Shared fixtures. Every test has a cache of its own making, never the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit.types import InputError, Recipe


def pytest_configure(config: pytest.Config) -> None:
    """Here and not in pyproject.toml, which the tests of an installed wheel do not have."""
    config.addinivalue_line("markers", "slow: takes seconds; run by 'make test-slow'")


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


@pytest.fixture(scope="module")
def worker(small_challenge: kit.Challenge) -> Any:
    """For users' functions."""
    from kit.runs.worker import Worker

    return Worker(small_challenge)


@pytest.fixture(scope="module")
def builtin_worker(small_challenge: kit.Challenge) -> Any:
    """For built-in methods: traced once for many tests."""
    from kit.runs.worker import Worker

    return Worker(small_challenge)


@pytest.fixture(scope="session")
def require_data() -> Callable[[str], None]:
    """Skips a test of a challenge whose data are not on this machine, in `$KERAS_HOME` for instance."""
    from kit.challenges import catalogue
    from kit.datasets import loading, registry

    def check(name: str) -> None:
        title = catalogue.CHALLENGES[name].published
        for data_set in registry.DATA_SETS.values():
            if data_set.title == title and loading.nearest(data_set) is None:
                pytest.skip(f"{title} is not on this machine")

    return check


@pytest.fixture(scope="session")
def refused() -> Callable[..., str]:
    """Checks that a call is refused in one paragraph with what happened, what was expected and how to fix it."""

    def check(call: Callable[[], Any], *fragments: str) -> str:
        with pytest.raises(InputError) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        for fragment in (*fragments, "Expected"):
            assert fragment in message
        return message

    return check
