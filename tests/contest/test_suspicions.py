"""What is held against a pack: copies of retrained models, cosmetic diversity, other bits, and the time of a rerun."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from retrainings import taking

from kit.contest import pack as packing
from kit.contest import rerun
from kit.contest.check_pack import CheckedPack, check_pack
from kit.contest.rerun import Rerun, chosen
from kit.contest.suspicions import check_against
from kit.runs import timing
from kit.runs.population import run_population
from kit.runs.seeds import run_seed
from kit.runs.worker import Worker
from kit.submission.entry import resolve
from kit.types import PARTS, Challenge, Cost, Outputs, Retraining

pytestmark = pytest.mark.usefixtures("shared_workers")

Check = Callable[..., CheckedPack]


def population(generator: np.random.Generator, num_models: int, spread: float, centre: np.ndarray) -> Outputs:
    """Models that say something of 60 examples around what `centre` says, as far apart as `spread`."""
    confidences = centre + spread * generator.normal(size=(num_models, 60))
    parts = {part: confidences.astype(np.float32) for part in PARTS}
    correct = dict.fromkeys(PARTS, confidences > 0)
    labels = {part: np.zeros(60, np.int32) for part in PARTS}
    unknown = np.full(num_models, np.nan)
    return Outputs("noisy", parts, correct, labels, unknown, np.arange(num_models), {})


@pytest.fixture
def retrained() -> Outputs:
    return population(np.random.default_rng(0), 32, 1.0, np.zeros(60))


@pytest.mark.parametrize(
    ("spread", "status"), [(1.0, "PASS"), (0.1, "PASS"), (0.001, "FAIL"), (1e-5, "FAIL"), (0.0, "WARN")]
)
def test_diversity_is_measured_against_that_of_retrained_models(retrained: Outputs, spread: float, status: str) -> None:
    models = population(np.random.default_rng(1), 16, spread, np.full(60, 2.0))
    oracle, diversity = check_against(models, retrained)
    assert (oracle.name, oracle.status) == ("oracle", "PASS")
    assert (diversity.name, diversity.status) == ("diversity", status)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.05])
def test_models_of_the_oracle_are_found_with_noise_and_among_others(retrained: Outputs, noise: float) -> None:
    generator = np.random.default_rng(1)
    models = population(generator, 16, 1.0, np.full(60, 2.0))
    taken = {part: models.confidences[part].copy() for part in PARTS}
    for part in PARTS:
        taken[part][3] = retrained.confidences[part][7] + noise * generator.normal(size=60)
    oracle, _ = check_against(dataclasses.replace(models, confidences=taken), retrained)
    assert oracle.status == "FAIL"
    assert "1 of 16 models say what retrained models of the reference say (the first is number 3" in oracle.message


def test_other_retrained_models_are_no_copies(retrained: Outputs) -> None:
    """Whether their training fits the budget, a rerun shows."""
    oracle, diversity = check_against(population(np.random.default_rng(1), 16, 1.0, np.zeros(60)), retrained)
    assert (oracle.status, diversity.status) == ("PASS", "PASS")


def test_models_that_differ_in_two_directions_only_are_no_copies_by_chance() -> None:
    """Of small challenges: one of nine is the nearest to another, and a quarter of those within half of that."""
    generator, refused = np.random.default_rng(0), 0
    directions = np.stack([np.ones(60), np.arange(60) % 2])
    for _ in range(400):
        nine = generator.normal(size=(9, 2)) @ directions
        outputs = [population(generator, len(part), 0.0, np.zeros(60)) for part in (nine[:1], nine[1:])]
        models, others = (
            dataclasses.replace(output, confidences=dict.fromkeys(PARTS, part))
            for output, part in zip(outputs, (nine[:1], nine[1:]), strict=True)
        )
        oracle, _ = check_against(models, others)
        refused += oracle.status == "FAIL"
    assert refused / 400 < 0.1
    copies = dataclasses.replace(models, confidences=dict.fromkeys(PARTS, nine[3:4]))
    assert check_against(copies, others)[0].status == "FAIL"


# Reruns


@pytest.fixture
def check(small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Packs three models and has two of them made again, beside a retraining of so many passes."""

    def packed_and_checked(
        method: str,
        by: str | None = None,
        *,
        passes: float = 1e9,
        manifest: dict[str, Any] | None = None,
    ) -> CheckedPack:
        monkeypatch.setattr(timing, "reference", lambda *_, **__: dataclasses.replace(taking(1000.0), passes=passes))
        worker, path = Worker(small_challenge), tmp_path / "pack.zip"
        packing.pack(method, small_challenge, num_models=3, output=path, worker=worker)
        if manifest is not None:
            change_manifest(path, manifest)
        rerun = Rerun(2, resolve(by or method))
        return check_pack(path, small_challenge, rerun=rerun, worker=worker)

    return packed_and_checked


def change_manifest(path: Path, changes: dict[str, Any]) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries[packing.MANIFEST])
    entries[packing.MANIFEST] = json.dumps(manifest | changes).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def statuses(checked: CheckedPack) -> dict[str, str]:
    return {check.name: check.status for check in checked.checks}


def test_what_is_made_again_is_the_same_and_timed_here(check: Check) -> None:
    checked = check("finetune", manifest={"seconds": [0.001] * 3})
    assert statuses(checked)["rerun"] == statuses(checked)["time"] == "PASS"
    assert checked.outputs is not None
    assert (checked.outputs.seconds == checked.outputs.seconds[0]).all()
    assert checked.outputs.seconds[0] != 0.001
    assert "reported, not measured: 0.001 s a model" in checked.checks[1].message


def test_retrained_models_do_not_fit_the_budget(check: Check) -> None:
    checked = check("retrain", passes=1.0)
    assert statuses(checked)["time"] == "FAIL"
    assert not checked.sound
    assert "as long as if each model were trained anew" in checked.checks[-1].message


@pytest.mark.parametrize(
    ("traces", "work", "status", "words"),
    [
        (0.0, 1.0, "PASS", "measured here in 2 runs"),
        (3.9, 1.0, "PASS", "a call takes 0.10 of a retraining, measured here in 2 runs, and 0.49 with the tracing"),
        (7.9, 1.0, "WARN", "and 0.89 with the tracing that its process tells of (7.9 first steps)"),
        (12.0, 1.0, "FAIL", "a call takes 0.50 of a retraining"),  # four of them are billed
        (7.9, 4.0, "FAIL", "a call takes 0.40 of a retraining"),
    ],
)
def test_a_host_is_told_how_much_tracing_was_believed(traces: float, work: float, status: str, words: str) -> None:
    """A retraining takes ten seconds here, and one more to trace its first step."""
    unit = Retraining(seconds=11.0, work=10.0, tracing=1.0, operations=500, passes=1000.0)
    cost = Cost(99.0, cpu_seconds=work + traces, tracing=traces, operations=10_000)
    outcome = rerun._time([cost, cost], unit)
    assert outcome.status == status
    assert words in outcome.message
    assert ("first steps" in outcome.message) == (traces > 0)
    assert status == "PASS" or "Expected" in outcome.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seeds": [1, 2, 3]}, "Its seeds are not those"), ({"method_sha256": "0" * 64}, "another file than 'finetune'")],
)
def test_what_cannot_be_made_again_is_refused(check: Check, changes: dict[str, Any], words: str) -> None:
    checked = check("finetune", manifest=changes)
    assert statuses(checked)["rerun"] == "FAIL"
    assert words in checked.checks[-1].message


@pytest.mark.parametrize(("changes", "status"), [({}, "FAIL"), ({"machine": {"processor": "another"}}, "WARN")])
def test_other_bits_are_told(
    check: Check, small_challenge: Challenge, changes: dict[str, Any], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models of another seed of the population, under the seeds of this one."""
    monkeypatch.setattr("kit.runs.order.run_seed", lambda seed, name, number: 1000 + number)
    seeds = [run_seed(0, "finetune", number) for number in range(3)]
    checked = check("finetune", manifest={"seeds": seeds, **changes})
    assert statuses(checked)["rerun"] == status
    message = next(outcome.message for outcome in checked.checks if outcome.name == "rerun")
    assert "2 of 2 models, made again from their seeds, have other weights" in message


def test_which_models_are_made_again_only_this_home_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = chosen(4, 512, "a" * 64)
    assert chosen(4, 512, "a" * 64) == first != chosen(4, 512, "b" * 64)
    assert len(set(first)) == 4
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    assert chosen(4, 512, "a" * 64) != first
    assert chosen(9, 3, "a" * 64) == [0, 1, 2]


def test_a_pack_of_the_oracles_own_models_is_refused(small_challenge: Challenge, tmp_path: Path) -> None:
    """Made by the kit's own retraining, with the seeds that everybody can read."""
    worker = Worker(small_challenge)
    retrained = run_population("retrain", small_challenge, num_models=5, worker=worker)
    packing.pack("retrain", small_challenge, num_models=3, output=tmp_path / "pack.zip", worker=worker)
    checked = check_pack(tmp_path / "pack.zip", small_challenge, retrained=retrained, worker=worker)
    assert statuses(checked)["oracle"] == "FAIL"
    others = run_population("retrain", small_challenge, num_models=5, seed=2**63 + 11, worker=worker)
    checked = check_pack(tmp_path / "pack.zip", small_challenge, retrained=others, worker=worker)
    assert statuses(checked)["oracle"] == "PASS"
