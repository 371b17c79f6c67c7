"""A host's verdict: retrained models of seeds that nobody can tell, and nothing of them in what is published."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kit.commands import judging
from kit.contest.check_pack import CheckedPack
from kit.contest.outcomes import PackCheck
from kit.runs import oracles
from kit.types import PARTS, Challenge, Outputs

Judge = Callable[..., judging.Verdict]


def population(seed: int, num_models: int = 6) -> Outputs:
    generator = np.random.default_rng(seed)
    centre = 3 * generator.normal(size=20)
    confidences = (centre + generator.normal(size=(num_models, 20))).astype(np.float32)
    labels = {part: np.zeros(20, np.int32) for part in PARTS}
    logits, correct = dict.fromkeys(PARTS, confidences), dict.fromkeys(PARTS, confidences > 0)
    return Outputs("mine", logits, correct, labels, np.full(num_models, np.nan), np.arange(num_models))


@pytest.fixture
def asked() -> dict[str, Any]:
    """What the evaluation was asked for."""
    return {}


@pytest.fixture
def judge(small_challenge: Challenge, asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    report = dataclasses.make_dataclass("Report", ["method", "seed"])

    def judged(packed: Outputs, retrained: Outputs) -> judging.Verdict:
        def evaluate(*_: Any, **options: Any) -> Any:
            asked.update(options)
            rows = tuple(report(name, options["seed"]) for name in ("mine", "retrain"))
            return SimpleNamespace(outputs={"retrain": retrained}, reports=rows)

        checked = CheckedPack((PackCheck("zip", "PASS", ""),), packed, seed=7)
        monkeypatch.setattr(judging, "check_pack", lambda *_, **__: checked)
        monkeypatch.setattr(judging, "evaluate_all", evaluate)
        return judging.judge(
            tmp_path / "pack.zip",
            small_challenge,
            num_models=None,
            rerun=None,
            fresh_oracle=False,
            root=tmp_path,
            show=lambda _: None,
            announce=lambda _: None,
        )

    return judged


def test_a_host_retrains_with_a_seed_that_only_this_home_can_tell(
    small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = judging.secret_seed(small_challenge)
    assert seed == judging.secret_seed(small_challenge)
    half = small_challenge.split.forget[: len(small_challenge.split.forget) // 2]
    rest = np.setdiff1d(np.arange(len(small_challenge.train)), half)
    other = dataclasses.replace(small_challenge.split, forget=half, retain=rest)
    assert judging.secret_seed(dataclasses.replace(small_challenge, split=other)) != seed
    assert judging.secret_seed(dataclasses.replace(small_challenge, training_seed=1)) != seed
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    assert judging.secret_seed(small_challenge) not in (seed, 0)


def test_the_secret_seed_is_used_and_published_nowhere(
    small_challenge: Challenge, judge: Judge, asked: dict[str, Any]
) -> None:
    verdict = judge(population(1), population(2))
    secret = judging.secret_seed(small_challenge)
    assert oracles.load(small_challenge) is None
    assert asked["seed"] == secret
    assert [outcome.name for outcome in verdict.checks] == ["zip", "oracle", "diversity"]
    assert {report.seed for report in verdict.reports} == {7}
    assert str(secret) not in repr(verdict)


def test_models_of_the_hosts_own_oracle_are_not_ranked(judge: Judge) -> None:
    verdict = judge(population(2), population(2))
    assert [outcome.status for outcome in verdict.checks] == ["PASS", "FAIL", "PASS"]
    assert verdict.reports == ()
