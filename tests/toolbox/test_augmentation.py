"""Random crops and mirrorings against NumPy, how often each is drawn, and that a training sees others at each step."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kit import models
from kit.toolbox import augmentation, setup, training
from kit.toolbox.augmentation import crop_and_flip
from kit.types import Recipe

MARGIN = 4
SIDE = 2 * MARGIN + 1
RECIPE = Recipe(epochs=3, learning_rate=0.05, augmentation="crop_and_flip")


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


def changed(images: np.ndarray, *seed: int) -> np.ndarray:
    return crop_and_flip(tf.constant(images), tf.constant(seed, tf.int32)).numpy()


# The result


def cut_out(image: np.ndarray, down: int, right: int, mirrored: bool) -> np.ndarray:
    """The oracle: a window of the padded image, `down` and `right` in -4 .. 4 of its middle."""
    height, width, _ = image.shape
    padded = np.pad(image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    window = padded[MARGIN + down : MARGIN + down + height, MARGIN + right : MARGIN + right + width]
    return window[:, ::-1] if mirrored else window


def all_changes() -> Iterator[tuple[int, int, bool]]:
    for down in range(-MARGIN, MARGIN + 1):
        for right in range(-MARGIN, MARGIN + 1):
            for mirrored in (False, True):
                yield down, right, mirrored


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(10, 7, 3), (7, 10, 1), (32, 32, 3)])
def test_every_image_is_a_window_of_itself_mirrored_or_not(shape: tuple[int, ...], dtype: type) -> None:
    images = np.random.default_rng(0).integers(1, 256, (40, *shape)).astype(dtype)  # no zeros but those of the margin
    actual = changed(images, 3, 1)
    assert (actual.shape, actual.dtype) == (images.shape, images.dtype)
    for before, after in zip(images, actual, strict=True):
        fitting = [change for change in all_changes() if np.array_equal(cut_out(before, *change), after)]
        assert len(fitting) == 1


def test_a_batch_of_one_and_of_unknown_size_are_changed_too() -> None:
    images = np.random.default_rng(1).integers(1, 256, (1, 8, 8, 3), dtype=np.uint8)
    compiled = tf.function(crop_and_flip, [tf.TensorSpec((None, 8, 8, 3), tf.uint8), tf.TensorSpec((2,), tf.int32)])
    np.testing.assert_array_equal(compiled(images, [5, 6]).numpy(), changed(images, 5, 6))


# What is drawn


def drawn(images: np.ndarray) -> np.ndarray:
    """Of images that were `where_it_was` once: down, right and mirrored of each, (images, 3)."""
    images, middle = images.astype(int), images.shape[1] // 2
    row, column = images[:, middle, middle, 0] - 1, images[:, middle, middle, 1] - 1
    mirrored = images[:, middle, middle + 1, 1] < images[:, middle, middle, 1]
    right = np.where(mirrored, column - (images.shape[2] - 1 - middle), column - middle)
    return np.stack([row - middle, right, mirrored], axis=1)


def where_it_was(count: int, side: int = 16) -> np.ndarray:
    """Images whose pixels tell their row and column, from 1 on; large enough that no window misses the middle."""
    rows, columns = np.mgrid[1 : side + 1, 1 : side + 1]
    return np.repeat(np.stack([rows, columns], axis=-1)[np.newaxis], count, axis=0).astype(np.uint8)


def test_what_was_drawn_can_be_read_back() -> None:
    """The reader of the tests below, on changes that are known."""
    known = list(all_changes())
    images = np.stack([cut_out(where_it_was(1)[0], *change) for change in known])
    assert [(down, right, bool(mirrored)) for down, right, mirrored in drawn(images)] == known


def test_all_windows_and_both_mirrorings_are_drawn_equally_often() -> None:
    """Also in combination: 9 x 9 x 2 of them, a hundred of each expected."""
    actual = np.concatenate([drawn(changed(where_it_was(1620), 0, step)) for step in range(10)])
    assert set(map(tuple, actual)) == set(all_changes())
    cells = np.ravel_multi_index((actual[:, 0] + MARGIN, actual[:, 1] + MARGIN, actual[:, 2]), (SIDE, SIDE, 2))
    assert stats.chisquare(np.bincount(cells, minlength=SIDE * SIDE * 2)).pvalue > 1e-3


@pytest.mark.parametrize("column", [0, 1])
def test_an_image_says_nothing_of_its_neighbour(column: int) -> None:
    shifts = np.concatenate([drawn(changed(where_it_was(1620), 1, step))[:, column] for step in range(5)]) + MARGIN
    pairs = np.bincount(SIDE * shifts[:-1] + shifts[1:], minlength=SIDE * SIDE)
    assert stats.chisquare(pairs).pvalue > 1e-3


def test_the_same_seed_draws_the_same_and_another_seed_others() -> None:
    images = where_it_was(64)
    np.testing.assert_array_equal(changed(images, 7, 8), changed(images, 7, 8))
    for other in ((7, 9), (8, 8), (8, 7)):
        assert (drawn(changed(images, 7, 8)) != drawn(changed(images, *other))).any(axis=1).mean() > 0.9


def test_the_bits_do_not_depend_on_the_type_of_the_images() -> None:
    images = np.random.default_rng(2).integers(0, 256, (30, 9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(changed(images, 1, 2), changed(images.astype(np.float32), 1, 2).astype(np.uint8))


# In a training


def batches(count: int = 48, batch_size: int = 16) -> tf.data.Dataset:
    images = where_it_was(count).astype(np.float32) / 16  # no 8-bit images: 16 / 16 is 1, but 1 / 16 is none of 255
    return tf.data.Dataset.from_tensor_slices((images, np.arange(count, dtype=np.int32) % 3)).batch(batch_size)


@functools.cache
def small_net_and_weights() -> tuple[keras.Model, list[np.ndarray]]:
    keras.utils.set_random_seed(0)
    net = models.mlp((16, 16, 2), 3)
    return net, net.get_weights()


def small_net() -> keras.Model:
    """The same object with the same weights each time: traced once for each way to change images."""
    net, weights = small_net_and_weights()
    net.set_weights(weights)
    return net


def noisy_net() -> keras.Model:
    """With all that has a state of its own: batch statistics and dropout."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 16, 2)),
            layers.Conv2D(4, 3, strides=4),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3, seed=1),
            layers.Dense(3),
        ]
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The images that the recipe's augmentation returned so far, step by step."""
    noted: list[np.ndarray] = []

    def note(images: np.ndarray) -> np.ndarray:
        noted.append(np.rint(images * 16))
        return images

    def follow(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        after = crop_and_flip(images, seed)
        return tf.ensure_shape(tf.numpy_function(note, [after], after.dtype), after.shape)

    monkeypatch.setitem(augmentation.AUGMENTATIONS, "crop_and_flip", follow)
    return noted


def test_each_epoch_and_each_step_of_a_training_sees_others(seen: list[np.ndarray]) -> None:
    training.fit(small_net(), batches(), RECIPE, seed=0)
    assert len(seen) == 3 * 3
    changes = [tuple(map(tuple, drawn(images))) for images in seen]
    assert len(set(changes)) == 9
    # Not only in another order: the same sixteen changes twice would be as unlikely as anything.
    assert len({tuple(sorted(change)) for change in changes}) == 9


def test_another_seed_of_a_training_draws_others_and_the_same_seed_the_same(seen: list[np.ndarray]) -> None:
    def changes(seed: int) -> list[list[Any]]:
        seen.clear()
        training.fit(small_net(), batches(), RECIPE, seed=seed)
        return [drawn(images).tolist() for images in seen]

    first = changes(0)
    assert changes(0) == first
    assert all(change != other for change, other in zip(changes(1), first, strict=True))


def test_the_recipe_decides_whether_images_are_changed_unless_a_change_is_passed(seen: list[np.ndarray]) -> None:
    def weights(name: str, augment: training.Augment | None = None) -> list[bytes]:
        recipe = dataclasses.replace(RECIPE, augmentation=name)
        net = training.fit(small_net(), batches(), recipe, seed=0, augment=augment)
        return [array.tobytes() for array in net.get_weights()]

    plain = weights("none")
    assert seen == []
    assert weights("crop_and_flip") != plain
    assert len(seen) == 9
    seen.clear()
    assert weights("crop_and_flip", lambda images, seed: images) == plain
    assert seen == []


def cut_into(monkeypatch: pytest.MonkeyPatch, examples: int) -> list[int]:
    """Makes a call of the compiled loop take so many examples at once; returns how many each call took."""
    sizes: list[int] = []

    def note(done: int, seconds: float) -> int:
        sizes.append(done)
        return examples

    monkeypatch.setattr(training, "_FIRST_CALL", examples)
    monkeypatch.setattr(training, "_examples_a_second", note)
    return sizes


def test_the_bits_do_not_depend_on_how_the_epochs_are_cut_into_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    net = noisy_net()
    start, states = net.get_weights(), [variable.numpy() for variable in net.non_trainable_variables]

    def trained(examples: int) -> tuple[list[bytes], list[int]]:
        sizes = cut_into(monkeypatch, examples)  # one model for all of them, which is traced once
        net.set_weights(start)
        for variable, state in zip(net.non_trainable_variables, states, strict=True):
            variable.assign(state)
        training.fit(net, batches(50, 16), RECIPE, seed=4)
        return [variable.numpy().tobytes() for variable in net.variables], sizes

    whole, sizes = trained(1_000)
    assert sizes == [150]  # three epochs of 50 examples in one call
    for examples, expected in {
        1: [16, 16, 16, 2] * 3,  # a batch a call
        40: [32, 18] * 3,
        50: [48, 2] * 3,  # whole batches only
        64: [50] * 3,
        100: [100, 50],
    }.items():
        bits, sizes = trained(examples)
        assert sizes == expected
        assert bits == whole


def test_a_call_grows_with_the_speed_of_the_machine_and_stays_interruptible() -> None:
    assert training._examples_a_second(2_000, 0.5) == 4_000
    assert training._examples_a_second(128, 4.0) == 32
    assert training._examples_a_second(2_000, 1e-6) == training._LONGEST_CALL
    assert training._FIRST_CALL <= training._LONGEST_CALL
