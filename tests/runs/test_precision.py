"""Training in bfloat16: weights and scores stay float32, and nothing of one precision is taken for the other's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import guests
import keras
import numpy as np
import pytest
from cli_helpers import call
from retrainings import taking

import kit
from kit import evaluation
from kit.evaluation.plan import Plan
from kit.machine import accelerators
from kit.machine.accelerators import Accelerator
from kit.runs import choice, originals, timing
from kit.runs.run import unlearn
from kit.runs.store import population_folder
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission.entry import Entry
from kit.types import Challenge, Recipe

pytestmark = [
    pytest.mark.half_precision,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3 with NumPy 2.4
]


@pytest.fixture(scope="module")
def half() -> Challenge:
    return kit.load_challenge("noisy-digits", precision="bfloat16")


@pytest.fixture(scope="module")
def whole() -> Challenge:
    return kit.load_challenge("noisy-digits")


@pytest.fixture(scope="module")
def half_worker(half: Challenge) -> Worker:
    return Worker(half)


@pytest.fixture(scope="module")
def whole_worker(whole: Challenge) -> Worker:
    return Worker(whole)


def weights_of(method: Any, worker: Worker, seed: int = 0) -> list[np.ndarray]:
    return unlearn(method, worker.challenge, seed=seed, worker=worker).net.get_weights()


def brief(challenge: Challenge) -> Challenge:
    return dataclasses.replace(challenge, recipe=Recipe(epochs=4), hyperparameters={"finetune": {"epochs": 1}})


@pytest.fixture(scope="module")
def brief_workers(half: Challenge, whole: Challenge) -> list[Worker]:
    """In bfloat16 and in float32."""
    return [Worker(brief(challenge)) for challenge in (half, whole)]


def same(first: Any, second: Any) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


# What is trained


def test_a_method_is_handed_a_model_that_computes_in_bfloat16(half_worker: Worker) -> None:
    policy = keras.config.dtype_policy().name
    seen = []

    def looks(net: keras.Model, retain: Any, forget: Any, validation: Any) -> keras.Model:
        seen.extend(layer.compute_dtype for layer in net.layers if layer.weights)
        seen.extend(str(weight.dtype) for weight in net.weights)
        return net

    weights_of(looks, half_worker)
    assert set(seen) == {"bfloat16", "float32"}
    assert seen.count("bfloat16") == 4
    assert keras.config.dtype_policy().name == policy


@pytest.mark.slow
@pytest.mark.parametrize("method", ["finetune", "retrain"])
def test_training_in_bfloat16_learns_as_much_with_other_bits(brief_workers: list[Worker], method: str) -> None:
    accuracies, differences = [], []
    for worker in brief_workers:
        weights = weights_of(method, worker)
        assert {array.dtype for array in weights} == {np.dtype(np.float32)}
        assert same(weights_of(method, worker), weights)
        differences.append(weights)
        accuracies.append(worker.outputs(weights, method).correct["retain"].mean())
    assert not same(*differences)
    assert min(accuracies) > 0.6
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.05)


# What is scored


def test_scores_are_computed_in_float32(half_worker: Worker, whole_worker: Worker) -> None:
    """In bfloat16 a logit has two digits, and most losses of a model that knows its examples by heart coincide."""
    weights = weights_of("original", half_worker)
    ours, exact = (worker.outputs(weights, "original") for worker in (half_worker, whole_worker))
    for part in ("retain", "forget", "validation", "test"):
        np.testing.assert_array_equal(ours.confidences[part], exact.confidences[part])
        np.testing.assert_array_equal(ours.logits[part], exact.logits[part])
        assert ours.logits[part].dtype == np.float32
    assert len(np.unique(ours.confidences["retain"])) > 0.99 * len(ours.confidences["retain"])


def test_the_report_tells_the_precision(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(1.0))
    for precision in ("bfloat16", "float32"):
        challenge = dataclasses.replace(small_challenge, precision=precision)
        result = evaluation.evaluate_all(["original"], challenge, num_retrained=3)
        assert {row.machine["precision"] for row in result.reports} == {precision}


# What belongs to which


def test_the_shipped_original_serves_both(half: Challenge, whole: Challenge) -> None:
    loaded = [originals.load(challenge) for challenge in (half, whole)]
    assert loaded[0].path == loaded[1].path == files.data_folder() / originals.registry()["noisy-digits"]["file"]
    assert originals.fingerprint(half) == originals.fingerprint(whole)


def test_an_original_that_the_kit_trains_belongs_to_its_precision(
    small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would depend on which of them was trained first."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    half = dataclasses.replace(small_challenge, precision="bfloat16")
    first, second = originals.load(half), originals.load(small_challenge)
    assert first.path != second.path
    assert not same(first.weights, second.weights)
    assert same(originals.load(half).weights, first.weights)
    kinds = ["", "-training", "-retrained"]
    assert len({originals.cached_path(challenge, kind) for challenge in (half, small_challenge) for kind in kinds}) == 6


def test_populations_are_kept_apart(half: Challenge, whole: Challenge, tmp_path: Path) -> None:
    original = originals.load(whole)
    folders = {
        population_folder(tmp_path, Entry(method), challenge, original)
        for challenge in (half, whole)
        for method in ("retrain", "finetune")
    }
    assert len(folders) == 4


# The command line


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Challenge]:
    noted: list[Challenge] = []

    def note(entries: list[Entry], challenge: Challenge, plan: Plan, **settings: Any) -> None:
        noted.append(challenge)
        raise kit.FailedRun("noted")

    monkeypatch.setattr(evaluation, "carry_out", note)
    return noted


def test_the_option_reaches_the_challenge(
    asked_for: list[Challenge], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call("run", "--precision", "bfloat16")
    call("evaluate", "--precision", "bfloat16")
    call("run")
    assert [challenge.precision for challenge in asked_for] == ["bfloat16", "bfloat16", "float32"]
    result = call("run", "--precision", "float8")
    assert result.code == 2
    assert "no precision 'float8'" in " ".join(result.err.split())


TELLS = """
def unlearning(net, retain, forget, validation):
    raise RuntimeError(" ".join(sorted({layer.compute_dtype for layer in net.layers if layer.weights})))
"""


@pytest.mark.slow
def test_a_contained_submission_is_handed_such_a_model_too(
    half_worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests.fork_them(monkeypatch)
    (tmp_path / "tells.py").write_text(TELLS)
    with pytest.raises(kit.FailedRun, match="RuntimeError: bfloat16"):
        unlearn(tmp_path / "tells.py", half_worker.challenge, worker=half_worker)


@pytest.mark.slow
def test_a_submission_is_checked_in_float32(half: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its model's outputs are compared with those of its weights, more closely than bfloat16 allows."""
    guests.fork_them(monkeypatch)
    (tmp_path / "mine.py").write_text(
        "from kit.toolbox import training\nfrom kit.types import Recipe\n\n"
        "def unlearning(net, retain, forget, validation):\n    return training.fit(net, retain, Recipe(epochs=1))\n"
    )
    assert [problem for problem in kit.validate(tmp_path / "mine.py", challenge=half) if problem.level == "FAIL"] == []


# Where a device has no units for it


P100, GTX, T4, L4, TPU = (
    Accelerator("Tesla P100-PCIE-16GB", "gpu", capability=6.0),
    Accelerator("GTX 1080", "gpu", capability=6.1),
    Accelerator("Tesla T4", "gpu", capability=7.5),
    Accelerator("NVIDIA L4", "gpu", capability=8.9),
    Accelerator("TPU v5 lite", "tpu"),
)


@pytest.mark.parametrize(
    ("device", "precision", "engine", "fragments"),
    [
        (None, "float32", "stacked", []),
        (None, "bfloat16", "stacked", []),
        (None, "bfloat16", "processes", []),
        (L4, "tf32", "stacked", []),
        (L4, "bfloat16", "stacked", []),
        (T4, "float32", "stacked", []),
        (T4, "bfloat16", "processes", []),
        (TPU, "bfloat16", "stacked", []),
        (None, "tf32", "stacked", ["a processor", "an NVIDIA card"]),
        (L4, "tf32", "processes", ["TensorFlow", "'stacked'"]),
        (None, "float16", "stacked", []),
        (T4, "float16", "stacked", []),
        (P100, "float16", "stacked", []),
        (None, "float16", "processes", ["TensorFlow", "'stacked'"]),
        (T4, "float16", "processes", ["TensorFlow", "'stacked'"]),
        (GTX, "float16", "stacked", ["'GTX 1080'", "Expected float32"]),
        (TPU, "float16", "stacked", ["'TPU v5 lite'", "Expected bfloat16 or float32"]),
        (T4, "tf32", "stacked", ["'Tesla T4'", "Expected float16 or float32"]),
        (T4, "bfloat16", "stacked", ["'Tesla T4'", "Expected float16 or float32"]),
        (TPU, "tf32", "stacked", ["'TPU v5 lite'", "Expected bfloat16 or float32"]),
    ],
)
def test_a_device_without_units_for_a_precision_is_told_of(
    device: Accelerator | None,
    precision: Any,
    engine: str,
    fragments: list[str],
    whole: Challenge,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accelerators, "find", lambda: device)
    challenge = dataclasses.replace(whole, precision=precision)
    if fragments:
        refused(lambda: choice.require_precision(challenge, engine), f"'{precision}'", *fragments)
    else:
        choice.require_precision(challenge, engine)


def test_tf32_is_refused_before_anything_is_made(whole: Challenge, tmp_path: Path, refused: Callable[..., str]) -> None:
    challenge = dataclasses.replace(whole, precision="tf32")
    for make in (
        lambda: unlearn("finetune", challenge),
        lambda: kit.run_population("finetune", challenge, num_models=1, root=tmp_path),
        lambda: kit.evaluate("finetune", challenge, root=tmp_path),
        lambda: kit.pack.pack("finetune", challenge, num_models=1, output=tmp_path / "pack.zip"),
    ):
        refused(make, "'tf32'", "JAX")
    assert list(tmp_path.iterdir()) == []


def test_tf32_is_in_the_name_of_what_is_stored(whole: Challenge, tmp_path: Path) -> None:
    original = originals.load(whole)
    challenges = [
        dataclasses.replace(whole, precision=precision) for precision in ("float32", "tf32", "bfloat16", "float16")
    ]
    assert len({population_folder(tmp_path, Entry("finetune"), challenge, original) for challenge in challenges}) == 4
