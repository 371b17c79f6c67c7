"""The search of a method's hyper-parameters, with the same budget for every method, on splits that no table reports on.

The method's present settings and others, drawn at random from the `SEARCH_SPACE` in its file, are tried on one forget
set; the best quarter of them on three; the best eighth on ten. The forget sets are those of the split seeds from 100
on. A setting earns the 2023 competition's score with 16 models a side, averaged over the splits. A method that draws
no random numbers makes the same model each time, and earns 0 with any settings: for it the criterion is the mean
distance of its accuracies (retain, forget, test) from the retrained models', negated.

`SEARCH_SPACE` maps a keyword of `unlearning` to a kind and its ends: `("even", low, high)`; `("log", low, high)`, even
on a logarithmic scale; `("int", low, high)`, whole numbers, both ends included; `("one of", value, ...)`. Settings that
cost more than 0.4 of a retraining's passes, which is about 0.2 of its time in plain Keras, are not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
from tqdm import tqdm

from kit import challenges, engines
from kit.engines import Engine
from kit.machine.quiet import Sealed, run_sealed
from kit.rules import DRAWN_SPLITS
from kit.tuning.settings import NUM_MODELS, NUM_TRIALS, Search, Settings, Trial, trials
from kit.tuning.trace import Criterion, Trace
from kit.types import Challenge, InputError

__all__ = [
    "FIRST_SPLIT",
    "NUM_MODELS",
    "NUM_TRIALS",
    "Outcome",
    "Search",
    "Settings",
    "Trial",
    "staged",
    "trials",
    "tune",
]

FIRST_SPLIT = 100
_CRITERIA: tuple[Criterion, ...] = ("competition_score", "accuracy_distance")

# Of pairs (number of a setting, number of a split): the scores, in the order of the pairs.
Score = Callable[[Sequence[tuple[int, int]]], Sequence[float]]


@dataclass(frozen=True)
class Outcome:
    """What a search has found.

    Args:
        search: what was searched.
        criterion: by which the settings were compared.
        trials: all that were tried, the best last.
    """

    search: Search
    criterion: Criterion
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The setting with the highest mean of those that came to the last stage."""
        return self.trials[-1]

    @property
    def present(self) -> Trial:
        """The method's settings before the search."""
        return next(trial for trial in self.trials if trial.present)


def tune(
    search: Search,
    *,
    path: Path | None = None,
    engine: Engine | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Searches better hyper-parameters for a method.

    Args:
        search: method, challenge and budget.
        path: the trace, a file of JSON to which each score is added as it is known. A search that was interrupted
            goes on from there, one with more trials as well, and the finished one is not done again. By default none.
        engine: where settings are tried, several at a time; by default one after another in this process.
        announce: is told what is being done, a line at a time.

    Returns:
        The outcome, the same for the same search on the same machine.

    Raises:
        InputError: an unknown challenge; a method without a search space, or with one that makes no sense.
    """
    if engine is not None and engine.together:
        raise InputError(
            "Settings are tried one by one, and the engine 'stacked' makes many models of one setting. Expected an "
            "engine that does not. Choose 'processes'."
        )
    challenge = challenges.load_challenge(search.challenge, split_seed=FIRST_SPLIT, announce=announce)
    settings = trials(search, challenge)
    trace = Trace(path, search, challenge)
    if trace.note:
        announce(trace.note)
    engine = engine or engines.start("serial")
    trials_done: list[Trial] = []
    for criterion in _CRITERIA:
        announce(f"{search.method} on {search.challenge}: {len(settings)} settings by {criterion.replace('_', ' ')}")
        with _bar(search, challenge) as bar:
            score = _scorer(settings, search, trace, criterion, engine=engine, bar=bar)
            trials_done = staged(settings, _stages(search, challenge), score)
        if any(any(trial.scores) for trial in trials_done):
            break
    return Outcome(search, criterion, tuple(trials_done))


def staged(settings: Sequence[Trial], stages: Sequence[tuple[int, int]], score: Score) -> list[Trial]:
    """Tries settings on more and more splits, fewer of them each time.

    Args:
        settings: to be tried; they are left as they are.
        stages: how many settings are tried on how many splits.
        score: what pairs of a setting and a split earn.

    Returns:
        Trials with their scores, the best last: those that came farthest, by their means.

    Example:
        >>> tried = staged([Trial({"a": 1}), Trial({"a": 2})], [(2, 1), (1, 3)], lambda pairs: [n for n, _ in pairs])
        >>> [(trial.settings["a"], trial.scores, trial.stage) for trial in tried]
        [(1, [0], 1), (2, [1, 1, 1], 2)]
    """
    trials_done = [replace(trial, scores=[], stage=0) for trial in settings]
    remaining = list(range(len(trials_done)))
    for stage, (num_settings, splits) in enumerate(stages, start=1):
        remaining = remaining[:num_settings]
        pairs = [(number, split) for number in remaining for split in range(len(trials_done[number].scores), splits)]
        for (number, _), earned in zip(pairs, score(pairs), strict=True):
            trials_done[number].scores.append(earned)
        for number in remaining:
            trials_done[number].stage = stage
        remaining = sorted(remaining, key=lambda number: -trials_done[number].mean)
    return sorted(trials_done, key=lambda trial: (trial.stage, trial.mean))


def _stages(search: Search, challenge: Challenge) -> list[tuple[int, int]]:
    """Returns the search's stages; a forget set that no seed draws is one and the same on every split."""
    is_drawn = challenge.split.name.partition(":")[0] in DRAWN_SPLITS
    return [(settings, splits if is_drawn else 1) for settings, splits in search.stages()]


def _bar(search: Search, challenge: Challenge) -> tqdm:
    total, before = 0, 0
    for settings, splits in _stages(search, challenge):
        total, before = total + settings * (splits - before), splits
    return tqdm(total=total, desc=search.method, unit="population", delay=2, leave=False, mininterval=0.5)


def _scorer(
    settings: Sequence[Trial], search: Search, trace: Trace, criterion: Criterion, *, engine: Engine, bar: tqdm
) -> Score:
    """Returns a function that takes scores from the trace, and has the others made by the engine."""

    def score(pairs: Sequence[tuple[int, int]]) -> list[float]:
        missing = [pair for pair in pairs if trace.score(criterion, settings[pair[0]].settings, pair[1]) is None]
        bar.update(len(pairs) - len(missing))
        if missing:
            for (number, split), earned in _tried(missing, settings, search, criterion, engine):
                trace.keep(criterion, settings[number].settings, split, earned)
                bar.update()
        return [trace.known(criterion, settings[number].settings, split) for number, split in pairs]

    return score


def _tried(
    pairs: Sequence[tuple[int, int]], settings: Sequence[Trial], search: Search, criterion: Criterion, engine: Engine
) -> Iterator[tuple[tuple[int, int], float]]:
    """Yields what pairs of a setting and a split earn, as it is known."""
    from kit.tuning.bench import MOST_SPLITS, Bench  # TensorFlow: not where the trace knows all

    bench = Bench(search, criterion, [trial.settings for trial in settings], FIRST_SPLIT)
    function: Callable[[Any, int], float] = Bench.run
    payload: Bench | Sealed = bench
    if engine.name != "serial":
        function, payload = run_sealed, Sealed(cloudpickle.dumps(bench))
    # The retrained models first: two processes that need them at once would both make them.
    retrained = [len(settings) * MOST_SPLITS + split for split in sorted({split for _, split in pairs})]
    for _ in engine.map(function, payload, retrained):
        pass
    tasks = {number * MOST_SPLITS + split: (number, split) for number, split in pairs}
    for task, earned in engine.map(function, payload, list(tasks)):
        yield tasks[task], earned
