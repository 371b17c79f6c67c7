"""Methods that train the original in their own way: kept whole, never changed by a run, compared with their like."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.runs import originals, pretraining
from kit.runs.run import run_here, unlearn
from kit.runs.settings import hyperparameters, of_pretraining
from kit.runs.worker import Worker
from kit.submission.entry import Entry, resolve
from kit.toolbox import compiled
from kit.types import Challenge, FailedRun


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def worker_of(small_challenge: Challenge) -> Callable[[str], Worker]:
    """Returns the worker of a training, one for all tests: what it has traced serves them all."""
    return functools.cache(lambda name: Worker(small_challenge, pretraining=name))


@pytest.mark.parametrize(("name", "training"), [("sisa", "sisa"), ("finetune", ""), ("retrain", "")])
def test_only_a_method_with_a_training_starts_from_it(
    small_challenge: Challenge, worker_of: Callable[[str], Worker], name: str, training: str
) -> None:
    assert resolve(name).pretraining == training
    worker = worker_of("sisa")
    assert (Worker.for_entry(resolve(name), small_challenge, worker) is worker) == (training == "sisa")
    assert Worker.for_entry(Entry("retrain", pretraining="sisa"), small_challenge, worker) is worker


def test_trained_once_and_found_again(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pretraining.load(small_challenge, "sisa")
    monkeypatch.setattr(pretraining, "_train", lambda *_: pytest.fail("trained again"))
    again = pretraining.load(small_challenge, "sisa")
    assert first.sha256 == again.sha256 != ""
    for array, other in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(array, other)


def test_other_settings_are_another_training(small_challenge: Challenge) -> None:
    fewer = replace(small_challenge, hyperparameters={"sisa": {"shards": 2, "slices": 2}})
    assert of_pretraining("sisa", fewer) == {"shards": 2, "slices": 2}
    assert len(pretraining.load(fewer, "sisa").weights) == 2 * len(originals.build(small_challenge).weights)
    assert hyperparameters(resolve("sisa"), fewer) == {}


def test_a_training_that_breaks_leaves_nothing(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.methods import sisa

    def broken(challenge: Challenge, seed: int, folder: Path, base: keras.Model, *, shards: int = 3) -> None:
        (folder / "half").write_text("written")
        raise RuntimeError("the power went off")

    monkeypatch.setattr(sisa, "pretraining", broken)
    other = replace(small_challenge, hyperparameters={"sisa": {"shards": 7}})
    before = set(originals.cached_path(other).parent.iterdir())
    with pytest.raises(FailedRun, match="'sisa' begins with failed with RuntimeError: the power went off Expected"):
        pretraining.load(other, "sisa")
    assert set(originals.cached_path(other).parent.iterdir()) == before


@pytest.mark.parametrize("name", ["sisa", "certified_removal"])
def test_a_run_changes_a_copy_only(name: str, small_challenge: Challenge, worker_of: Callable[[str], Worker]) -> None:
    worker = worker_of(name)
    before = content(worker.original.state)
    assert before
    unlearned = unlearn(name, small_challenge, seed=1, worker=worker)
    assert unlearned.facts
    assert content(worker.original.state) == before


def test_the_name_is_enough(small_challenge: Challenge) -> None:
    unlearned = kit.unlearn("sisa", small_challenge, seed=1)
    assert unlearned.net.name == "ensemble"
    assert unlearned.facts["shards_retrained"] == 3


@pytest.mark.slow
def test_rows_of_two_trainings_do_not_mix(small_challenge: Challenge, tmp_path: Path) -> None:
    evaluation = kit.evaluate_all(["finetune", "sisa"], small_challenge, num_retrained=3, root=tmp_path)
    rows = [(report.pretraining, report.method) for report in evaluation.reports]
    own = [("sisa", "original"), ("sisa", "sisa"), ("sisa", "retrain")]
    assert rows == [("", "original"), ("", "finetune"), ("", "retrain"), *own]
    assert set(evaluation.outputs) == {"original", "finetune", "retrain", "original (sisa)", "sisa", "retrain (sisa)"}
    assert len({report.weights_sha256 for report in evaluation.reports}) == 2
    (sisa,) = [report for report in evaluation.reports if report.method == "sisa"]
    assert sisa.facts["shards_retrained"] == 3
    assert sisa.model == "ensemble"
    again = kit.evaluate_all(["sisa"], small_challenge, num_retrained=3, root=tmp_path)
    assert [report.method for report in again.reports] == ["original", "sisa", "retrain"]
    assert again.reports[1].facts == sisa.facts  # found again on disk, with what it told


def test_retraining_draws_other_models_with_other_seeds(
    small_challenge: Challenge, worker_of: Callable[[str], Worker]
) -> None:
    retrain, worker = Entry("retrain", pretraining="sisa"), worker_of("sisa")
    nets = [run_here(retrain, small_challenge, worker, seed=seed).net.get_weights() for seed in (1, 1, 2)]
    same, second = ([np.array_equal(a, b) for a, b in zip(nets[0], nets[first], strict=True)] for first in (1, 2))
    assert all(same)
    assert not all(second)


@pytest.mark.parametrize("name", ["sisa", "certified_removal"])
def test_retraining_traces_nothing_twice(
    name: str, small_challenge: Challenge, worker_of: Callable[[str], Worker]
) -> None:
    retrain, worker = Entry("retrain", pretraining=name), worker_of(name)
    run_here(retrain, small_challenge, worker, seed=1)
    base, once = worker.base(), compiled.traces(worker.base())
    assert once >= 1
    for seed in (2, 3):
        run_here(retrain, small_challenge, worker, seed=seed)
    assert worker.base() is base
    assert compiled.traces(base) == once


def test_machines_without_the_files_are_refused(small_challenge: Challenge, refused: Callable[..., str]) -> None:
    from kit import engines

    with engines.start("serial") as engine:
        object.__setattr__(engine, "shares_disk", False)
        refused(
            lambda: kit.run_population("sisa", small_challenge, num_models=1, engine=engine),
            "keeps files from the training of the original",
        )
