"""`kit run` and `kit evaluate`: every option reaches the engine, and what cannot work is told before the work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import processes
import pytest
from cli_helpers import call, one_paragraph
from retrainings import taking

import kit
from kit import engines, evaluation
from kit.challenges import loading
from kit.engines import Serial
from kit.evaluation.plan import Plan
from kit.machine import threads
from kit.runs import oracles, timing
from kit.storage import folders
from kit.submission.entry import Entry
from kit.types import ModelOptions


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What engines are started; nothing is run."""
    noted: list[tuple[str, dict[str, Any]]] = []

    def note(name: str, **options: Any) -> Serial:
        noted.append((name, options))
        return Serial()

    monkeypatch.setattr(engines, "start", note)
    return noted


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    noted: list[dict[str, Any]] = []

    def note(entries: list[Entry], challenge: kit.Challenge, plan: Plan, **settings: Any) -> None:
        noted.append(vars(plan.population) | vars(plan) | settings)
        raise kit.FailedRun("noted")

    monkeypatch.setattr(evaluation, "carry_out", note)
    return noted


@pytest.mark.parametrize("command", ["run", "evaluate"])
@pytest.mark.parametrize(
    ("options", "name", "workers", "address", "gpus"),
    [
        (["--workers", "1"], "processes", 1, None, 0.0),
        (["--workers", "3"], "processes", 3, None, 0.0),
        (["--engine", "serial"], "serial", None, None, 0.0),
        (["--engine", "ray", "--workers", "2"], "ray", 2, None, 0.0),
        (["--address", "10.0.0.1:6379"], "ray", None, "10.0.0.1:6379", 0.0),
        (["--gpus-per-worker", "0.5"], "ray", None, None, 0.5),
    ],
)
def test_options_choose_the_engine(
    started: list[tuple[str, dict[str, Any]]],
    asked_for: list[dict[str, Any]],
    command: str,
    options: list[str],
    name: str,
    workers: int | None,
    address: str | None,
    gpus: float,
) -> None:
    call(command, *options)
    assert started == [(name, {"workers": workers, "address": address, "gpus_per_worker": gpus})]
    assert isinstance(asked_for[0]["engine"], Serial)


def test_without_options_the_evaluation_chooses(
    started: list[tuple[str, dict[str, Any]]], asked_for: list[dict[str, Any]]
) -> None:
    call("evaluate", "finetune", "--num-models", "99", "--fresh-oracle", "--seed", "3")
    assert started == []
    (asked,) = asked_for
    assert (asked["engine"], asked["num_models"], asked["fresh_oracle"], asked["seed"]) == (None, 99, True, 3)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--engine", "serial", "--workers", "2"], "'serial' was asked for 2 workers"),
        (["--engine", "processes", "--address", "auto"], "the address 'auto'"),
        (["--engine", "serial", "--gpus-per-worker", "1"], "1.0 graphics cards"),
        (["--engine", "threads"], "threads"),
        (["--gpus-per-worker", "1.5"], "1.5 graphics cards"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    asked_for: list[dict[str, Any]], options: list[str], fragment: str
) -> None:
    assert fragment in one_paragraph(call("evaluate", *options))
    assert asked_for == []


@pytest.mark.parametrize(
    "arguments", [["no_such_method"], ["--challenge", "no-such"], ["--json", "."], ["--out", "file/below"]]
)
def test_what_is_wrong_is_told_before_an_engine_starts(
    started: list[tuple[str, dict[str, Any]]], folder: Path, arguments: list[str]
) -> None:
    (folder / "file").touch()
    one_paragraph(call("evaluate", "--engine", "ray", *arguments))
    assert started == []


@pytest.mark.parametrize(
    ("command", "num_models", "num_originals"),
    [
        ("run", 1, 1),
        ("evaluate", 8, 1),
        ("run --num-models 3 --originals 2", 3, 2),
        ("evaluate --num-models 3 --originals 2", 3, 2),
        ("evaluate --num-models 1", 1, 1),
    ],
)
def test_one_command_makes_one_model_and_many(
    asked_for: list[dict[str, Any]], command: str, num_models: int, num_originals: int
) -> None:
    call(*command.split(), "finetune")
    (asked,) = asked_for
    assert (asked["num_models"], asked["num_originals"]) == (num_models, num_originals)


@pytest.mark.parametrize("command", ["validate", "pack", "check-pack"])
def test_a_submission_is_for_a_problem_of_ones_own(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Any] = []

    def note(**settings: Any) -> None:
        noted.append({name: value for name, value in settings.items() if name != "announce"})
        raise kit.InputError("noted")

    monkeypatch.setattr(loading, "load", note)
    for name in ("m.keras", "w.npz", "r.toml", "here.zip"):
        (folder / name).touch()
    np.savez(folder / "data.npz", x=np.zeros((2, 1)), y=np.arange(2))
    given = {"challenge": "data.npz", "forget": "random:0.2", "split-seed": "3", "model": "m.keras"}
    given |= {"weights": "w.npz", "recipe": "r.toml", "precision": "bfloat16"}
    what = "here.zip" if command == "check-pack" else "finetune"
    error = call(command, what, *(text for name, value in given.items() for text in (f"--{name}", value))).err
    paths = {"model": "m.keras", "weights": Path("w.npz"), "options": ModelOptions(Path("r.toml"))}
    others = {"name_or_path": "data.npz", "forget": "random:0.2", "split_seed": 3, "precision": "bfloat16"}
    assert noted == [paths | others], error


@pytest.mark.parametrize("command", ["run", "evaluate"])
def test_options_of_the_problem_reach_the_challenge(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Any] = []

    def note(**settings: Any) -> None:
        noted.append({name: value for name, value in settings.items() if name != "announce"})
        raise kit.InputError("noted")

    monkeypatch.setattr(loading, "load", note)
    monkeypatch.setattr(threads, "use", noted.append)
    given = {"challenge": "data.npz", "forget": "requests.csv", "split-seed": "3", "model": "m.keras"}
    given |= {"weights": "w.npz", "recipe": "r.toml", "precision": "bfloat16", "threads": "2"}
    call(command, *(text for name, value in given.items() for text in (f"--{name}", value)))
    paths = {"model": "m.keras", "weights": Path("w.npz"), "options": ModelOptions(Path("r.toml"))}
    others = {"name_or_path": "data.npz", "forget": "requests.csv", "split_seed": 3, "precision": "bfloat16"}
    assert noted == [2, paths | others]  # the threads first: they are fixed once TensorFlow is loaded
    noted.clear()
    call(command)
    nothing = {"forget": None, "model": None, "weights": None, "options": ModelOptions()}
    assert noted == [nothing | {"name_or_path": "noisy-digits", "split_seed": 0, "precision": "float32"}]


@pytest.mark.slow
def test_a_population_ends_with_its_report_and_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes.fork_workers(monkeypatch)
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))
    result = call("evaluate", "finetune", "--num-models", "8", "--json", "result.json", "--workers", "1")
    assert result.code == 0, result.err
    (results,) = folders.below(Path("runs"))
    assert {path.name for path in results.iterdir()} == {"report.json", "split.npz", "evidence.json", "report.html"}
    assert f"Written to {results}: report.json, evidence.json, split.npz" in result.out
    assert 'id="epsilons"' in (results / "report.html").read_text(encoding="utf-8")
    reports = {report["method"]: report for report in json.loads((folder / "result.json").read_text())["reports"]}
    assert list(reports) == ["original", "finetune", "retrain"]
    oracle = oracles.load(kit.load_challenge())
    assert oracle is not None
    assert reports["finetune"]["num_retrained"] == oracle.num_models
    for name, report in reports.items():
        assert report["num_models"] == 8, name
        scores = {score: fields["value"] for score, fields in report["scores"].items()}
        missing = {score for score, value in scores.items() if value is None}
        too_small = {"mia_tpr_at_1pct_fpr", "klom_forget", "klom_retain", "klom_test"}
        assert missing == {"forgotten_class_accuracy", *too_small}, name
        low, high = report["scores"]["forgetting_score"]["interval"]
        assert low <= scores["forgetting_score"] <= high
    assert reports["original"]["scores"]["forgetting_score"]["value"] == 0
    assert reports["retrain"]["scores"]["ulira_auc"]["value"] < reports["finetune"]["scores"]["ulira_auc"]["value"]
    assert "forgetting score is" in " ".join(call("report", results, "--explain").out.split())

    # A single run afterwards leaves the results of the population alone, and its own are the latest.
    before = {path: path.read_bytes() for path in results.iterdir()}
    assert call("run", "original").code == 0
    assert {path: path.read_bytes() for path in results.iterdir()} == before
    latest = Path("runs", "noisy-digits", "latest", "report.html")
    assert 'id="epsilons"' not in latest.read_text(encoding="utf-8")


def test_an_oracle_is_made_alone_and_where_it_can_be_written(folder: Path) -> None:
    for other in ("--update-registry", "--retrained"):
        error = one_paragraph(call("pretrain", "digits", "--oracle", other))
        assert "one of --oracle, --retrained and the original" in error
