"""Shipped oracles: what they say, whom they serve, and that damage is noticed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kit
from kit.runs import oracles, originals
from kit.runs.outputs import compute_outputs
from kit.runs.population import run_population
from kit.runs.run import unlearn
from kit.runs.seeds import run_seed
from kit.runs.worker import Worker
from kit.storage import files
from kit.types import NUM_WITH_LOGITS, PARTS, Challenge, FailedRun, Outputs

SHIPPED = ("digits", "noisy-digits")
MOST_BYTES = 12_000_000


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> tuple[Challenge, Outputs]:
    challenge = kit.load_challenge(request.param)
    oracle = oracles.load(challenge)
    assert oracle is not None
    return challenge, oracle


def test_an_oracle_holds_512_models_and_the_logits_of_16(shipped: tuple[Challenge, Outputs]) -> None:
    challenge, oracle = shipped
    assert oracle.method == "retrain"
    assert oracle.num_models == oracles.NUM_MODELS == 512
    for part in PARTS:
        examples = len(challenge.labels(part))
        assert oracle.confidences[part].shape == oracle.correct[part].shape == (512, examples)
        assert oracle.confidences[part].dtype == np.float32
        assert oracle.logits[part].shape == (NUM_WITH_LOGITS, examples, challenge.num_classes)
        np.testing.assert_array_equal(oracle.labels[part], challenge.labels(part))
    assert oracle.seeds.tolist() == [run_seed(0, "retrain", number) for number in range(512)]


def test_confidences_correctness_and_logits_agree(shipped: tuple[Challenge, Outputs]) -> None:
    _, oracle = shipped
    again = Outputs.of_logits(
        "retrain",
        oracle.logits,
        oracle.labels,
        seconds=oracle.seconds[:NUM_WITH_LOGITS],
        seeds=oracle.seeds[:NUM_WITH_LOGITS],
    )
    for part in PARTS:
        np.testing.assert_allclose(again.confidences[part], oracle.confidences[part][:NUM_WITH_LOGITS], rtol=1e-5)
        np.testing.assert_array_equal(again.correct[part], oracle.correct[part][:NUM_WITH_LOGITS])
        sure = np.abs(oracle.confidences[part]) > 0.01
        assert (oracle.correct[part] | (oracle.confidences[part] <= 0) | ~sure).all()  # p > 1/2 is right


def test_no_two_models_of_an_oracle_are_the_same(shipped: tuple[Challenge, Outputs]) -> None:
    _, oracle = shipped
    assert len(np.unique(oracle.confidences["test"], axis=0)) == 512


def test_an_oracle_has_not_seen_the_forget_set_and_knows_the_retain_set(shipped: tuple[Challenge, Outputs]) -> None:
    """Forget and test examples are exchangeable for a model that has seen neither."""
    _, oracle = shipped
    forget, test = (oracle.correct[part].mean(axis=1) for part in ("forget", "test"))
    assert abs(forget.mean() - test.mean()) < 0.06
    assert oracle.correct["retain"].mean() > 0.99


def test_retraining_here_makes_such_models(shipped: tuple[Challenge, Outputs]) -> None:
    """The same seed; the same bits only on the processor that made the oracle, but a model like the others anywhere."""
    challenge, oracle = shipped
    worker = Worker(challenge)
    net = unlearn("retrain", challenge, seed=int(oracle.seeds[3]), worker=worker).net
    outputs_made_here = compute_outputs(net, challenge)
    for part in PARTS:
        accuracies = oracle.correct[part].mean(axis=1)
        assert accuracies.min() - 0.03 <= outputs_made_here.correct[part].mean() <= accuracies.max() + 0.03
    distances = np.abs(oracle.confidences["test"] - outputs_made_here.confidences["test"]).mean(axis=1)
    among = np.abs(oracle.confidences["test"][:50] - oracle.confidences["test"][50:100]).mean(axis=1)
    assert np.median(distances) < 1.5 * np.median(among)


def test_oracles_are_small_and_recorded() -> None:
    entries = [originals.registry()[f"oracles/{name}"] for name in SHIPPED]
    paths = [files.data_folder() / entry["file"] for entry in entries]
    assert sum(path.stat().st_size for path in paths) <= MOST_BYTES
    for entry, path in zip(entries, paths, strict=True):
        assert (entry["sha256"], entry["bytes"]) == (files.sha256_of(path), path.stat().st_size)
        assert entry["num_models"] == 512
        assert {"tensorflow", "keras", "numpy"} <= set(entry["versions"])


@pytest.mark.parametrize("forget", ["random:0.2", "class:5", "mislabelled"])
def test_another_forget_set_has_no_oracle(forget: str) -> None:
    assert oracles.load(kit.load_challenge("noisy-digits", forget=forget)) is None


def test_another_recipe_split_seed_or_data_has_no_oracle(small_challenge: Challenge) -> None:
    challenge = kit.load_challenge("noisy-digits")
    assert oracles.load(dataclasses.replace(challenge, recipe=kit.Recipe(epochs=49))) is None
    assert oracles.load(dataclasses.replace(challenge, batch_size=32)) is None
    assert oracles.load(kit.load_challenge("noisy-digits", split_seed=1)) is None
    clean = kit.load_challenge("digits")
    disguised = dataclasses.replace(clean, name="noisy-digits")
    assert oracles.load(disguised) is None
    assert oracles.load(small_challenge) is None


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own."""
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path / "data")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_what_is_built_is_what_is_loaded(small_challenge: Challenge, own_data: Path) -> None:
    path = oracles.build(small_challenge, num_models=3, engine="serial")
    assert path == own_data / "oracles" / "small.npz"
    loaded = oracles.load(small_challenge)
    assert loaded is not None
    outputs_made_here = run_population("retrain", small_challenge, num_models=3, engine="serial")
    for kind in ("confidences", "correct", "logits", "labels"):
        for part in PARTS:
            np.testing.assert_array_equal(getattr(loaded, kind)[part], getattr(outputs_made_here, kind)[part])
    np.testing.assert_array_equal(loaded.seeds, outputs_made_here.seeds)
    entry = json.loads((own_data / "registry.json").read_text())["oracles/small"]
    assert entry["split_sha256"] == small_challenge.split.sha256
    other = kit.make_split(small_challenge.train, "class:1")
    assert oracles.load(dataclasses.replace(small_challenge, split=other)) is None


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_damaged_oracle_is_noticed(own_data: Path, damage: str) -> None:
    source = Path(kit.__file__).resolve().parent.parent / "data"
    source = source if source.is_dir() else Path(kit.__file__).resolve().parent / "data"
    (own_data / "oracles").mkdir()
    shutil.copy(source / "registry.json", own_data)
    path = own_data / "oracles" / "digits.npz"
    if damage == "flipped":
        content = bytearray((source / "oracles" / "digits.npz").read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(FailedRun, match="--fresh-oracle"):
        oracles.load(kit.load_challenge("digits"))
