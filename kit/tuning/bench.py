"""Where settings are tried: one process's challenges, models and retrained populations, made when first needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from kit import challenges, files
from kit.rules import RETRAIN
from kit.runs import population as populations
from kit.runs import run as runner
from kit.scorers.forgetting import forgetting_score, guarded
from kit.tuning.settings import Search, Settings
from kit.tuning.trace import Criterion
from kit.types import Challenge, FailedRun, Outputs

# A task is the number of a setting times this, plus that of a split; behind the last setting retrained models are made.
MOST_SPLITS = 100
_PARTS = ("retain", "forget", "test")


class Bench:
    """Tries settings; handed to a worker process once."""

    def __init__(self, search: Search, criterion: Criterion, settings: Sequence[Settings], first_split: int) -> None:
        """Loads nothing yet.

        Args:
            search: method, challenge and number of models.
            criterion: what is earned.
            settings: to be tried, by their numbers.
            first_split: seed of split 0.
        """
        self._search, self._criterion, self._settings = search, criterion, settings
        self._first_split = first_split
        self._challenges: dict[int, Challenge] = {}
        self._worker: runner.Worker | None = None

    def run(self, task: int) -> float:
        """Returns what a setting earned on a split; 0 for the task of making the retrained models of one."""
        number, split = divmod(task, MOST_SPLITS)
        retrained = self._population(RETRAIN, split, {})
        if number == len(self._settings):
            return 0.0
        try:
            unlearned = self._population(self._search.method, split, self._settings[number])
        except FailedRun:  # the model has gone to pieces
            return 0.0 if self._criterion == "competition_score" else -1.0
        measure = competition_score if self._criterion == "competition_score" else accuracy_distance
        return measure(unlearned, retrained)

    def _population(self, method: str, split: int, settings: Settings) -> Outputs:
        challenge = self._challenge(split)
        if settings:
            changed = dict(challenge.hyperparameters) | {method: settings}
            challenge = dataclasses.replace(challenge, hyperparameters=changed)
        # The original is that of all splits: one worker goes from one to the next, whose models are traced once.
        self._worker = self._worker or runner.Worker(challenge)
        self._worker.challenge = challenge
        return populations.run_population(
            method,
            challenge,
            num_models=self._search.num_models,
            root=files.cache_folder() / "tuning" if method == RETRAIN else None,
            worker=self._worker,
            engine="serial",
        )

    def _challenge(self, split: int) -> Challenge:
        if split not in self._challenges:
            name, seed = self._search.challenge, self._first_split + split
            self._challenges[split] = challenges.load_challenge(name, split_seed=seed)
        return self._challenges[split]

    def close(self) -> None:
        """Lets go of the models."""
        self._worker = None


def competition_score(unlearned: Outputs, retrained: Outputs) -> float:
    """Returns the 2023 competition's score: forgetting quality times both accuracies over the retrained models'."""
    quality = forgetting_score(guarded(unlearned.confidences["forget"]), guarded(retrained.confidences["forget"]))
    for part in ("retain", "test"):
        quality *= unlearned.correct[part].mean() / retrained.correct[part].mean()
    return float(quality)


def accuracy_distance(unlearned: Outputs, retrained: Outputs) -> float:
    """Returns the mean distance of three accuracies from the retrained models', negated: 0 is best."""
    return -float(np.mean([abs(unlearned.correct[part].mean() - retrained.correct[part].mean()) for part in _PARTS]))
