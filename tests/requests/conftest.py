"""What becomes of the request of `owners.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from owners import RECIPE, RECORDS, data, files_in, model
from retrainings import taking

from kit.evaluation import Evaluation
from kit.requests import DeletionRequest, Effort, Outcome, Plan, carry_out, prepare
from kit.requests.findings import Observations, findings
from kit.requests.rehearsal import Choice, RehearsalResult
from kit.runs import timing
from kit.types import ModelOptions, Report, Score


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits until a retraining in plain Keras is timed."""
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(1.0))


@pytest.fixture
def request_of_six() -> DeletionRequest:
    return _asked()


@pytest.fixture(scope="session")
def whole_outcome() -> Outcome:
    """Of a request that was carried out, with all its trainings; nothing may change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "reference", lambda *_, **__: taking(1.0))
        return carry_out(_asked(), "finetune", Effort(retrained=3))


@pytest.fixture(scope="session")
def outcome() -> Outcome:
    """Of a request, with findings and reports from made-up numbers: nothing was trained; nothing may change it."""
    generator = np.random.default_rng(0)
    sides = [
        Observations(generator.normal(known, 1, (models, len(RECORDS))), generator.random((models, 40)) < 0.9)
        for models, known in ((1, 4.0), (1, 0.0), (5, 0.0), (5, 4.0))
    ]
    groups = {"test": np.ones(40, bool)} | {f"class {label}": np.arange(40) % 3 == label for label in range(3)}
    results = findings(*sides[:2], retrained=sides[2], learnt=sides[3], groups=groups)
    request = _asked()
    texts = dict.fromkeys(("challenge", "split", "split_sha256", "data_sha256", "data_source"), "")
    numbers = {
        "seed": 0,
        "num_models": 1,
        "num_retrained": 5,
        "split_seed": 0,
        "seconds": 1.0,
        "reference_seconds": 1.0,
    }
    scores = {name: Score(name, 0.9, 0.01, "match_retrain") for name in ("forget_accuracy", "test_accuracy")}
    mappings = {"scores": scores, "versions": {}, "machine": {}}
    report = Report(method="finetune", weights_sha256="", score_version="1.0", **texts, **numbers, **mappings)
    choice = Choice(
        "finetune", "It was the nearest.", (RehearsalResult("finetune", 0.1, 0.0, 0.2, 0.1),), kind="other examples"
    )
    return Outcome(model(), "finetune", choice, results, Evaluation((report,), {}), request, seed=7)


def _asked() -> DeletionRequest:
    arrays, partition = data()
    return prepare(model(), arrays, RECORDS, ModelOptions(RECIPE), partition=partition, batch_size=32)


@pytest.fixture
def few() -> Plan:
    return Plan(rehearsals=2, retrained=3)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """What `kit unlearn` is given, by the option's name."""
    return files_in(tmp_path)
