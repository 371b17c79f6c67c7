"""Compiled code on disk: the same bits from it, for the next process but never for a submission."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.monitoring
import keras
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from kit.machine import code_cache
from kit.runs.plain_keras import time_retraining
from kit.runs.worker import Worker
from kit.submission import allowed, handover
from kit.toolbox import setup
from kit.toolbox.examples import Examples
from kit.toolbox.training import Descent
from kit.types import Challenge

X = np.random.default_rng(1).random((24, 4)).astype("float32")
MOST = "jax_persistent_cache_min_compile_time_secs"


class Counter:
    """How often compiled code was read from a disk."""

    hits = 0

    def __init__(self) -> None:
        jax.monitoring.register_event_listener(self._count)

    def _count(self, event: str, **_: str | int) -> None:
        self.hits += event == "/jax/compilation_cache/cache_hits"


@pytest.fixture(scope="module")
def counter() -> Counter:
    return Counter()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new process, as far as JAX's settings go, with an empty folder for compiled code."""
    settings = {name: getattr(jax.config, name) for name in ("jax_compilation_cache_dir", MOST)}
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", None)
    with warnings.catch_warnings():
        yield tmp_path
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def trained() -> list[np.ndarray]:
    """Weights after two epochs, of functions that are compiled, or read, anew."""
    jax.clear_caches()
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    examples = Examples(keras.ops.convert_to_tensor(X), keras.ops.arange(24) % 3, 8)
    Descent(net, seed=0).train(examples, [0.1, 0.1])
    return net.get_weights()


def test_bits_are_the_same_without_cold_and_warm(home: Path, counter: Counter) -> None:
    without = trained()
    setup.keep_compiled(code_cache.folder)
    jax.config.update(MOST, 0.0)  # what is compiled here takes milliseconds
    before = counter.hits
    cold = trained()
    assert counter.hits == before
    assert list(home.rglob("jit*-cache"))
    warm = trained()
    assert counter.hits > before
    for weights in (cold, warm):
        assert all((a == b).all() for a, b in zip(without, weights, strict=True))


def test_a_damaged_file_is_compiled_anew(home: Path) -> None:
    setup.keep_compiled(code_cache.folder)
    jax.config.update(MOST, 0.0)
    whole = trained()
    for path in home.rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:20])
    again = trained()
    assert all((a == b).all() for a, b in zip(whole, again, strict=True))


@pytest.mark.parametrize("how", ["another's", "exchanged", "cut", "empty"])
def test_what_this_home_has_not_sealed_is_never_run(home: Path, counter: Counter, how: str) -> None:
    setup.keep_compiled(code_cache.folder)
    jax.config.update(MOST, 0.0)
    whole = trained()
    files = sorted(home.rglob("jit*-cache"))
    contents = [path.read_bytes() for path in files]
    planted = {
        "another's": [bytes(32) + content[32:] for content in contents],
        "exchanged": [*contents[1:], contents[0]],
        "cut": [content[:-1] for content in contents],
        "empty": [b"" for _ in contents],
    }[how]
    for path, content in zip(files, planted, strict=True):
        path.write_bytes(content)
    before = counter.hits
    again = trained()
    assert counter.hits == before
    assert [path.read_bytes()[:32] for path in files] != [content[:32] for content in planted]
    assert all((a == b).all() for a, b in zip(whole, again, strict=True))
    trained()
    assert counter.hits > before, "it was sealed anew"


def test_without_a_key_nothing_is_kept(home: Path) -> None:
    (home / "keys").write_text("a file where the folder of keys would be")
    setup.keep_compiled(code_cache.folder)
    assert jax.config.jax_compilation_cache_dir is None


def test_a_process_of_models_keeps_what_it_compiles(home: Path, image_challenge: Challenge) -> None:
    Worker(image_challenge)
    folder = code_cache.folder(f"jax-{jax.__version__}")
    assert jax.config.jax_compilation_cache_dir == str(folder)
    assert home in folder.parents
    jax.config.update("jax_compilation_cache_dir", "the user's")
    Worker(image_challenge)
    assert jax.config.jax_compilation_cache_dir == "the user's"


def test_what_is_compiled_anew_is_neither_read_nor_kept(home: Path, counter: Counter) -> None:
    setup.keep_compiled(code_cache.folder)
    jax.config.update(MOST, 0.0)

    def compiles() -> bool:
        before = counter.hits
        jax.clear_caches()
        jax.jit(lambda x: x * 7 + 1)(X)
        return counter.hits == before

    with setup.compiled_anew():
        assert compiles()
    assert compiles(), "it was kept"
    assert not compiles()
    with setup.compiled_anew():
        assert compiles()


def test_the_unit_of_time_ratios_is_measured_so(home: Path, image_challenge: Challenge) -> None:
    setup.keep_compiled(code_cache.folder)
    jax.config.update(MOST, 0.0)
    time_retraining(image_challenge)
    assert not [path.name for path in home.rglob("*-cache") if "train" in path.name]


def test_a_submission_is_not_told_of_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a home of its own, of its process's, and what would lead elsewhere is not passed on."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "TF_XLA_FLAGS", "XLA_FLAGS"):
        monkeypatch.setenv(name, str(home))
    assert not [name for name, value in handover.environment(Path("its-own")).items() if str(home) in value]
    assert not [part for part in allowed.COPIED if "code_cache" in part]
