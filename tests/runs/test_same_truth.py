"""Models of one backend are held against retrained ones of another only where they were tested to be alike."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import kit
from kit import evaluation
from kit.evaluation.plan import Plan
from kit.evaluation.reference import Reference
from kit.runs import oracles, originals, same_truth
from kit.runs.population import Request
from kit.storage import files
from kit.submission.entry import Entry
from kit.types import Challenge

FINETUNE = [Entry("finetune")]


@pytest.fixture(scope="module")
def challenge() -> Challenge:
    """It has an oracle, which was made on TensorFlow."""
    return kit.load_challenge("noisy-digits")


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    return tmp_path


def test_only_what_was_recorded_was_tested(small_challenge: Challenge, own_data: Path) -> None:
    assert same_truth.models_a_side(small_challenge, ["finetune"]) == 0
    same_truth.record(small_challenge, ["retrain", "finetune", "scrub"], 128)
    assert same_truth.models_a_side(small_challenge, ["finetune"]) == 128
    assert same_truth.models_a_side(small_challenge, ["original", "scrub", "retrain"]) == 128
    assert same_truth.models_a_side(small_challenge, ["finetune", "salun"]) == 0
    longer = dataclasses.replace(small_challenge, recipe=kit.Recipe(epochs=99))
    assert same_truth.models_a_side(longer, ["finetune"]) == 0
    other = dataclasses.replace(small_challenge, name="other")
    assert same_truth.models_a_side(other, ["finetune"]) == 0
    same_truth.record(other, ["finetune"], 128)
    assert same_truth.models_a_side(other, ["finetune"]) == 0  # retraining was not tested with it
    same_truth.record(other, ["finetune", "retrain"], 127)
    assert same_truth.models_a_side(other, ["finetune"]) == 0  # too few to see a difference
    assert same_truth.models_a_side(small_challenge, ["finetune"]) == 128


def test_a_record_that_was_changed_is_refused(
    small_challenge: Challenge, own_data: Path, refused: Callable[..., str]
) -> None:
    same_truth.record(small_challenge, ["retrain"], 64)
    path = own_data / "backends.json"
    content = json.loads(path.read_text())
    content[small_challenge.name]["methods"].append("finetune")
    path.write_text(json.dumps(content))
    refused(lambda: same_truth.models_a_side(small_challenge, ["finetune"]), str(path))


def chosen(challenge: Challenge, engine: str, tested: int, monkeypatch: pytest.MonkeyPatch) -> Reference:
    monkeypatch.setattr(same_truth, "models_a_side", lambda *_: tested)
    return Reference.choose(challenge, "", Plan(Request(32), engine=engine), FINETUNE)


def test_the_oracle_of_another_backend_serves_where_models_cannot_be_told_apart(
    challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert oracles.made_by(challenge) == {"engine": "processes", "backend": "tensorflow"}
    same = chosen(challenge, "processes", 0, monkeypatch)
    assert same.oracle is not None
    assert same.mixture() == ""
    mixed = chosen(challenge, "stacked", 64, monkeypatch)
    assert mixed.oracle is not None
    for part in ("'processes' on tensorflow", "64 models a side", "--fresh-oracle"):
        assert part in mixed.mixture()


def test_elsewhere_retrained_models_are_made_anew(challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    untested = chosen(challenge, "stacked", 0, monkeypatch)
    assert untested.oracle is None
    assert untested.request.num_models > 32
    assert untested.mixture() == ""


def test_an_oracle_that_was_made_stacked_says_so(challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = originals.registry()["oracles/noisy-digits"]
    made_by = {"engine": "stacked", "backend": "jax", "device": "NVIDIA L4"}
    monkeypatch.setattr(originals, "registry", lambda: {"oracles/noisy-digits": entry | {"made_by": made_by}})
    assert oracles.made_by(challenge) == made_by
    assert chosen(challenge, "stacked", 0, monkeypatch).mixture() == ""
    assert chosen(challenge, "processes", 0, monkeypatch).oracle is None
    assert "'stacked' on jax" in chosen(challenge, "processes", 8, monkeypatch).mixture()


@pytest.mark.slow
def test_the_report_says_which_engine_made_the_retrained_models(
    challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_truth, "models_a_side", lambda *_: 64)
    monkeypatch.setattr(oracles, "made_by", lambda _: {"engine": "stacked", "backend": "jax", "device": "NVIDIA L4"})
    result = evaluation.evaluate_all(["weight_noise"], challenge, num_models=8, num_retrained=24, engine="serial")
    rows = {report.method: report for report in result.reports}
    assert rows["retrain"].machine["engine"] == "stacked"
    assert {"jax"} <= set(rows["retrain"].versions)
    assert "engine" not in rows["weight_noise"].machine
    assert any("could not be told apart" in warning for warning in rows["weight_noise"].warnings)
    assert not any("could not be told apart" in warning for warning in rows["retrain"].warnings)
