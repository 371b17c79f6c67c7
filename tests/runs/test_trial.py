"""How long many models would take, from a trial of a few."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from kit.engines import Engine
from kit.runs import trial
from kit.runs.trial import Trial
from kit.types import Challenge

# Of the small challenge: 151 examples of retain, two epochs, 32 a batch.
RETAIN, EPOCHS = 151, 2


@pytest.fixture
def epochs_tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Epochs that take a hundredth of a second, or with `slow` on two batches a second, each."""
    tried: list[int] = []

    def train(self: Trial, net: object, data: Any, epochs: int) -> float:
        tried.append(epochs)
        return epochs * (1.0 if self.at_once > 1 else 0.01)

    monkeypatch.setattr(Trial, "_train", train)
    return tried


def test_a_quick_epoch_is_repeated_for_two_seconds(small_challenge: Challenge, epochs_tried: list[int]) -> None:
    assert Trial(small_challenge, 1).run(0) == pytest.approx(0.01 * EPOCHS)
    assert epochs_tried == [1, 1, 1, 1, 200]


def test_of_a_slow_one_two_batches_are_enough(small_challenge: Challenge, epochs_tried: list[int]) -> None:
    assert Trial(small_challenge, 3).run(0) == pytest.approx(1.0 * EPOCHS * RETAIN / 64)
    assert epochs_tried == [1, 1, 2]


@pytest.mark.parametrize(
    ("together", "workers", "expected"),
    [(True, 512, 1), (True, 100, 6), (True, 1000, 1), (False, 2, 256), (False, 3, 171)],
)
def test_groups_of_models_follow_each_other(
    together: bool, workers: int, expected: int, small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def run(self: Trial, _number: int) -> float:
        tried.append(self.at_once)
        return 1.0

    class Fake(Engine):
        def map(self, function: Callable[..., Any], payload: Any, tasks: Sequence[int]) -> Generator[tuple[int, Any]]:
            yield from zip(tasks, function(payload, tasks), strict=True)

        def close(self) -> None:
            pass

    monkeypatch.setattr(Trial, "run", run)
    engine = Fake()
    engine.together, engine.workers = together, workers
    sealed = trial.Sealed
    monkeypatch.setattr(sealed, "of", lambda work: work)
    assert trial.seconds_of_models(small_challenge, 512, engine) == expected
    assert tried == [min(workers, 512) if together else 1]


def test_it_trains(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.01)
    assert 0 < Trial(small_challenge, 1).run(0) < 60
