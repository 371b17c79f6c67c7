"""The engine `stacked` hands groups of tasks to one process whose Keras is to run on JAX."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from retrainings import taking

import kit
from kit import engines
from kit.machine import accelerators
from kit.machine.accelerators import Accelerator
from kit.runs import timing
from kit.runs.choice import bits_of, default_engine, engine_for
from kit.submission.entry import Entry


class Diary:
    """A payload that says how it was called, and that it was closed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        self.path.write_text("closed")


def describe(_: Diary, tasks: Sequence[int]) -> list[tuple[int, int, int, str]]:
    return [(task, len(tasks), os.getpid(), os.environ["KERAS_BACKEND"]) for task in tasks]


def fail(_: Diary, tasks: Sequence[int]) -> list[int]:
    raise KeyError(tasks)


def test_tasks_come_in_groups_to_one_process_on_jax(tmp_path: Path) -> None:
    before = os.environ.get("KERAS_BACKEND")
    with engines.start("stacked", workers=3) as engine:
        results = dict(engine.map(describe, Diary(tmp_path / "diary"), [4, 5, 6, 7, 1]))
        with pytest.raises(KeyError, match=r"4, 5, 6"):
            list(engine.map(fail, Diary(tmp_path / "other"), [4, 5, 6, 7]))
    assert list(results) == [4, 5, 6, 7, 1]
    assert all(result[0] == task for task, result in results.items())
    assert [result[1] for result in results.values()] == [3, 3, 3, 2, 2]
    assert len({result[2] for result in results.values()} - {os.getpid()}) == 1
    assert {result[3] for result in results.values()} == {"jax"}
    assert os.environ.get("KERAS_BACKEND") == before
    assert (tmp_path / "diary").read_text() == "closed"


@pytest.mark.parametrize(("cards", "at_once"), [(1, 512), (4, 2048), (0, 16)])
def test_as_many_at_once_as_suit_the_device(cards: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "find", lambda: Accelerator("NVIDIA L4", "gpu", cards) if cards else None)
    with engines.start("stacked") as engine:
        assert engine.workers == at_once


def test_without_jax_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jax" else find(name))
    refused(lambda: engines.start("stacked"), "JAX", "not installed", "pip install", "another engine")


def test_what_is_not_the_kits_own_is_refused(small_challenge: kit.Challenge, refused: Callable[..., str]) -> None:
    def mine(net: object, retain: object, forget: object, validation: object) -> object:
        return net

    population = {"num_models": 2, "engine": "stacked"}
    for call in (
        lambda: kit.run_population(mine, small_challenge, **population),
        lambda: kit.evaluate_all(["finetune", mine], small_challenge, **population),
        lambda: kit.pack.pack(mine, small_challenge, output="pack.zip", **population),
    ):
        refused(call, "'stacked'", "the function 'mine'", "'processes'")


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Accelerator:
    """One that JAX sees, and nothing in the environment against it."""
    accelerator = Accelerator("NVIDIA L4", "gpu", count=2)
    monkeypatch.setattr(accelerators, "find", lambda: accelerator)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return accelerator


BUILT_IN, MINE = Entry("finetune"), Entry("mine", function=len)


@pytest.mark.parametrize(
    ("num_models", "workers", "entries", "chosen"),
    [
        (512, None, [BUILT_IN, Entry("retrain")], True),
        (16, None, [BUILT_IN], True),
        (15, None, [BUILT_IN], False),
        (512, 2, [BUILT_IN], False),
        (512, None, [BUILT_IN, MINE], False),
        (512, None, [], False),
    ],
)
def test_it_is_chosen_for_many_of_the_kits_own_where_jax_sees_an_accelerator(
    accelerator: Accelerator, num_models: int, workers: int | None, entries: list[Entry], chosen: bool
) -> None:
    assert (default_engine(num_models, workers, entries) == "stacked") == chosen
    assert engine_for(entries, "ray", workers, num_models) == "ray"


@pytest.mark.parametrize(("backend", "chosen"), [("jax", True), ("tensorflow", False), ("torch", False)])
def test_it_is_not_chosen_where_keras_has_another_backend(
    accelerator: Accelerator, backend: str, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert (default_engine(512, None, [BUILT_IN]) == "stacked") == chosen


def test_it_is_never_chosen_for_a_processor() -> None:
    assert {default_engine(number, None, [BUILT_IN]) for number in (1, 512)} <= {"serial", "processes"}


def test_records_and_folders_name_the_device(accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bits_of("stacked") == {"engine": "stacked", "backend": "jax", "device": "2 x NVIDIA L4"}
    assert accelerators.suffix() == "-2-x-nvidia-l4"
    assert bits_of("processes") == bits_of(engines.Serial()) == {}
    monkeypatch.setattr(accelerators, "find", lambda: None)
    assert (bits_of("stacked")["device"], accelerators.suffix()) == ("processor", "")


class Started(Exception):
    """An engine was to be started."""


@pytest.mark.parametrize("method", ["finetune", len])
def test_populations_tables_and_packs_begin_with_it(
    method: object,
    accelerator: Accelerator,
    small_challenge: kit.Challenge,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(name: str, **options: object) -> None:
        raise Started(name)

    monkeypatch.setattr(engines, "start", start)
    monkeypatch.setattr(engines, "usable_cores", lambda: 2)
    monkeypatch.setattr(timing, "reference", lambda challenge, check: taking(1.0))
    for call in (
        lambda: kit.run_population(method, small_challenge, num_models=16),
        lambda: kit.evaluate_all([method], small_challenge, num_models=16),
        lambda: kit.pack.pack(method, small_challenge, num_models=16, output=tmp_path / "pack.zip"),
    ):
        with pytest.raises(Started) as started:
            call()
        assert (str(started.value) == "stacked") == (method == "finetune")
