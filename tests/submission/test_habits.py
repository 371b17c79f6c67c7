"""Habits of public unlearning functions, ported to plain Keras: good submissions, which pass as they are.

The files in tests/good_submissions/ do what people did in 2023 and since: compile once, twice or at each epoch, write
loops of their own, teach a student, call `fit` eight times. On a small challenge tracing is most of what they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import guests
import pytest

import kit
from kit.contest import validate
from kit.contest.validate import Checked
from kit.runs.worker import Worker

HABITS = sorted((Path(__file__).parents[1] / "good_submissions").glob("*.py"))


@pytest.fixture(scope="module")
def examined() -> Iterator[Callable[[Path], list[Checked]]]:
    """Examines a file as `kit validate` does, with a retraining that is timed on this machine."""
    challenge = kit.load_challenge()
    worker = Worker(challenge)
    with pytest.MonkeyPatch.context() as patch:
        guests.fork_them(patch, rehearsed=True)
        patch.setattr(validate, "Worker", lambda _: worker)
        yield lambda path: validate.examine(path, challenge)


def test_there_are_seventeen() -> None:
    assert len(HABITS) == 17


# Keras's LearningRateScheduler hands NumPy a variable without the keyword that NumPy 2.4 asks for.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("path", HABITS, ids=lambda path: path.stem)
def test_a_habit_is_a_good_submission(examined: Callable[[Path], list[Checked]], path: Path) -> None:
    """It passes every check; that it comes near its budget on a busy machine may be a warning."""
    outcomes = {outcome.name: outcome for outcome in examined(path)}
    budget = outcomes.pop("time_budget")
    assert budget.status in ("PASS", "WARN"), budget.message
    assert [outcome for outcome in outcomes.values() if outcome.status != "PASS"] == []
