"""Populations of many models at once: each run is the one that is made alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kit
from kit import methods
from kit.engines import Serial
from kit.runs import together
from kit.runs.order import Maker, Order
from kit.runs.population import Request, order_of
from kit.runs.pretraining import original_of
from kit.runs.worker import Worker
from kit.submission.entry import resolve
from kit.types import Challenge, FailedRun, Outputs

# What draws nothing gives the same model each time.
DETERMINISTIC = {"original", "influence", "ssd", "certified_removal"}

# Conjugate gradients make more of a rounding error than a step does.
TOLERANCE = {"influence": 5e-3}


def order(name: str, challenge: Challenge, num_models: int = 3, training: str | None = None) -> Order:
    entry = resolve(name) if training is None else resolve(name).trained_as(training)
    return order_of(entry, challenge, original_of(challenge, entry.pretraining), Request(num_models), Serial())


@pytest.fixture(scope="module")
def worker(image_challenge: Challenge) -> Worker:
    """One for all methods that start from the challenge's own original: what is compiled for one serves others."""
    return Worker(image_challenge)


@pytest.mark.parametrize(
    ("name", "training"), [*((name, None) for name in methods.names()), ("retrain", "certified_removal")]
)
def test_each_run_of_a_method_is_the_one_made_alone(
    name: str, training: str | None, image_challenge: Challenge, worker: Worker
) -> None:
    asked = dataclasses.replace(order(name, image_challenge, training=training), at_once=3)
    maker = Maker(asked, None if asked.entry.pretraining else lambda: worker)
    alone = [maker.run(number) for number in range(3)]
    many = maker.run_together([0, 1, 2])
    assert [run.seed for run in many] == [run.seed for run in alone]
    logits = [[run.outputs.logits["test"] for run in runs] for runs in (alone, many)]
    tolerance = TOLERANCE.get(name, 2e-4) * max(1.0, abs(logits[0][0]).max())
    assert abs(np.stack(logits[0]) - np.stack(logits[1])).max() < tolerance
    assert (abs(logits[1][0] - logits[1][1]).max() > 1e-4) == (name not in DETERMINISTIC)
    assert [dict(run.facts) for run in many] == [dict(run.facts) for run in alone]
    assert all(run.cost.seconds > 0 for run in many)
    maker.close()


def same(first: Outputs, second: Outputs) -> bool:
    return all((first.logits[part] == second.logits[part]).all() for part in first.logits)


@pytest.fixture(scope="module")
def population(image_challenge: Challenge, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outputs, Path]:
    root = tmp_path_factory.mktemp("stacked")
    with kit.engines.start("stacked", workers=2) as engine:
        return kit.run_population("finetune", image_challenge, num_models=5, root=root, engine=engine), root


def test_an_interrupted_population_goes_on_with_the_same_bits(
    population: tuple[Outputs, Path], image_challenge: Challenge
) -> None:
    outputs, root = population
    folders = sorted(path.parent for path in root.rglob("done.json"))
    assert len(folders) == 5
    assert all("-stacked-run-" in folder.name for folder in folders)
    for folder in (folders[0], folders[3], folders[4]):
        (folder / "done.json").unlink()
    with kit.engines.start("stacked", workers=2) as engine:
        again = kit.run_population("finetune", image_challenge, num_models=5, root=root, engine=engine)
    assert same(outputs, again)


def test_its_runs_are_those_of_the_engine_serial(population: tuple[Outputs, Path], image_challenge: Challenge) -> None:
    alone = kit.run_population("finetune", image_challenge, num_models=5, engine="serial")
    for part, logits in alone.logits.items():
        assert abs(population[0].logits[part] - logits).max() < 1e-3


def test_where_memory_runs_out_fewer_are_made_at_once(
    image_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    run = together.lockstep.run

    def with_room_for_two(functions: list[Callable[[], object]], nets: list[object], *, at_once: int) -> list[object]:
        sizes.append((len(functions), at_once))
        if at_once > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return run(functions, nets, at_once=at_once)

    monkeypatch.setattr(together.lockstep, "run", with_room_for_two)
    kept = []
    make = Maker(order("original", image_challenge))
    worker, _ = make._prepared()
    many = together.Together(worker, 5).run(make.make, range(5), lambda number, _: kept.append(number))
    assert sizes == [(5, 5), (3, 3), (2, 2), (2, 2), (1, 2)]
    assert (len(many), kept) == (5, [0, 1, 2, 3, 4])


def test_no_room_for_one_is_an_error_in_a_paragraph(
    image_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_room(*_: object, **__: object) -> list[object]:
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(together.lockstep, "run", without_room)
    make = Maker(order("original", image_challenge))
    worker, _ = make._prepared()
    with pytest.raises(FailedRun, match=r"out of memory with one model\. Expected room for one at least"):
        together.Together(worker, 4).run(make.make, range(4))


def test_an_evaluation_says_which_engine_made_the_models(image_challenge: Challenge) -> None:
    evaluation = kit.evaluate_all(["finetune"], image_challenge, num_models=3, num_retrained=4, engine="stacked")
    assert {report.machine["engine"] for report in evaluation.reports} == {"stacked"}
    assert {report.machine["backend"] for report in evaluation.reports} == {"jax"}
