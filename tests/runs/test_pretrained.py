"""Weights of the originals: shipped, cached, damaged, made again."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit import challenges
from kit.runs import copies, originals
from kit.runs.worker import Worker
from kit.storage import files, seals
from kit.toolbox import seeding, training
from kit.toolbox.inference import predict_logits
from kit.types import Challenge, FailedRun, Recipe

SHIPPED = [name for name in challenges.names() if name in originals.registry()]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def challenge_of(require_data: Callable[[str], None]) -> Callable[[str], Challenge]:
    """Reads the data of a challenge once for all tests of this file."""

    @functools.cache
    def load(name: str) -> Challenge:
        require_data(name)
        return kit.load_challenge(name)

    return load


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, without a registry."""
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[keras.Model]:
    """The models that were trained so far."""
    return follow_training(monkeypatch, training.fit)


@pytest.fixture
def barely_trained(monkeypatch: pytest.MonkeyPatch) -> list[keras.Model]:
    """The same, with a stand-in for training: tracing the real one takes most of a test's time."""

    def stand_in(net: keras.Model, *arguments: Any, **settings: Any) -> keras.Model:
        time.sleep(0.02)  # seconds are recorded with two digits
        generator = np.random.default_rng(seeding.draw_seed())
        net.set_weights([array + generator.normal(size=array.shape) for array in net.get_weights()])
        return net

    return follow_training(monkeypatch, stand_in)


def follow_training(monkeypatch: pytest.MonkeyPatch, fit: Callable[..., keras.Model]) -> list[keras.Model]:
    nets: list[keras.Model] = []

    def follow(net: keras.Model, *arguments: Any, **settings: Any) -> keras.Model:
        nets.append(net)
        return fit(net, *arguments, **settings)

    monkeypatch.setattr(training, "fit", follow)
    return nets


def bits(weights: Any) -> list[bytes]:
    return [array.tobytes() for array in weights]


def record_of(path: Path) -> Path:
    return path.with_suffix(".json")


def content_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record_of(path).read_text())["content"]
    return content


# Shipped weights


def test_what_needs_no_download_has_shipped_weights() -> None:
    assert {"digits", "noisy-digits"} <= set(SHIPPED), "make them with pretrained.rebuild"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_those_of_the_registry(
    name: str, trained: list[keras.Model], challenge_of: Callable[[str], Challenge]
) -> None:
    entry = originals.registry()[name]
    path = files.data_folder() / entry["file"]
    assert files.sha256_of(path) == entry["sha256"]
    assert path.stat().st_size == entry["bytes"]

    challenge = challenge_of(name)
    assert entry["fingerprint"] == originals.fingerprint(challenge)
    loaded = originals.load(challenge)
    assert loaded.path == path
    assert trained == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ("cifar10-small", "fashion-mnist") else [])
        for name in SHIPPED
    ],
)
def test_shipped_weights_have_the_accuracies_of_the_registry(
    name: str, challenge_of: Callable[[str], Challenge]
) -> None:
    challenge = challenge_of(name)
    net = originals.build(challenge)
    net.set_weights(originals.load(challenge).weights)
    recorded = originals.registry()[name]["accuracies"]
    if name == "cifar10-small":  # a residual network over all of the 50,000 takes a minute
        measured = {"test": (predict_logits(net, challenge.test.x).argmax(-1) == challenge.test.y).mean()}
    else:
        measured = originals.accuracies(net, challenge)
        assert set(measured) == set(recorded)
    for part, accuracy in measured.items():  # another processor may put an example or two on the boundary's other side
        assert accuracy == pytest.approx(recorded[part], abs=2.5 / len(getattr(challenge, part)))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_do_not_depend_on_the_forget_set(name: str, challenge_of: Callable[[str], Challenge]) -> None:
    first, second = challenge_of(name), kit.load_challenge(name, forget="class:0", split_seed=1)
    assert originals.fingerprint(first) == originals.fingerprint(second)


def test_shipped_weights_of_another_recipe_are_not_used(
    small_challenge: Challenge, shipped: Path, barely_trained: list[keras.Model]
) -> None:
    originals.rebuild(small_challenge, update_registry=True)
    assert originals.load(small_challenge).path == shipped / "pretrained" / "small.npz"
    assert len(barely_trained) == 1
    other = originals.load(replace(small_challenge, recipe=Recipe(epochs=1)))
    assert len(barely_trained) == 2
    assert shipped not in other.path.parents


@pytest.mark.parametrize("name", SHIPPED)
def test_the_registry_says_which_examples_weights_were_trained_on(
    name: str, challenge_of: Callable[[str], Challenge]
) -> None:
    entry, challenge = originals.registry()[name], challenge_of(name)
    if challenge.published:  # of which another copy may be at hand
        assert re.fullmatch("[0-9a-f]{64}", entry["data_sha256"])
    else:
        assert entry["data_sha256"] == challenge.data_sha256
        assert copies.doubt(challenge, originals.load(challenge)) == ""


@pytest.mark.parametrize("ships", [True, False], ids=["shipped", "trained here"])
def test_another_copy_of_the_images_gets_the_same_weights_and_a_doubt(
    small_challenge: Challenge, shipped: Path, barely_trained: list[keras.Model], ships: bool
) -> None:
    ours = replace(small_challenge, published="MNIST")
    originals.rebuild(ours, update_registry=ships)
    original = originals.load(ours)
    assert copies.doubt(ours, original) == ""
    features = ours.test.x.copy()
    features[0] += 1
    theirs = replace(ours, test=replace(ours.test, x=features))
    assert originals.load(theirs).sha256 == original.sha256
    doubt = copies.doubt(theirs, original)
    assert "another copy of MNIST" in doubt
    assert f"{ours.data_sha256[:16]}..., here {theirs.data_sha256[:16]}..." in doubt
    assert "Expected" in doubt
    assert "\n" not in doubt
    own = replace(theirs, original=original.weights)  # a user's weights: nobody knows of which copy
    assert copies.doubt(own, originals.load(own)) == ""


def test_damaged_shipped_weights_are_refused(
    small_challenge: Challenge, shipped: Path, barely_trained: list[keras.Model]
) -> None:
    path = originals.rebuild(small_challenge, update_registry=True).path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FailedRun, match="are damaged: the sha256 is") as caught:
        originals.load(small_challenge)
    assert "git checkout data/pretrained" in str(caught.value)
    assert "pip install --force-reinstall" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [{"training_seed": 1}, {"batch_size": 16}, {"recipe": Recipe(epochs=3)}, {"model": "convnet"}, {"test": "train"}],
)
def test_fingerprint_covers_what_the_original_depends_on(small_challenge: Challenge, changes: dict[str, Any]) -> None:
    changes = {key: small_challenge.train if value == "train" else value for key, value in changes.items()}
    assert originals.fingerprint(replace(small_challenge, **changes)) != originals.fingerprint(small_challenge)


# Cached weights


def test_the_first_load_trains_and_the_second_does_not(
    small_challenge: Challenge, home: Path, trained: list[keras.Model]
) -> None:
    first = originals.load(small_challenge)
    assert len(trained) == 1
    assert bits(first.weights) == bits(trained[0].get_weights())
    assert home in first.path.parents
    assert first.sha256 == files.sha256_of(first.path)
    assert sorted(first.path.parent.iterdir()) == sorted([first.path, record_of(first.path)])

    second = originals.load(small_challenge)
    assert len(trained) == 1
    assert bits(second.weights) == bits(first.weights)


def test_the_record_tells_how_good_the_model_is(small_challenge: Challenge, trained: list[keras.Model]) -> None:
    record = content_of(originals.load(small_challenge).path)
    for part in ("train", "validation", "test"):
        arrays = getattr(small_challenge, part)
        right = trained[0].predict(arrays.x, verbose=0).argmax(axis=1) == arrays.y
        assert record["accuracies"][part] == pytest.approx(right.mean(), abs=1e-6)
    assert record["recipe"]["epochs"] == 2
    assert record["recipe"]["batch_size"] == 32


@pytest.mark.parametrize(("changes", "number"), [({}, 1), ({"training_seed": 5}, 2), ({"batch_size": 16}, 2)])
def test_another_original_has_a_file_of_its_own(
    small_challenge: Challenge, barely_trained: list[keras.Model], changes: dict[str, Any], number: int
) -> None:
    first = originals.load(small_challenge)
    second = originals.load(replace(small_challenge, **changes))
    assert len(barely_trained) == len({first.path, second.path}) == number


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def give_it_other_arrays(path: Path) -> None:
    """Wrong weights, though with the right digest."""
    np.savez(path, **{"0": np.zeros((6, 4)), "1": np.zeros(4)})
    record = content_of(path) | {"sha256": files.sha256_of(path)}
    seals.write_json(record_of(path), f"pretrained/{path.name}", record)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip_a_byte, "are damaged: the sha256 is"),
        (lambda path: path.write_bytes(b""), "are damaged: the sha256 is"),
        (Path.unlink, "are missing"),
        (give_it_other_arrays, "do not fit the model 'mlp': 2 arrays of shapes [(6, 4), (4,)]..., expected 4"),
    ],
)
def test_a_damaged_file_is_refused_and_made_again_as_the_message_says(
    small_challenge: Challenge, barely_trained: list[keras.Model], damage: Callable[[Path], Any], says: str
) -> None:
    intact = originals.load(small_challenge)
    damage(intact.path)
    with pytest.raises(FailedRun) as caught:
        Worker(small_challenge)
    message = str(caught.value)
    assert says in message
    assert f"Delete '{record_of(intact.path)}', and the kit trains the model again." in message
    assert "\n" not in message
    assert len(barely_trained) == 1

    record_of(intact.path).unlink()
    again = originals.load(small_challenge)
    assert len(barely_trained) == 2
    assert bits(again.weights) == bits(intact.weights)
    assert again.sha256 == intact.sha256


def test_nothing_is_unpickled(small_challenge: Challenge, barely_trained: list[keras.Model]) -> None:
    path = originals.load(small_challenge).path
    np.savez(path, **{"0": np.array([print], dtype=object)})
    seals.write_json(record_of(path), f"pretrained/{path.name}", {"sha256": files.sha256_of(path)})
    with pytest.raises(FailedRun, match="allow_pickle=False"):
        originals.load(small_challenge)


# Rebuilding


def change_registry(shipped: Path, **changes: Any) -> None:
    path = shipped / "registry.json"
    content = seals.without_digest(json.loads(path.read_text()))
    content["small"] |= changes
    path.write_text(json.dumps(seals.with_digest(content)))


@pytest.mark.parametrize(
    ("changes", "matches", "verdict"),
    [
        ({}, True, "bit for bit"),
        ({"fingerprint": "0" * 64}, True, "nothing is recorded"),
        ({"sha256": "0" * 64}, True, "within the tolerance"),
        ({"sha256": "0" * 64, "accuracies": {"train": 0.5, "validation": 2, "test": 0}}, False, "DOES NOT MATCH"),
    ],
)
def test_rebuild_compares_with_the_record(
    small_challenge: Challenge,
    shipped: Path,
    changes: dict[str, Any],
    matches: bool,
    verdict: str,
    barely_trained: list[keras.Model],
) -> None:
    recorded = originals.rebuild(small_challenge, update_registry=True)
    assert recorded.matches
    assert recorded.path == shipped / "pretrained" / "small.npz"
    change_registry(shipped, **changes)
    rebuilt = originals.rebuild(small_challenge)
    assert rebuilt.matches == matches
    assert verdict in rebuilt.verdict
    assert rebuilt.path != recorded.path
    assert rebuilt.path.read_bytes() == recorded.path.read_bytes()
    assert rebuilt.accuracies == recorded.accuracies
    assert rebuilt.seconds > 0


def test_rebuild_names_only_the_accuracies_that_are_away(
    small_challenge: Challenge, shipped: Path, barely_trained: list[keras.Model]
) -> None:
    measured = originals.rebuild(small_challenge, update_registry=True).accuracies
    accuracies = measured | {"train": measured["train"] - 0.009, "validation": measured["validation"] - 0.06}
    change_registry(shipped, sha256="0" * 64, accuracies=accuracies)
    verdict = originals.rebuild(small_challenge).verdict
    assert verdict.endswith(f": validation {measured['validation']:.3f} against {accuracies['validation']:.3f}")


def test_rebuild_without_a_record_says_so_and_is_loaded_next(
    small_challenge: Challenge, shipped: Path, barely_trained: list[keras.Model]
) -> None:
    rebuilt = originals.rebuild(small_challenge)
    assert (rebuilt.matches, len(barely_trained)) == (True, 1)
    assert "nothing is recorded" in rebuilt.verdict
    assert originals.load(small_challenge).path == rebuilt.path
    assert len(barely_trained) == 1
    assert not shipped.exists()


def test_the_registry_keeps_its_other_entries(
    small_challenge: Challenge, shipped: Path, barely_trained: list[keras.Model]
) -> None:
    for name in ("small", "another"):
        originals.rebuild(replace(small_challenge, name=name), update_registry=True)
    assert list(originals.registry()) == ["another", "small"]
    assert [entry["file"] for entry in originals.registry().values()] == [
        "pretrained/another.npz",
        "pretrained/small.npz",
    ]
