"""From a model to logits: values, batches, scaling, what is refused, and logits on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit import models
from kit.runs import originals, outputs
from kit.storage import files
from kit.toolbox import inference
from kit.types import PARTS, Challenge, FailedRun, ModelOutputs


@pytest.fixture(scope="module")
def net() -> keras.Model:
    keras.utils.set_random_seed(0)
    return models.mlp((6,), 3)


def logits_by_hand(net: keras.Model, x: np.ndarray) -> np.ndarray:
    kernel, bias, last_kernel, last_bias = (array.astype(np.float64) for array in net.get_weights())
    return np.maximum(x.reshape(len(x), -1) @ kernel + bias, 0) @ last_kernel + last_bias


def examples(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(number, 6)).astype(np.float32)


@pytest.mark.parametrize("number", [1, 2, 1023, 1024, 1025, 2049])
def test_logits_at_the_bounds_of_a_batch(net: keras.Model, number: int) -> None:
    x = examples(number)
    logits = inference.predict_logits(net, x)
    assert logits.dtype == np.float32
    assert logits.shape == (number, 3)
    np.testing.assert_allclose(logits, logits_by_hand(net, x), rtol=0, atol=1e-5)


def test_logits_are_those_of_keras_in_inference_mode() -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    net = keras.Sequential([keras.Input((6,)), *layers])
    net.layers[0].moving_mean.assign(np.arange(6.0))
    x = examples(50)
    np.testing.assert_allclose(inference.predict_logits(net, x), net.predict(x, verbose=0), rtol=0, atol=1e-5)


def test_bytes_are_scaled_to_the_unit_interval() -> None:
    keras.utils.set_random_seed(0)
    net = models.convnet((8, 8, 3), 4)
    x = np.random.default_rng(0).integers(0, 256, size=(40, 8, 8, 3), dtype=np.uint8)
    logits = inference.predict_logits(net, x)
    np.testing.assert_allclose(logits, net.predict(x / np.float32(255), verbose=0), rtol=0, atol=1e-5)
    floats = inference.predict_logits(net, x / np.float32(255))
    np.testing.assert_allclose(floats, logits, rtol=0, atol=1e-5)


def test_new_weights_give_new_logits(net: keras.Model) -> None:
    x, weights = examples(10), net.get_weights()
    inference.predict_logits(net, x)
    net.set_weights([2 * array + 1 for array in weights])
    np.testing.assert_allclose(inference.predict_logits(net, x), logits_by_hand(net, x), rtol=1e-5, atol=1e-4)
    net.set_weights(weights)


def test_each_part_has_the_logits_of_its_examples(net: keras.Model, small_challenge: Challenge) -> None:
    train, split = small_challenge.train, small_challenge.split
    expected = {
        "retain": train.x[split.retain],
        "forget": train.x[split.forget],
        "validation": small_challenge.validation.x,
        "test": small_challenge.test.x,
    }
    logits = outputs.compute_outputs(net, small_challenge).logits
    assert tuple(logits) == PARTS
    for part in PARTS:
        np.testing.assert_allclose(logits[part], logits_by_hand(net, expected[part]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused(small_challenge: Challenge, bad: float) -> None:
    net = originals.build(small_challenge)
    net.layers[-1].bias.assign([0, 0, bad])
    with pytest.raises(FailedRun) as caught:
        outputs.compute_outputs(net, small_challenge, "diverging")
    message, number = str(caught.value), len(small_challenge.split.retain)
    assert "\n" not in message
    assert f"'diverging' returned gives NaN or infinite logits for {number} of {number} retain" in message


def test_one_bad_example_is_enough(
    small_challenge: Challenge, net: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(net: keras.Model, x: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(x), 3), np.float32)
        if len(x) == len(small_challenge.validation):
            logits[4, 1] = -np.inf
        return logits

    monkeypatch.setattr("kit.toolbox.inference.predict_logits", predict)
    with pytest.raises(FailedRun, match=f"for 1 of {len(small_challenge.validation)} validation examples"):
        outputs.compute_outputs(net, small_challenge)


@pytest.mark.parametrize("with_logits", [True, False])
def test_stored_outputs_come_back_to_the_bit(tmp_path: Path, with_logits: bool) -> None:
    generator, sizes = np.random.default_rng(0), dict(zip(PARTS, (7, 1, 4, 5), strict=True))
    logits = {part: generator.normal(size=(size, 3)).astype(np.float32) for part, size in sizes.items()}
    outputs_of_model = ModelOutputs.of_logits(logits, {part: np.arange(size) % 3 for part, size in sizes.items()})
    outputs_of_model = outputs_of_model if with_logits else dataclasses.replace(outputs_of_model, logits={})
    outputs.save_outputs(tmp_path / "deep" / "outputs.npz", outputs_of_model)
    loaded = outputs.load_outputs(tmp_path / "deep" / "outputs.npz", files.sha256_of(tmp_path / "deep" / "outputs.npz"))
    for kind in ("confidences", "correct", "logits"):
        ours, theirs = getattr(outputs_of_model, kind), getattr(loaded, kind)
        assert tuple(theirs) == tuple(ours) == (() if kind == "logits" and not with_logits else PARTS)
        for part in ours:
            assert theirs[part].dtype == ours[part].dtype
            np.testing.assert_array_equal(theirs[part], ours[part])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["outputs.npz"]


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "outputs.npz", sizes=np.ones(4, int), correct=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        outputs.load_outputs(tmp_path / "outputs.npz", files.sha256_of(tmp_path / "outputs.npz"))


def test_kit_names_what_notebooks_need() -> None:
    assert kit.compute_outputs is outputs.compute_outputs


def test_logits_of_large_data_are_not_kept_and_statistics_are_the_same_in_blocks(
    small_challenge: Challenge, net: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = outputs.compute_outputs(net, small_challenge)
    number = sum(array.size for array in whole.logits.values())
    monkeypatch.setattr(outputs, "_ROWS_AT_ONCE", 7)
    for most, is_kept in ((number, True), (number - 1, False)):
        monkeypatch.setattr(outputs, "MOST_LOGITS", most)
        parts = outputs.compute_outputs(net, small_challenge)
        assert bool(parts.logits) == is_kept
        for part in PARTS:
            np.testing.assert_array_equal(parts.confidences[part], whole.confidences[part])
            np.testing.assert_array_equal(parts.correct[part], whole.correct[part])
