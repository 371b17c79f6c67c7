"""Steps can be forged within a tolerance, and not to the bit."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kit
from kit.proofs.execution import Retraining
from kit.proofs.forging import Forger, Forgery, Step, success
from kit.toolbox.examples import Examples

RATE = 0.05


@pytest.fixture(scope="module")
def forger(challenge: kit.Challenge) -> Forger:
    x, y = (keras.ops.convert_to_tensor(array) for array in (challenge.train.x, challenge.train.y))
    return Forger(keras.models.clone_model(Retraining(challenge, challenge.train, 0, 9)._net), Examples(x, y, 16), RATE)


@pytest.fixture(scope="module")
def steps(challenge: kit.Challenge) -> list[Step]:
    weights = Retraining(challenge, challenge.train, 0, 9).train().weights
    generator = np.random.default_rng(0)
    batches = [generator.permutation(len(challenge.train))[:16] for _ in range(6)]
    return [Step(weights, batch, int(batch[3])) for batch in batches]


@pytest.mark.parametrize("how", ["drawn", "swapped"])
def test_a_batch_without_the_record_is_near_and_never_the_same(forger: Forger, steps: list[Step], how: str) -> None:
    forgeries = [forger.nearest(step, 20, how) for step in steps]  # type: ignore[arg-type]
    for step, forgery in zip(steps, forgeries, strict=True):
        assert step.record not in forgery.batch
        assert len(set(forgery.batch.tolist())) == len(step.batch)
    assert success(forgeries, 2.0) == 1.0
    assert success(forgeries, 0.0) == 0.0
    few = [forger.nearest(step, 1, how) for step in steps]  # type: ignore[arg-type]
    assert np.mean([forgery.distance for forgery in forgeries]) < np.mean([forgery.distance for forgery in few])


def test_to_swap_is_to_be_nearer_than_to_draw(forger: Forger, steps: list[Step]) -> None:
    drawn, swapped = ([forger.nearest(step, 20, how).distance for step in steps] for how in ("drawn", "swapped"))
    assert np.median(swapped) < np.median(drawn)


def test_a_copy_of_the_record_is_the_one_forgery_to_the_bit(challenge: kit.Challenge, steps: list[Step]) -> None:
    """It is no forgery then: the record has been learnt from its copy."""
    step = steps[0]
    x, y = (
        keras.ops.convert_to_tensor(array[[*step.batch, step.record]])
        for array in (challenge.train.x, challenge.train.y)
    )
    net = keras.models.clone_model(Retraining(challenge, challenge.train, 0, 9)._net)
    alone = Step(step.weights, np.arange(16), int(np.flatnonzero(step.batch == step.record)[0]))
    forgery = Forger(net, Examples(x, y, 16), RATE).nearest(alone, 1, "swapped")
    assert forgery.equal
    assert 16 in forgery.batch


def test_the_distance_is_that_of_gradients_computed_otherwise(
    forger: Forger, steps: list[Step], challenge: kit.Challenge
) -> None:
    """By plain TensorFlow on plain arrays, in which the learning rate cancels out."""
    import tensorflow as tf

    step = steps[1]
    forgery = forger.nearest(step, 5, "drawn")
    net = keras.models.clone_model(forger._net)
    net.set_weights(list(step.weights))

    def gradient(batch: np.ndarray) -> np.ndarray:
        with tf.GradientTape() as tape:
            logits = net(challenge.train.x[batch])
            losses = keras.losses.sparse_categorical_crossentropy(challenge.train.y[batch], logits, from_logits=True)
            loss = tf.reduce_mean(losses)
        return np.concatenate([np.ravel(part) for part in tape.gradient(loss, net.trainable_variables)])

    own, other = gradient(step.batch), gradient(forgery.batch)
    assert forgery.distance == pytest.approx(np.linalg.norm(own - other) / np.linalg.norm(own), rel=1e-3)


def test_success_counts_what_passes() -> None:
    forgeries = [Forgery(np.arange(1), distance, distance == 0) for distance in (0.0, 0.5, 0.5, 1.0)]
    assert [success(forgeries, tolerance) for tolerance in (0.0, 0.4, 0.5, 2.0)] == [0.25, 0.25, 0.75, 1.0]
