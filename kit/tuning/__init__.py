"""The search of a method's hyper-parameters, with the same budget for every method, on splits that no table reports on.

The method's present settings and others, spread evenly over the `SEARCH_SPACE` in its file, are tried on one forget
set; the best quarter of them on three; the best sixteenth on ten. The forget sets are those of the split seeds from 100
on. A setting earns the kit's own criterion (`kit.scorers.distance.retraining_distance`, 0 is best), averaged over
them: 8 models of each setting on each forget set against 32 retrained ones. Nothing here reads the test set, which is
one and the same on all splits: what models say of unseen examples is measured on the validation set.

`SEARCH_SPACE` maps a keyword of `unlearning` to a kind and its ends: `("even", low, high)`; `("log", low, high)`, even
on a logarithmic scale; `("int", low, high)`, whole numbers, both ends included; `("one of", value, ...)`. Settings that
cost more passes than the budget allows, 0.2 of a retraining's, are not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

from kit import challenges, engines
from kit.engines import Engine
from kit.machine.bars import progress
from kit.machine.quiet import Sealed, run_sealed
from kit.tuning.settings import NUM_MODELS, NUM_TRIALS, Search, Settings, Trial, trials
from kit.tuning.trace import Trace
from kit.types import Challenge, InputError
from kit.types.forget import DRAWN_SPLITS

if TYPE_CHECKING:
    from tqdm import tqdm

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
# Of pairs (number of a setting, number of a split): the distances, in the order of the pairs.
Score = Callable[[Sequence[tuple[int, int]]], Sequence[float]]


@dataclass(frozen=True)
class Outcome:
    """What a search has found.

    Args:
        search: what was searched.
        trials: all that were tried, the best last.
    """

    search: Search
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The setting with the smallest mean of those that came to the last stage."""
        return self.trials[-1]

    @property
    def present(self) -> Trial | None:
        """The method's settings before the search; None where they cost too much."""
        return next((trial for trial in self.trials if trial.present), None)


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
    announce(f"{search.method} on {search.challenge}: {len(settings)} settings")
    with _bar(search, challenge) as bar:
        score = _scorer(settings, search, trace, engine=engine or engines.start("serial"), bar=bar)
        return Outcome(search, tuple(staged(settings, _stages(search, challenge), score)))


def staged(settings: Sequence[Trial], stages: Sequence[tuple[int, int]], score: Score) -> list[Trial]:
    """Tries settings on more and more splits, fewer of them each time.

    Args:
        settings: to be tried; they are left as they are.
        stages: how many settings are tried on how many splits.
        score: what pairs of a setting and a split earn, 0 the best.

    Returns:
        Trials with their scores, the best last: those that came farthest, by their means.

    Example:
        >>> tried = staged([Trial({"a": 1}), Trial({"a": 2})], [(2, 1), (1, 3)], lambda pairs: [n for n, _ in pairs])
        >>> [(trial.settings["a"], trial.scores, trial.stage) for trial in tried]
        [(2, [1], 1), (1, [0, 0, 0], 2)]
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
        remaining = sorted(remaining, key=lambda number: trials_done[number].mean)
    return sorted(trials_done, key=lambda trial: (trial.stage, -trial.mean))


def _stages(search: Search, challenge: Challenge) -> list[tuple[int, int]]:
    """Returns the search's stages; a forget set that no seed draws is one and the same on every split."""
    is_drawn = challenge.split.name.partition(":")[0] in DRAWN_SPLITS
    return [(settings, splits if is_drawn else 1) for settings, splits in search.stages()]


def _bar(search: Search, challenge: Challenge) -> tqdm:
    total, before = 0, 0
    for settings, splits in _stages(search, challenge):
        total, before = total + settings * (splits - before), splits
    return progress(total=total, label=search.method, unit="population")


def _scorer(settings: Sequence[Trial], search: Search, trace: Trace, *, engine: Engine, bar: tqdm) -> Score:
    """Returns a function that takes distances from the trace, and has the others measured by the engine."""

    def score(pairs: Sequence[tuple[int, int]]) -> list[float]:
        missing = [pair for pair in pairs if trace.score(settings[pair[0]].settings, pair[1]) is None]
        bar.update(len(pairs) - len(missing))
        if missing:
            for (number, split), earned in _tried(missing, settings, search, engine):
                trace.keep(settings[number].settings, split, earned)
                bar.update()
        return [trace.known(settings[number].settings, split) for number, split in pairs]

    return score


def _tried(
    pairs: Sequence[tuple[int, int]], settings: Sequence[Trial], search: Search, engine: Engine
) -> Iterator[tuple[tuple[int, int], float]]:
    """Yields what pairs of a setting and a split earn, as it is known."""
    from kit.tuning.bench import MOST_SPLITS, Bench  # TensorFlow: not where the trace knows all

    bench = Bench(search, [trial.settings for trial in settings], FIRST_SPLIT)
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
