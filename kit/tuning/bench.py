"""Where settings are tried: one process's challenges, models and retrained populations, made when first needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from kit import challenges
from kit.rules import RETRAIN
from kit.runs import population as populations
from kit.runs import run as runner
from kit.scorers.distance import retraining_distance
from kit.storage import files
from kit.tuning.settings import RETRAINED_EACH, Search, Settings
from kit.types import Challenge, FailedRun, Outputs

# A task is the number of a setting times this, plus that of a split; behind the last setting retrained models are made.
MOST_SPLITS = 100
# What a setting is judged by. On all splits the examples that tables report on are the same; none of them is here.
PARTS = ("retain", "forget", "validation")
# Of a model that has gone to pieces: farther than any that computes.
RUINED = 1e6


class Bench:
    """Tries settings; handed to a worker process once."""

    def __init__(self, search: Search, settings: Sequence[Settings], first_split: int) -> None:
        """Loads nothing yet.

        Args:
            search: method, challenge and number of models.
            settings: to be tried, by their numbers.
            first_split: seed of split 0.
        """
        self._search, self._settings, self._first_split = search, settings, first_split
        self._challenges: dict[int, Challenge] = {}
        self._worker: runner.Worker | None = None

    def run(self, task: int) -> float:
        """Returns a setting's distance from retraining on a split; 0 for the task of making one's retrained models."""
        number, split = divmod(task, MOST_SPLITS)
        retrained = self._population(RETRAIN, split, {})
        if number == len(self._settings):
            return 0.0
        try:
            unlearned = self._population(self._search.method, split, self._settings[number])
        except FailedRun:  # the model has gone to pieces
            return RUINED
        return retraining_distance(judged(unlearned), judged(retrained))

    def _population(self, method: str, split: int, settings: Settings) -> Outputs:
        challenge = self._challenge(split)
        if settings:
            changed = dict(challenge.hyperparameters) | {method: settings}
            challenge = dataclasses.replace(challenge, hyperparameters=changed)
        # The original is that of all splits: one worker goes from one to the next, whose models are traced once.
        self._worker = self._worker or runner.Worker(challenge)
        of_retraining = method == RETRAIN
        return populations.run_population(
            method,
            challenge,
            num_models=self._search.num_models * (RETRAINED_EACH if of_retraining else 1),
            root=files.cache_folder() / "tuning" if of_retraining else None,
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


def judged(outputs: Outputs) -> Outputs:
    """Returns what models say of the examples that a search may look at."""
    confidences, correct, labels = (
        {part: by_part[part] for part in PARTS} for by_part in (outputs.confidences, outputs.correct, outputs.labels)
    )
    return dataclasses.replace(outputs, confidences=confidences, correct=correct, labels=labels, logits={})
