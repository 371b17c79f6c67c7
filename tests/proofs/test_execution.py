"""A training that is watched is the training that it would have been, and its parts can be executed alone."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

import kit
from kit.proofs import execution
from kit.proofs.execution import Retraining
from kit.proofs.states import chained, epochs_read
from kit.runs import originals, process
from kit.runs.run import unlearn
from kit.runs.worker import Worker
from kit.toolbox import training
from kit.toolbox.examples import Examples
from kit.types import Recipe, Split

SEED = 7


@pytest.fixture(scope="module")
def challenge(small_challenge: kit.Challenge) -> kit.Challenge:
    process.prepare()
    return dataclasses.replace(small_challenge, recipe=Recipe(epochs=5, learning_rate=0.05))


def test_a_network_of_its_own_gives_the_same_bits(challenge: kit.Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Retraining(challenge, challenge.train, SEED, 2).train().digests
    monkeypatch.setattr(execution, "new_net", originals.build)
    assert Retraining(challenge, challenge.train, SEED, 2).train().digests == shared


def test_it_is_what_retrain_does_with_this_seed(challenge: kit.Challenge, builtin_worker: Worker) -> None:
    builtin_worker.challenge = challenge
    expected = unlearn("retrain", challenge, seed=SEED, worker=builtin_worker).net.get_weights()
    records = challenge.train.take(challenge.split.retain)
    for every in (1, 2, 9):
        weights = Retraining(challenge, records, SEED, every).train().weights
        assert all(np.array_equal(*pair) for pair in zip(weights, expected, strict=True))


def test_each_segment_can_be_executed_alone(challenge: kit.Challenge) -> None:
    trained = Retraining(challenge, challenge.train, SEED, 2).train()
    again = Retraining(challenge, challenge.train, SEED, 2)
    assert again.epochs == (0, 2, 4, 5)
    assert len(trained.states) == len(again) == 4
    for number in (3, 1, 2, 0):  # in any order
        before = trained.states[number - 1].tobytes() if number else b""
        assert again.execute(number, before) == trained.states[number].tobytes()
    weights = again.weights(trained.states[-1].tobytes())
    assert all(np.array_equal(*pair) for pair in zip(weights, trained.weights, strict=True))


def test_another_seed_record_or_beginning_gives_other_states(challenge: kit.Challenge) -> None:
    trained = Retraining(challenge, challenge.train, SEED, 5).train()
    for records, seed in (
        (challenge.train, SEED + 1),
        (challenge.train.take(np.arange(1, len(challenge.train))), SEED),
    ):
        other = Retraining(challenge, records, seed, 5).train()
        assert other.digests[-1] != trained.digests[-1]
    start = bytearray(trained.states[0].tobytes())
    start[0] ^= 1
    again = Retraining(challenge, challenge.train, SEED, 5)
    assert again.execute(1, bytes(start)) != trained.states[1].tobytes()


@pytest.mark.parametrize("change", [-1, 1])
def test_a_state_of_another_model_is_refused(challenge: kit.Challenge, change: int) -> None:
    retraining = Retraining(challenge, challenge.train, SEED, 5)
    state = retraining.execute(0, b"")
    with pytest.raises(ValueError, match="bytes than the model's"):
        retraining.weights(state[:change] if change < 0 else state + b"x")


@pytest.mark.parametrize("epochs", [0, 1, 7])
@pytest.mark.parametrize("every", [1, 3, 10])
def test_an_observer_is_told_after_each_multiple_and_the_last(
    challenge: kit.Challenge, monkeypatch: pytest.MonkeyPatch, epochs: int, every: int
) -> None:
    monkeypatch.setattr(training, "_FIRST_CALL", 10**6)
    ends: list[tuple[int, bool]] = []

    class Watcher:
        def __init__(self) -> None:
            self.epochs, self.every = 0, every

        def keep(self, epochs: int, *, last: bool) -> None:
            ends.append((epochs, last))

    net = Retraining(challenge, challenge.train, SEED, 1)._net
    descent = training.Descent(net, seed=0)
    x, y = (keras.ops.convert_to_tensor(array[:40]) for array in (challenge.train.x, challenge.train.y))
    descent.train(Examples(x, y, 32), [0.1] * epochs, observer=Watcher())
    expected = [*range(every, epochs, every), *([epochs] if epochs else [])]
    assert [end for end, _ in ends] == expected
    assert [last for _, last in ends] == [end == epochs for end in expected]
    assert epochs_read(epochs, every) == (0, *expected)


def test_the_chain_depends_on_each_name_digest_and_place() -> None:
    names, digests = ["0", "1", "2"], ["a", "b", "c"]
    chains = {
        chained(names, digests),
        chained(names, ["a", "c", "b"]),
        chained(["0", "2", "1"], digests),
        chained(names[:2], digests[:2]),
        chained(["0", "1", "3"], digests),
    }
    assert len(chains) == 5


def test_what_is_to_be_forgotten_is_not_what_a_training_depends_on(challenge: kit.Challenge) -> None:
    other = dataclasses.replace(challenge, split=Split("other", 1, challenge.split.retain, challenge.split.forget))
    first, second = (Retraining(part, part.train, SEED, 5).train().digests for part in (challenge, other))
    assert first == second
