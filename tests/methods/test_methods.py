"""What retraining, fine-tuning and doing nothing are; the contract of all methods is in test_method_contract.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kit import methods
from kit.runs import originals
from kit.runs.run import unlearn
from kit.runs.worker import Worker
from kit.toolbox import examples
from kit.types import Challenge, Recipe


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


@pytest.fixture
def retain(small_challenge: Challenge) -> tf.data.Dataset:
    return examples.batches(small_challenge.train, small_challenge.split.retain, small_challenge.batch_size)


@pytest.fixture
def exploding() -> tf.data.Dataset:
    """A data set that must not be read."""

    def explode() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        raise AssertionError("this data set was read")
        yield

    signature = tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int32)
    return tf.data.Dataset.from_generator(explode, output_signature=signature)


def bits(net: keras.Model) -> list[bytes]:
    return [array.tobytes() for array in net.get_weights()]


def with_weights(challenge: Challenge, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    net = originals.build(challenge)
    keras.utils.set_random_seed(0)
    return net


def test_the_folder_is_the_registry() -> None:
    assert set(methods.names()) >= {"finetune", "original", "retrain"}
    assert list(methods.names()) == sorted(methods.names())


def test_retrain_does_not_depend_on_the_original(small_challenge: Challenge, retain: tf.data.Dataset) -> None:
    def train(net: keras.Model) -> list[bytes]:
        return bits(methods.get("retrain")(net, retain, None, None, recipe=Recipe(epochs=2)))

    nets = [with_weights(small_challenge, seed) for seed in (2, 3)]
    assert bits(nets[0]) != bits(nets[1])
    keras.utils.set_random_seed(0)
    first = train(nets[0])
    keras.utils.set_random_seed(0)
    assert train(nets[1]) == first


def test_retrain_draws_its_weights_anew(small_challenge: Challenge, retain: tf.data.Dataset) -> None:
    net = with_weights(small_challenge, 2)
    before = net.get_weights()
    methods.get("retrain")(net, retain, None, None, recipe=Recipe(epochs=0))
    kernels, old = net.get_weights()[::2], before[::2]
    assert [np.abs(new - array).max() > 0.01 for new, array in zip(kernels, old, strict=True)] == [True, True]


@pytest.mark.parametrize(("name", "settings"), [("retrain", {"recipe": Recipe(epochs=1)}), ("finetune", {"epochs": 1})])
def test_only_retain_is_read(
    name: str,
    settings: dict[str, Any],
    small_challenge: Challenge,
    retain: tf.data.Dataset,
    exploding: tf.data.Dataset,
) -> None:
    net = with_weights(small_challenge, 2)
    before = bits(net)
    assert bits(methods.get(name)(net, retain, exploding, exploding, **settings)) != before
    with pytest.raises(tf.errors.OpError, match="this data set was read"):
        methods.get(name)(net, exploding, retain, retain, **settings)


def test_original_is_the_pretrained_model(small_challenge: Challenge, worker: Worker) -> None:
    unlearn("finetune", small_challenge, seed=0, worker=worker)  # leaves other weights behind
    net = unlearn("original", small_challenge, seed=0, worker=worker).net
    assert bits(net) == [array.tobytes() for array in worker.original.weights]


def test_original_reads_nothing(small_challenge: Challenge, exploding: tf.data.Dataset) -> None:
    net = with_weights(small_challenge, 2)
    before = bits(net)
    assert methods.get("original")(net, exploding, exploding, exploding) is net
    assert bits(net) == before


@pytest.mark.parametrize(("epochs", "changes"), [(0, False), (1, True)])
def test_finetune_changes_nothing_without_an_epoch(
    epochs: int, changes: bool, small_challenge: Challenge, retain: tf.data.Dataset
) -> None:
    net = with_weights(small_challenge, 2)
    before = bits(net)
    after = bits(methods.get("finetune")(net, retain, None, None, epochs=epochs))
    assert all((new != old) == changes for new, old in zip(after, before, strict=True))


def test_finetune_is_given_its_settings(
    small_challenge: Challenge, retain: tf.data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []
    monkeypatch.setattr("kit.toolbox.training.fit", lambda net, dataset, recipe, **_: asked.append(recipe) or net)
    methods.get("finetune")(None, retain, None, None)
    methods.get("finetune")(None, retain, None, None, epochs=3, learning_rate=0.2, momentum=0.5, weight_decay=0.1)
    assert asked == [Recipe(5, 0.1, 0.9, 5e-4, "cosine"), Recipe(3, 0.2, 0.5, 0.1, "cosine")]
