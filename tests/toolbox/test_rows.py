"""What is too large to be a tensor is trained on as what is one, to the bit, and without its memory."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kit.models import mlp
from kit.tasks import CLASSIFICATION
from kit.toolbox import rows, training
from kit.toolbox.examples import Selection, as_needed, batches, in_memory
from kit.toolbox.losses import TaskLoss
from kit.toolbox.rows import Rows
from kit.types import Arrays, Recipe

NUMBER = 203


def arrays(**columns: np.ndarray) -> Arrays:
    generator = np.random.default_rng(0)
    return Arrays(generator.normal(size=(NUMBER, 6)), np.arange(NUMBER) % 3, **columns)


def trained(data: Arrays, checkpoint: Path | None = None) -> list[np.ndarray]:
    keras.utils.set_random_seed(0)
    net = mlp((6,), 3)
    chosen = np.random.default_rng(1).permutation(NUMBER)[:150]
    loss = TaskLoss(CLASSIFICATION)
    training.fit(net, batches(data, chosen, 16), Recipe(epochs=3), loss=loss, seed=5, checkpoint=checkpoint)
    return net.get_weights()


SLOW = [pytest.param(*case, marks=pytest.mark.slow) for case in (("never", 1), ("never", 10**9), ("auto", 960))]


@pytest.mark.parametrize(("xla", "bytes_at_once"), [("never", 960), *SLOW])
def test_training_as_needed_gives_the_bits_of_training_in_memory(
    xla: str, bytes_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_XLA", xla)
    for data in (arrays(), arrays(sample_weight=np.random.default_rng(2).random(NUMBER))):
        expected = trained(data)
        with monkeypatch.context() as patch:
            patch.setattr(rows, "MOST_IN_MEMORY", 0)
            patch.setattr(rows, "_BYTES_AT_ONCE", bytes_at_once)
            patch.setattr(Selection, "tensors", property(lambda _: pytest.fail("a tensor of all rows was made")))
            weights = trained(data)
        assert all(np.array_equal(*pair) for pair in zip(weights, expected, strict=True))


def test_a_training_is_known_by_the_same_digest_in_memory_and_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = batches(arrays(), np.arange(150)[::-1], 16)
    whole = [np.asarray(part).tobytes() for part in in_memory(dataset).arrays]
    monkeypatch.setattr(rows, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(rows, "_BYTES_AT_ONCE", 1000)
    examples = as_needed(dataset)
    assert isinstance(examples.x, Rows)
    pieces = list(examples.blocks())
    assert len(pieces) > 2
    assert b"".join(piece.tobytes() for piece in pieces) == b"".join(whole)


def test_plain_keras_is_handed_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (
        arrays(),
        Arrays(np.random.default_rng(0).integers(0, 256, (NUMBER, 3, 3, 1), np.uint8), np.arange(NUMBER)),
    ):
        expected = list(Selection(data, np.arange(0, NUMBER, 2)).tf_data(16).as_numpy_iterator())
        with monkeypatch.context() as patch:
            patch.setattr(rows, "MOST_IN_MEMORY", 0)
            read = list(Selection(data, np.arange(0, NUMBER, 2)).tf_data(16).as_numpy_iterator())
        for pair, other in zip(read, expected, strict=True):
            np.testing.assert_array_equal(pair[0], other[0])
            np.testing.assert_array_equal(pair[1], other[1])


def test_large_sets_are_not_kept_as_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Selection(arrays(), np.arange(9))
    assert small.tensors[0] is small.tensors[0]
    monkeypatch.setattr(rows, "MOST_IN_MEMORY", 0)
    large = Selection(arrays(), np.arange(9))
    assert large.tensors[0] is not large.tensors[0]
    np.testing.assert_array_equal(large.tensors[0], small.tensors[0])
