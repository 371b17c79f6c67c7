"""Shared fixtures. Every test has a cache of its own making, never the user's."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import pickle
import random
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

# Read when NumPy is imported, here and in all processes that are started: matrices of tests are so small that a second
# thread does nothing but wait for them, at full speed.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Compiling by XLA takes seconds, and tests train for hundredths: those that are about it ask for it.
os.environ.setdefault("KIT_XLA", "never")

import numpy as np

import kit
from kit.types import InputError, Recipe


def pytest_configure(config: pytest.Config) -> None:
    """Here too, as the tests of an installed wheel have no pyproject.toml."""
    gc.disable()  # until the libraries are imported and all tests collected, see below
    config.addinivalue_line("markers", "slow: takes seconds; run by 'make test-slow'")
    config.addinivalue_line("markers", "torch: against PyTorch, skipped without it; run by 'make test-torch'")
    imitated = "ONEDNN_MAX_CPU_ISA imitates a processor that cannot"
    config.addinivalue_line("markers", f"half_precision: computes in 16 bits, skipped where {imitated}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test draws without a seed, initial weights above all, does not depend on which tests ran before it."""
    random.seed(0)  # Keras takes its seeds from it
    np.random.seed(0)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(0)


@pytest.hookimpl(optionalhook=True)  # pytest runs without pytest-xdist too: -p no:xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits for a process leaves its core to another. More only crowd."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


# Fixtures have no doctests; looked through for some, those of a second room would be taken for the first one's module.
collect_ignore_glob = ["*conftest.py"]

# Files whose few tests take longest come first, in this order: a worker that begins with them at the end is left alone.
LONGEST = (
    "test_habits.py",
    "test_notebooks.py",
    "test_bad_submissions.py",
    "test_user_models.py",
    "test_tuning.py",
    "test_bad_behaviour.py",
    "test_method_contract.py",
    "test_backends.py",
    "test_cli.py",
    "test_fused.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))
    # TensorFlow asks the processor itself whether it computes in 16 bits, and oneDNN, which may not, ends the process.
    imitated = os.environ.get("ONEDNN_MAX_CPU_ISA") in ("SSE41", "AVX", "AVX2")
    for item in items:
        if imitated and item.get_closest_marker("half_precision"):
            item.add_marker(pytest.mark.skip(reason="oneDNN is kept from the instructions for 16 bits"))
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker("torch")


def pytest_collection_finish() -> None:
    """No garbage is looked for in what stays: a tenth of the seconds of the tests went into that."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def kit_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("kit-home")
    os.environ["KIT_HOME"] = str(home)
    return home


@pytest.fixture(scope="module", autouse=True)
def no_module_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests of a file import from their folders, those of the next do not find."""
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(scope="session")
def small_challenge() -> kit.Challenge:
    """240 examples of 6 features in 3 classes, an mlp, two epochs: a whole run takes a fraction of a second."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    features = generator.normal(size=(240, 6)) + labels[:, np.newaxis]
    arrays = kit.Arrays(features, labels, groups=np.arange(240) // 8, mislabelled=np.arange(240) % 5 == 0)
    return kit.make_challenge("small", arrays, recipe=Recipe(epochs=2), batch_size=32)


@pytest.fixture(scope="session")
def worker(small_challenge: kit.Challenge) -> Any:
    """For users' functions."""
    from kit.runs.worker import Worker

    return Worker(small_challenge)


@pytest.fixture(scope="session")
def builtin_worker(small_challenge: kit.Challenge) -> Any:
    """For built-in methods: traced once for many tests."""
    from kit.runs.worker import Worker

    return Worker(small_challenge)


@pytest.fixture(scope="module")
def shared_workers() -> Iterator[None]:
    """Has workers of equal challenges and originals be one and the same: what is traced for one serves the next.

    For tests of what becomes of runs: that these do not depend on the ones before them, others show (`test_runner.py`,
    `test_method_contract.py`).
    """
    from kit.runs.pretraining import original_of
    from kit.runs.worker import Worker

    begin, states = Worker.__init__, dict[object, dict[str, Any]]()

    def begin_or_share(self: Worker, challenge: kit.Challenge, original: Any = None, *, pretraining: str = "") -> None:
        original = original or original_of(challenge, pretraining)
        key = pickle.dumps(challenge), original.sha256, pretraining
        if key not in states:
            begin(self, challenge, original, pretraining=pretraining)
            states[key] = self.__dict__
        self.__dict__ = states[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "__init__", begin_or_share)
        yield


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """For simulations of small populations, where to start threads is a quarter of the work; no number changes."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")


@pytest.fixture(scope="session")
def without_data() -> Callable[[str], NoReturn]:
    """Ends a test that lacks a data set: skipped, or failed where KIT_REQUIRE_DATA=1 says that the data are here."""

    def end(title: str) -> NoReturn:
        reason = f"{title} is not on this machine, in $KERAS_HOME for instance"
        if os.environ.get("KIT_REQUIRE_DATA") == "1":
            pytest.fail(f"{reason}, and KIT_REQUIRE_DATA=1 wants it.")
        pytest.skip(reason)

    return end


@pytest.fixture(scope="session")
def require_data(without_data: Callable[[str], NoReturn]) -> Callable[[str], None]:
    """Ends a test of a challenge whose data are not on this machine."""
    from kit.challenges import catalogue
    from kit.datasets import loading, registry

    def check(name: str) -> None:
        title = catalogue.CHALLENGES[name].published
        for data_set in registry.DATA_SETS.values():
            if data_set.title == title and loading.nearest(data_set) is None:
                without_data(title)

    return check


def _is_here(host: object) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(str(host)).is_loopback
    return host in (None, "", "localhost", socket.gethostname())


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fails a test that looks up another machine or connects to one, even where the kit makes a message of the error.

    Datagrams are let through: to connect one sends nothing, and Ray learns so which address this machine has.
    """
    hosts: list[object] = []
    look_up, connections = (
        socket.getaddrinfo,
        {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")},
    )

    def check(host: object) -> None:
        if not _is_here(host):
            hosts.append(host)
            raise ConnectionRefusedError(f"A test wanted to reach {host}. Expected none to need the network.")

    def guarded_look_up(host: Any, *arguments: Any, **settings: Any) -> Any:
        check(host.decode() if isinstance(host, bytes) else host)
        return look_up(host, *arguments, **settings)

    def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
        def connect_here(self: socket.socket, address: Any) -> Any:
            if self.family != getattr(socket, "AF_UNIX", None) and self.type == socket.SOCK_STREAM:
                check(address[0])
            return connect(self, address)

        return connect_here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        for name, connect in connections.items():
            patch.setattr(socket.socket, name, guarded(connect))
        yield
    assert hosts == [], "The test tried to reach other machines. Expected it to work without a network."


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
