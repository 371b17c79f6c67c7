"""Prediction: as many examples at once as take little memory, and the same answers however many these are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from kit import models
from kit.toolbox import inference

FLOAT = 4  # bytes


def test_what_is_predicted_at_once_is_what_the_largest_layer_leaves_room_for() -> None:
    nested = keras.Sequential([keras.Input((112, 112, 8)), layers.Conv2D(16, 3, padding="same")])
    parts = [layers.Conv2D(8, 3, strides=2, padding="same"), nested, layers.GlobalAveragePooling2D(), layers.Dense(2)]
    net = keras.Sequential([keras.Input((224, 224, 3)), *parts])
    assert inference.examples_at_once(net, (224, 224, 3)) == 2**28 // (112 * 112 * 16 * FLOAT)
    wide = keras.Sequential([keras.Input((224, 224, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    assert inference.examples_at_once(wide, (224, 224, 3)) == 2**28 // (224 * 224 * 3 * FLOAT)


def test_an_open_axis_has_the_size_of_the_examples_axis() -> None:
    net = keras.Sequential([keras.Input((None, 8)), layers.Conv1D(32, 3, padding="same"), layers.GlobalMaxPooling1D()])
    assert inference.examples_at_once(net, (100_000, 8)) == 2**28 // (100_000 * 32 * FLOAT)
    assert inference.examples_at_once(net, (2**28, 8)) == 1  # never none


@pytest.mark.parametrize("name", ["convnet", "resnet18"])
def test_small_images_are_predicted_by_the_thousand(name: str) -> None:
    """Another number would give shipped results other last bits."""
    shape = (8, 8, 1) if name == "convnet" else (32, 32, 3)
    assert inference.examples_at_once(models.build(name, shape, 10), shape) == 1024


def test_answers_are_the_same_however_many_are_predicted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = models.mlp((6,), 3)
    x = np.random.default_rng(0).random((25, 6), np.float32)
    whole = inference.predict_logits(net, x)
    monkeypatch.setattr(inference, "_BYTES_AT_ONCE", 7 * FLOAT * max(layer.output.shape[-1] for layer in net.layers))
    again = keras.models.clone_model(net)
    again.set_weights(net.get_weights())
    assert inference.examples_at_once(again, (6,)) == 7
    np.testing.assert_allclose(inference.predict_logits(again, x), whole, rtol=0, atol=1e-6)
