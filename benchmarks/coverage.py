"""Do the intervals hold? Simulated populations, of which the truth is known: standard errors against true spreads.

    python -m benchmarks.coverage [--repetitions 1000] [--examples 40]

Models of a split share its examples, some of which are harder than others; a training moves each example on its own, or
many of them together ("correlated"). The method is as good as retraining, or leaves a trace on the forget set. Each
repetition trains anew on one of a few splits, and the truth is a split's mean over its repetitions. The competition's
scores speak of examples as drawn too, and get a split of their own in each repetition. An interval of 95 % is to cover
the truth in 93 to 97 % of the repetitions, and the mean standard error to be the true spread (ratio 1).

One model against one shows no spread from training to training: its interval is that over examples, and does not hold
where trainings move examples together. The scores that cost most are repeated a tenth as often: the competition's, and
of 128 models those of populations. Ten minutes of one core; nothing is read and nothing is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kit.scorers import accuracy, distance, forgetting, klom, rmia, ulira
from kit.scorers.membership_inference import auc_gap
from kit.types import PARTS, Comparison, Outputs, Retraining, Score

# Trained on for as many repetitions each.
NUM_SPLITS = 4
UNIT = Retraining(seconds=1.0, work=1.0, tracing=0.0, operations=0, passes=1.0)  # of time, which is not looked at
SIZES = ((1, 1), (1, 6), (6, 6), (16, 16), (16, 128), (128, 128))
# As good as retraining or not, by independent and correlated examples: share of the noise in common, mean trace.
WORLDS = ((0.0, 0.0), (0.3, 0.5))
# Models from which on the scores of populations are there, and from which on they are repeated less often.
POPULATION, COSTLY = 8, 128
RARE = 10


@dataclass(frozen=True)
class Setting:
    """What is simulated: models on either side, the share of noise that examples have in common, and the trace left."""

    unlearned: int
    retrained: int
    shared: float
    trace: float
    examples: int

    @property
    def name(self) -> str:
        """In words, for a row of the table."""
        models = f"{self.unlearned} v {self.retrained}"
        return f"{models:10s}{'correlated' if self.shared else 'independent':13s}{'trace' if self.trace else 'none':7s}"


@dataclass(frozen=True)
class Estimate:
    """A number with what the kit says of its noise."""

    value: float
    stderr: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Coverage:
    """How an estimate's noise compares with the truth.

    Args:
        spread: true standard deviation.
        ratio: mean standard error over it.
        covered: share of the intervals that hold the truth.
        repetitions: of the simulation.
    """

    spread: float
    ratio: float
    covered: float
    repetitions: int


Estimates = Callable[[Comparison], Iterator[tuple[str, Estimate]]]


def comparison(setting: Setting, split: int, repetition: int) -> Comparison:
    """Draws models on a split: margins of easy and hard examples, moved by each training."""
    examples = dict.fromkeys(PARTS, setting.examples)
    of_split, generator = np.random.default_rng([0, split]), np.random.default_rng([1, split, repetition])
    hardness = {part: of_split.normal(1, 2, size) for part, size in examples.items()}
    loading = {part: 1 + of_split.normal(size=size) / 2 for part, size in examples.items()}
    trace = setting.trace * of_split.exponential(size=setting.examples)

    def outputs(method: str, count: int, off: np.ndarray | float) -> Outputs:
        margins = {}
        for part, size in examples.items():
            together = generator.normal(size=(count, 1)) * loading[part] / np.sqrt(1.25)
            alone = generator.normal(size=(count, size))
            noise = np.sqrt(setting.shared) * together + np.sqrt(1 - setting.shared) * alone
            margins[part] = hardness[part] + noise + (off if part == "forget" else 0.0)
        correct = {part: margin > 0 for part, margin in margins.items()}
        labels = {part: np.zeros(size, np.int32) for part, size in examples.items()}
        return Outputs(method, margins, correct, labels, np.ones(count), np.arange(count))

    sample = np.arange(setting.examples)
    sides = outputs("method", setting.unlearned, trace), outputs("retrain", setting.retrained, 0.0)
    return Comparison(*sides, sample, sample, "", UNIT)


def single_estimates(given: Comparison) -> Iterator[tuple[str, Estimate]]:
    """Yields what is there for any number of models."""
    sides = given.unlearned, given.retrained
    gap = auc_gap(*((side.losses("forget"), side.losses("test")) for side in sides))
    yield "mia_gap", Estimate(gap.value, gap.stderr, gap.interval)
    yield from _of_scores(accuracy.score(given), ("forget_accuracy",))


def distance_estimates(given: Comparison) -> Iterator[tuple[str, Estimate]]:
    """Yields the distance to retraining, for any number of models against three or more."""
    yield from _of_scores(distance.score(given), ("retraining_distance",))


def population_estimates(given: Comparison) -> Iterator[tuple[str, Estimate]]:
    """Yields what takes populations, against its target where it has one."""
    yield from _of_scores(rmia.score(given), ("rmia_auc",))
    yield from _of_scores(ulira.score(given), ("ulira_accuracy", "ulira_auc"))
    yield from _of_scores(klom.score(given), ("klom_forget",))


def competition_estimates(given: Comparison) -> Iterator[tuple[str, Estimate]]:
    """Yields the 2023 competition's score, and its share of the ceiling."""
    yield from _of_scores(forgetting.score(given), ("forgetting_score", "forgetting_score_normalised"))


def _of_scores(scores: list[Score], names: tuple[str, ...]) -> Iterator[tuple[str, Estimate]]:
    for score in scores:
        if score.name not in names or score.value is None or score.stderr is None:
            continue
        if score.gap_stderr is not None and score.gap_interval is not None and score.target is not None:
            yield score.name, Estimate(score.value - score.target, score.gap_stderr, score.gap_interval)
        else:
            around = score.value - 2 * score.stderr, score.value + 2 * score.stderr
            yield score.name, Estimate(score.value, score.stderr, score.interval or around)


ANY_NUMBER: tuple[Estimates, ...] = (single_estimates, distance_estimates)


def coverage(
    setting: Setting, repetitions: int, *, any_number: Sequence[Estimates] = ANY_NUMBER
) -> dict[str, Coverage]:
    """Returns by name of a score how its noise compares with the truth; `any_number`: what is there for few models."""
    rarely = max(2 * NUM_SPLITS, repetitions // RARE) if setting.unlearned >= POPULATION else 0
    population = min(rarely, repetitions) if setting.unlearned >= COSTLY or not rarely else repetitions
    estimates: dict[str, list[tuple[int, Estimate]]] = {}
    for repetition in range(repetitions):
        split = repetition % NUM_SPLITS
        given = comparison(setting, split, repetition)
        named_estimates = [estimate for estimates in any_number for estimate in estimates(given)]
        if repetition < population:
            named_estimates += population_estimates(given)
        for name, estimate in named_estimates:
            estimates.setdefault(name, []).append((split, estimate))
        if repetition < rarely:
            drawn_anew = comparison(setting, NUM_SPLITS + repetition, repetition)
            for name, estimate in competition_estimates(drawn_anew):
                estimates.setdefault(name, []).append((0, estimate))
    return {name: of_estimates(pairs) for name, pairs in estimates.items()}


def of_estimates(pairs: list[tuple[int, Estimate]]) -> Coverage:
    """Compares estimates, each with the split that it is of, with the truth: the mean of their split."""
    splits, values = (
        np.array(part) for part in zip(*((split, estimate.value) for split, estimate in pairs), strict=True)
    )
    stderrs, lows, highs = (
        np.array(part) for part in zip(*((estimate.stderr, *estimate.interval) for _, estimate in pairs), strict=True)
    )
    truths, num_truths = np.zeros(len(values)), len(np.unique(splits))
    for split in np.unique(splits):
        truths[splits == split] = values[splits == split].mean()
    spread = float(np.sqrt(((values - truths) ** 2).sum() / (len(values) - num_truths)))
    covered = float(((lows <= truths) & (truths <= highs)).mean())
    return Coverage(spread, float(stderrs.mean()) / spread, covered, len(values))


def main() -> None:
    """Prints a row for each setting and score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=40, help="of each set, the forget set included")
    arguments = parser.parse_args()
    print(
        f"{'models':10s}{'examples':13s}{'trace':7s}{'score':29s}{'repeated':>9}{'spread':>9}{'ratio':>7}{'covered':>9}"
    )
    for unlearned, retrained in SIZES:
        for shared, trace in WORLDS:
            setting = Setting(unlearned, retrained, shared, trace, arguments.examples)
            for name, row in coverage(setting, arguments.repetitions).items():
                numbers = f"{row.repetitions:9d}{row.spread:9.4f}{row.ratio:7.2f}{row.covered:9.1%}"
                print(f"{setting.name}{name:29s}{numbers}", flush=True)


if __name__ == "__main__":
    main()
