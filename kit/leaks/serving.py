"""Requests that a method serves one after the other, each from the same original, and what was seen of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from kit import methods
from kit.leaks.updates import Answers
from kit.machine.bars import progress
from kit.runs.run import Unlearned, run_once
from kit.runs.worker import Worker
from kit.submission.entry import Entry
from kit.toolbox.inference import predict_logits
from kit.types import Arrays, Challenge, Split

Ask = Callable[[int, keras.Model], None]
# Answers of `padded` leave at multiples of so many times the longest request: a clock's noise reaches no further.
_TICK = 2.0


@dataclass(frozen=True)
class Readings:
    """The time of each request, as two clocks read it.

    Args:
        passes: over examples, float64 (requests,).
        seconds: of the processor, float64 (requests,).
    """

    passes: np.ndarray
    seconds: np.ndarray

    def clocks(self) -> dict[str, np.ndarray]:
        """Returns both by their names."""
        return {"passes": self.passes, "CPU seconds": self.seconds}

    def released(self, ticks: Sequence[float]) -> Readings:
        """Returns the times at which answers leave if they leave at multiples of a tick only: a refusal with the first.

        Args:
            ticks: of passes, and of seconds.
        """
        passes, seconds = (
            np.maximum(np.ceil(readings / tick), 1) * tick
            for readings, tick in zip((self.passes, self.seconds), ticks, strict=True)
        )
        return Readings(passes, seconds)

    @staticmethod
    def at_once(number: int) -> Readings:
        """Returns the readings of refusals, which take no time.

        Args:
            number: of requests.
        """
        return Readings(np.zeros(number), np.zeros(number))


@dataclass(frozen=True)
class Requests:
    """What is asked for, each request served from the same original.

    Args:
        rows: numbers of training examples, one a request.
        groups: numbers of training examples that one request names together.
        strangers: numbers of test examples, which were never trained on, one a request.
    """

    rows: np.ndarray
    groups: Sequence[np.ndarray] = ()
    strangers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Served:
    """The readings of `Requests`, kind by kind.

    Args:
        rows, groups, strangers: of the requests that `Requests` has under these names.
    """

    rows: Readings
    groups: Readings
    strangers: Readings

    def released(self) -> Served:
        """Returns the times at which answers leave if they leave at multiples of twice the longest of all these."""
        parts = self.rows, self.groups, self.strangers
        ticks = [_TICK * max(part.clocks()[clock].max(initial=0) for part in parts) for clock in self.rows.clocks()]
        return Served(*(part.released(ticks) for part in parts))


class Server:
    """Serves requests by one method; nothing that it does outlasts a request."""

    def __init__(self, entry: Entry, challenge: Challenge) -> None:
        """Builds the models, and trains the original if nobody has."""
        self.entry, self._challenge = entry, challenge
        self._worker = Worker.for_entry(entry, challenge)
        self._warm = False

    def places(self, rows: np.ndarray, key: bytes | None = None) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns shard and slice of training examples; None where the method knows neither.

        Args:
            rows: their numbers.
            key: of who guesses; by default the true one.
        """
        find = getattr(methods.module(self.entry.name), "places", None) if self.entry.built_in else None
        some = self._challenge.train.take(rows)
        return None if find is None else find(self._worker.original.state, some.x, some.y, key)

    def serve(self, requests: Requests, *, constant: bool = False, ask: Ask | None = None) -> Served:
        """Returns what each request took.

        All are served in one random order, so that a machine that becomes slower does so for each kind alike.

        Args:
            requests: with a stranger, the method is called as if the example had been trained on.
            constant: with the method's option of that name.
            ask: is given the number of each request of `rows`, and the model.
        """
        problems = [self._split_off(row[np.newaxis]) for row in requests.rows]
        problems += [self._split_off(rows) for rows in requests.groups]
        problems += [self._with_stranger(row) for row in requests.strangers]
        if constant:
            problems = [self._with_constant(problem) for problem in problems]
        passes, seconds = np.empty((2, len(problems)))
        if not self._warm:  # the first call traces and compiles
            self._run(problems[0], 0)
            self._warm = True
        order = np.random.default_rng(len(problems)).permutation(len(problems))
        for number in progress(order, label=self.entry.name, unit="trial"):
            unlearned = self._run(problems[number], int(number))
            passes[number], seconds[number] = unlearned.cost.passes, unlearned.cost.cpu_seconds
            if ask is not None and number < len(requests.rows):
                ask(int(number), unlearned.net)
        ends = np.cumsum([len(requests.rows), len(requests.groups)])
        return Served(*(Readings(*pair) for pair in zip(np.split(passes, ends), np.split(seconds, ends), strict=True)))

    def serve_and_ask(self, requests: Requests, strangers: np.ndarray) -> tuple[Served, Answers]:
        """Serves requests, and asks the models before and after each of `rows` for it and for a stranger.

        Args:
            requests: see `serve`.
            strangers: numbers of test examples, as many as `requests.rows`.
        """
        train, test = self._challenge.train.take(requests.rows), self._challenge.test.take(strangers)
        x, y = np.stack([train.x, test.x], axis=1), np.stack([train.y, test.y], axis=1)
        original = self._worker.net_with(self._worker.original.weights)
        statistic = self._challenge.task.statistic
        pairs = [statistic(predict_logits(original, pair), labels) for pair, labels in zip(x, y, strict=True)]
        before = np.array(pairs, np.float64)
        after = np.empty_like(before)

        def ask(number: int, net: keras.Model) -> None:
            after[number] = statistic(predict_logits(net, x[number]), y[number])

        return self.serve(requests, ask=ask), Answers(before, after)

    def _run(self, problem: Challenge, number: int) -> Unlearned:
        self._worker.challenge = problem
        return run_once(self.entry, problem, self._worker, seed=number)

    def _split_off(self, rows: np.ndarray) -> Challenge:
        everyone = np.arange(len(self._challenge.train))
        return replace(self._challenge, split=Split("request", 0, rows, np.setdiff1d(everyone, rows)))

    def _with_stranger(self, row: int) -> Challenge:
        train, stranger = self._challenge.train, self._challenge.test.take(np.array([row]))
        joined = Arrays(np.concatenate([train.x, stranger.x]), np.concatenate([train.y, stranger.y]))
        split = Split("stranger", 0, np.array([len(train)]), np.arange(len(train)))
        return replace(self._challenge, train=joined, split=split)

    def _with_constant(self, problem: Challenge) -> Challenge:
        settings = {**problem.hyperparameters.get(self.entry.name, {}), "constant": True}
        return replace(problem, hyperparameters={**problem.hyperparameters, self.entry.name: settings})
