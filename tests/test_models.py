"""The zoo: shapes, sizes, names."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kit import models
from kit.types import InputError

IMAGES, TABLE = (8, 8, 1), (20,)
LAYERS = {
    "mlp": ["images", "flatten", "hidden", "logits"],
    "convnet": ["images", "convolution_1", "convolution_2", "flatten", "hidden", "logits"],
}


@pytest.mark.parametrize(
    ("name", "input_shape", "num_classes", "parameters"),
    [
        ("mlp", TABLE, 3, 20 * 128 + 128 + 128 * 3 + 3),
        ("mlp", IMAGES, 10, 64 * 128 + 128 + 128 * 10 + 10),
        ("convnet", IMAGES, 10, 9 * 16 + 16 + 9 * 16 * 32 + 32 + 2 * 2 * 32 * 128 + 128 + 128 * 10 + 10),
        ("convnet", (9, 5, 3), 4, 27 * 16 + 16 + 9 * 16 * 32 + 32 + 3 * 2 * 32 * 128 + 128 + 128 * 4 + 4),
    ],
)
def test_shapes_and_number_of_parameters(
    name: str, input_shape: tuple[int, ...], num_classes: int, parameters: int
) -> None:
    net = models.build(name, input_shape, num_classes)
    assert net.name == name
    assert net.input_shape == (None, *input_shape)
    assert net.output_shape == (None, num_classes)
    assert net.count_params() == parameters
    assert net(np.zeros((2, *input_shape), np.float32)).shape == (2, num_classes)


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_layers_have_names_of_their_own_however_many_models_there_are(name: str) -> None:
    for _ in range(2):
        net = models.build(name, IMAGES, 10)
        assert [layer.name for layer in net.layers] == LAYERS[name]
        assert {variable.path.partition("/")[0] for variable in net.variables} <= set(LAYERS[name])


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_models_are_uncompiled_and_give_logits(name: str) -> None:
    net = models.build(name, IMAGES, 10)
    assert not net.compiled
    logits = np.asarray(net(np.random.default_rng(0).normal(scale=30, size=(50, *IMAGES)).astype(np.float32)))
    assert logits.min() < 0  # no softmax
    assert logits.max() > 1


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_weights_are_drawn_anew_from_the_global_seed(name: str) -> None:
    def draw(seed: int) -> list[bytes]:
        keras.utils.set_random_seed(seed)
        return [array.tobytes() for array in models.build(name, IMAGES, 10).get_weights()]

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


@pytest.mark.parametrize(
    ("name", "input_shape", "fragments"),
    [
        ("resnet", IMAGES, ["no model 'resnet'", "mlp, convnet"]),
        ("", IMAGES, ["no model ''"]),
        ("convnet", TABLE, ["'convnet'", "(20,)", "'mlp'"]),
        ("convnet", (8, 8), ["(8, 8)", "(height, width, channels)"]),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, input_shape: tuple[int, ...], fragments: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        models.build(name, input_shape, 10)
    assert "\n" not in str(caught.value)
    assert [fragment for fragment in fragments if fragment not in str(caught.value)] == []
