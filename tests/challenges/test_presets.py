"""The challenges on published data: how they are divided, what their shipped weights are tied to, and the real ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import call
from retrainings import taking

import kit
from kit import evaluation, methods, models
from kit.challenges import catalogue, hyperparameters
from kit.challenges.partition import published_partition
from kit.datasets.loading import Published
from kit.runs import originals, retrained, timing
from kit.runs.store import population_folder
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission.entry import Entry
from kit.toolbox.inference import predict_logits
from kit.types import Arrays, Challenge, Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 with NumPy 2.4

PUBLISHED = sorted(name for name, preset in catalogue.CHALLENGES.items() if preset.published)
NUM_TRAIN, NUM_TEST = 300, 200
# Recorded once, of the real data. If one of these changes, every published number of the challenge is void.
LABELS_SHA256 = {
    "cifar10": "195f33517a854af4cc4a90ad8e1d60a5fa80a53a30817f317ac80113f5f1b38c",
    "cifar10-small": "195f33517a854af4cc4a90ad8e1d60a5fa80a53a30817f317ac80113f5f1b38c",
    "fashion-mnist": "c8cfae174b942a7cd0d3583d2df7b83f108321df84da7d988ab76fc25825b1df",
    "mnist-five": "391dadb85f5b968811b77ff257422e254703a2317b969f9a4fa1749b344d8e2b",
}
SPLIT_SHA256 = {
    "cifar10": "cc1cce2ff522e6b30babc9a4d9a979388fa19b77aecd6b7362588ebe6a67698b",
    "cifar10-small": "cc1cce2ff522e6b30babc9a4d9a979388fa19b77aecd6b7362588ebe6a67698b",
    "fashion-mnist": "a79c83709d8e739f8c6c5ce24ef9e63b277f7199b35d950ff592614fc78c4ed6",
    "mnist-five": "6a533040258d68bf3f0a636b6250251dc7fd1a6bc1e25d7078f0a0deb2adaa6b",
}


def published(seed: int = 0, classes: int = 10, test: int = NUM_TEST) -> Published:
    """A stand-in for a published data set: small images, of which the model sees the class in one bright row."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(NUM_TRAIN) % classes, generator.permutation(np.arange(test) % classes)])
    images = generator.integers(0, 120, (NUM_TRAIN + test, 12, 12, 1), dtype=np.uint8)
    images[np.arange(len(labels)), labels % 12] += 120
    return Published(Arrays(images, labels), NUM_TRAIN, "Keras's cache, some path, checked", "f" * 64)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Challenge]:
    """Loads a preset whose data are a stand-in."""

    def load(name: str = "mnist-five", data: Published | None = None, **options: Any) -> Challenge:
        def loads(*, announce: Callable[[str], None] | None = None) -> Published:
            return data or published()

        preset = dataclasses.replace(catalogue.CHALLENGES[name], load=loads)
        monkeypatch.setitem(catalogue.CHALLENGES, name, preset)
        return kit.load_challenge(name, **options)

    return load


def flipped(data: Published, example: int) -> Published:
    """A copy of which one image differs in one bit."""
    images = data.arrays.x.copy()
    images[example, 3, 3, 0] ^= 1
    return dataclasses.replace(data, arrays=Arrays(images, data.arrays.y))


# Settings


@pytest.mark.parametrize("name", sorted(catalogue.CHALLENGES))
def test_the_settings_of_a_preset_are_those_of_its_model_and_its_methods(name: str) -> None:
    preset = catalogue.CHALLENGES[name]
    assert preset.model in models.MODELS
    assert set(hyperparameters.of_challenge(name)) <= set(methods.names())
    for method, settings in hyperparameters.of_challenge(name).items():
        own = getattr(methods.module(method), "pretraining", None)
        known = {**methods.get(method).__kwdefaults__, **(own.__kwdefaults__ if own else {})}
        assert set(settings) <= set(known)
        assert all(known[key] != value for key, value in settings.items())
    assert len(preset.summary) <= 90


def test_settings_of_methods_are_for_the_presets_own_model(stand_in: Callable[..., Challenge], tmp_path: Path) -> None:
    settings = hyperparameters.of_challenge("cifar10-small")
    assert settings
    assert stand_in("cifar10-small", forget="class:1", precision="bfloat16").hyperparameters == settings
    (tmp_path / "recipe.toml").write_text("epochs = 2")
    np.savez(tmp_path / "w.npz", **dict(zip("0123", models.mlp((12, 12, 1), 10).get_weights(), strict=True)))
    weights = {"model": "mlp", "weights": tmp_path / "w.npz"}
    for options in ({"recipe": tmp_path / "recipe.toml"}, {"model": "mlp"}, weights):
        assert stand_in("cifar10-small", **options).hyperparameters == {}


def test_one_challenge_forgets_a_class_and_the_others_a_tenth() -> None:
    forget = {name: preset.forget for name, preset in catalogue.CHALLENGES.items()}
    assert forget == {name: "class:5" if name == "mnist-five" else "random:0.1" for name in catalogue.CHALLENGES}


# How the published test set is divided


@pytest.mark.parametrize("test", [200, 190, 33])
def test_half_of_the_test_set_of_each_class_is_for_validation(stand_in: Callable[..., Challenge], test: int) -> None:
    data = published(test=test)
    challenge = stand_in(data=data)
    np.testing.assert_array_equal(challenge.train.x, data.arrays.x[:NUM_TRAIN])
    np.testing.assert_array_equal(challenge.train.y, data.arrays.y[:NUM_TRAIN])
    assert abs(len(challenge.validation) - len(challenge.test)) <= 1
    counts = [np.bincount(part.y, minlength=10) for part in (challenge.validation, challenge.test)]
    assert abs(counts[0] - counts[1]).max() <= 1
    images = [{image.tobytes() for image in part.x} for part in (challenge.validation, challenge.test)]
    assert not images[0] & images[1]
    assert images[0] | images[1] == {image.tobytes() for image in data.arrays.x[NUM_TRAIN:]}


def test_the_halves_are_drawn_at_random_and_always_alike(stand_in: Callable[..., Challenge]) -> None:
    challenge = stand_in()
    again = stand_in(forget="random:0.3", split_seed=5)
    other_images = stand_in(
        data=dataclasses.replace(published(), arrays=Arrays(published(1).arrays.x, published().arrays.y))
    )
    data = published()
    where = {image.tobytes(): number for number, image in enumerate(data.arrays.x[NUM_TRAIN:])}
    chosen = np.array([where[image.tobytes()] for image in challenge.validation.x])
    for part in ("validation", "test"):
        np.testing.assert_array_equal(getattr(again, part).x, getattr(challenge, part).x)
        np.testing.assert_array_equal(getattr(other_images, part).y, getattr(challenge, part).y)
    assert 0.3 < (chosen < 100).mean() < 0.7  # not the first half, nor every other one
    assert 0.3 < (chosen % 2).mean() < 0.7
    assert len(set(np.diff(chosen))) > 2
    of_class = np.argsort(data.arrays.y[NUM_TRAIN:], kind="stable").reshape(10, -1)  # nor every other one of a class
    in_turns = [np.abs(np.diff(np.isin(numbers, chosen).astype(int))).mean() for numbers in of_class]
    assert 0.3 < np.mean(in_turns) < 0.8


# What shipped weights are tied to


def test_the_fingerprint_depends_on_the_labels_and_not_on_every_image(stand_in: Callable[..., Challenge]) -> None:
    """The hosts' copies of a published data set differ in a few images, for which nobody retrains for hours."""
    data = published()
    plain = stand_in(data=data)
    for example in (0, NUM_TRAIN, len(data.arrays) - 1):
        copy = stand_in(data=flipped(data, example))
        assert originals.fingerprint(copy) == originals.fingerprint(plain)
        assert copy.data_sha256 != plain.data_sha256
        assert copy.labels_sha256 == plain.labels_sha256

    labels = data.arrays.y.copy()
    labels[[0, 1]] = labels[[1, 0]]
    swapped = stand_in(data=dataclasses.replace(data, arrays=Arrays(data.arrays.x, labels)))
    assert originals.fingerprint(swapped) != originals.fingerprint(plain)
    fewer = stand_in(data=dataclasses.replace(data, num_train=NUM_TRAIN - 1))
    assert originals.fingerprint(fewer) != originals.fingerprint(plain)
    assert originals.fingerprint(dataclasses.replace(plain, published="Another")) != originals.fingerprint(plain)


def test_the_fingerprint_of_a_users_data_depends_on_every_image() -> None:
    data = published()
    plain, other = (kit.make_challenge("mine", data_set.arrays) for data_set in (data, flipped(data, 0)))
    assert originals.fingerprint(plain) != originals.fingerprint(other)


def test_populations_of_other_images_are_others(stand_in: Callable[..., Challenge], tmp_path: Path) -> None:
    """Shipped weights serve them all, but a run that is found again has to be of these very images."""
    data = published()
    original = originals.Pretrained((), "0" * 64, Path(), "convnet")
    folders = {
        population_folder(tmp_path, Entry("retrain"), stand_in(data=data_set), original)
        for data_set in (data, data, flipped(data, 0))
    }
    assert len(folders) == 2


def test_where_the_data_were_found_is_reported(stand_in: Callable[..., Challenge]) -> None:
    challenge = stand_in()
    assert challenge.source == f"MNIST: Keras's cache, some path, checked, sha256 {'f' * 64}"
    assert challenge.published == "MNIST"
    assert kit.load_challenge("digits").source == ""


# A class that is forgotten altogether


@pytest.fixture(scope="module")
def class_five() -> kit.Evaluation:
    """Of the stand-in, with an original that knows all ten classes."""
    data = published()
    arrays, partition = data.arrays, published_partition(data)
    recipe = Recipe(epochs=30, learning_rate=0.05)
    challenge = kit.make_challenge("five", arrays, partition=partition, forget="class:5", recipe=recipe, batch_size=32)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))
        return evaluation.evaluate_all(["finetune"], challenge, num_retrained=3)


def test_the_preset_forgets_every_five(stand_in: Callable[..., Challenge]) -> None:
    challenge = stand_in()
    assert challenge.split.name == "class:5"
    assert set(challenge.labels("forget")) == {5}
    assert 5 not in challenge.labels("retain")
    assert stand_in(forget="random:0.1").split.name == "random:0.1"


@pytest.mark.slow
def test_a_forgotten_class_is_told_from_what_the_model_is_to_know(class_five: kit.Evaluation) -> None:
    scores = {report.method: report.scores for report in class_five.reports}
    outputs = class_five.outputs
    for method in ("original", "finetune"):
        correct, labels = outputs[method].correct["test"][0], outputs[method].labels["test"]
        assert scores[method]["test_accuracy"].value == pytest.approx(correct[labels != 5].mean())
        assert scores[method]["forgotten_class_accuracy"].value == pytest.approx(correct[labels == 5].mean())
    assert scores["original"]["forgotten_class_accuracy"].value > 0.8
    assert scores["retrain"]["forgotten_class_accuracy"].value == 0
    assert scores["retrain"]["forget_accuracy"].value == 0
    assert scores["finetune"]["forgotten_class_accuracy"].target == 0
    assert scores["retrain"]["test_accuracy"].value > 0.8  # with the fives it could not be above 0.9


@pytest.mark.slow
def test_a_forgotten_class_cannot_be_attacked(class_five: kit.Evaluation) -> None:
    for report in class_five.reports:
        for name in ("mia_accuracy", "mia_auc", "mia_gap", "mia_tpr_at_1pct_fpr"):
            score = report.scores[name]
            assert (score.value, score.stderr) == (None, None)
            assert score.reason.startswith("class 5 is forgotten altogether")


# The real data


@pytest.fixture(scope="module", params=PUBLISHED)
def real(request: pytest.FixtureRequest, require_data: Callable[[str], None]) -> Challenge:
    require_data(request.param)
    return kit.load_challenge(request.param)


def test_the_real_data_are_divided_as_recorded(real: Challenge) -> None:
    large = 50_000 if real.published == "CIFAR-10" else 60_000
    assert [len(part) for part in (real.train, real.validation, real.test)] == [large, 5_000, 5_000]
    counts = [np.bincount(part.y) for part in (real.validation, real.test)]
    assert abs(counts[0] - counts[1]).max() <= 1
    assert real.num_classes == 10
    assert real.train.x.dtype == np.uint8
    assert real.published in real.source
    assert (real.labels_sha256, real.split.sha256) == (LABELS_SHA256[real.name], SPLIT_SHA256[real.name])


@pytest.mark.parametrize("name", [pytest.param("cifar10-small", marks=pytest.mark.slow), "fashion-mnist", "mnist-five"])
def test_models_that_are_shipped_fit_the_real_data(name: str, require_data: Callable[[str], None]) -> None:
    """As far as a thousand images tell."""
    require_data(name)
    real, entry = kit.load_challenge(name), originals.registry()[name]
    loaded = originals.load(real)
    assert loaded.path == files.data_folder() / entry["file"]
    first = Arrays(real.test.x[:1000], real.test.y[:1000])
    worker = Worker(real, loaded)
    correct = predict_logits(worker.net_with(loaded.weights), first.x).argmax(-1) == first.y
    assert correct.mean() == pytest.approx(entry["accuracies"]["test"], abs=0.04)
    again = retrained.load(real)
    assert again is not None
    assert again.sha256 == originals.registry()[f"retrained/{real.name}"]["sha256"]
    correct = predict_logits(worker.net_with(again.weights), first.x).argmax(-1) == first.y
    accuracy = originals.registry()[f"retrained/{real.name}"]["accuracies"]["test"]
    assert correct.mean() == pytest.approx(accuracy, abs=0.04)


@pytest.mark.slow
def test_a_run_on_the_real_fives(
    require_data: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_data("mnist-five")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))  # measured in test_timing.py
    result = call("run", "--challenge", "mnist-five", "--json", "out.json")
    assert result.code == 0, result.err
    reports = {row["method"]: row for row in json.loads((tmp_path / "out.json").read_text())["reports"]}
    for report in reports.values():
        assert report["split"] == "class:5"
        assert report["data_source"].startswith("MNIST: ")
        assert report["scores"]["mia_auc"]["value"] is None
        assert report["scores"]["mia_auc"]["reason"].startswith("class 5 is forgotten altogether")
    accuracies = {name: report["scores"]["forgotten_class_accuracy"]["value"] for name, report in reports.items()}
    assert accuracies["original"] > 0.9
    assert accuracies["retrain"] == 0
    assert all(report["scores"]["test_accuracy"]["value"] > 0.95 for report in reports.values())
    assert "no attack is possible" in " ".join(
        call("report", next(Path("runs").rglob("latest")), "--explain").out.split()
    )
