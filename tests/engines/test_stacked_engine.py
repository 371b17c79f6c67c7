"""The engine `stacked` hands groups of tasks to one process whose Keras is to run on JAX."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import kit
from kit import engines
from kit.machine import environment
from kit.runs.population import default_engine


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


@pytest.mark.parametrize(("accelerated", "at_once"), [(True, 512), (False, 16)])
def test_as_many_at_once_as_suit_the_device(accelerated: bool, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "accelerated", lambda: accelerated)
    with engines.start("stacked") as engine:
        assert engine.workers == at_once


def test_without_jax_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jax" else find(name))
    refused(lambda: engines.start("stacked"), "JAX", "not installed", "pip install", "another engine")


def test_cards_and_tpus_are_seen_by_their_device_files(tmp_path: Path) -> None:
    assert not environment.accelerated(tmp_path)
    (tmp_path / "accel0").touch()
    assert environment.accelerated(tmp_path)


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


def test_it_is_never_chosen_where_nobody_asks_for_it() -> None:
    assert {default_engine(number) for number in (1, 512)} <= {"serial", "processes"}
