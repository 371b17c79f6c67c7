"""Attacks that take retrained models for models that never saw an example: their AUC, target and standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.scorers._ranks import as_shares, doubled_placements
from kit.scorers._resampling import halves, interval_of, num_groups, stderr_of_replicates, too_few_models
from kit.scorers._threads import blocks, in_threads
from kit.scorers.accuracy import variance_of_mean
from kit.types import Comparison, Outputs, Score

# Models that a thread attacks at a time.
_MODELS_AT_ONCE = 8
# Values of out-models are measured for so many examples at a time.
_EXAMPLES_AT_ONCE = 128

# Something of the examples attacked, members first, and of the population: (models, examples) each, or (examples,).
_Sides = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class OfflineAttack:
    """An attack in three pieces, so that each is computed as rarely as can be.

    Args:
        prepare: from confidences, (examples,) or (models, examples), to float64 values of the same shape.
        measure: from values of out-models, (models, examples), what is to be known of the examples, (..., examples).
        judge: scores of the examples attacked, (examples,), higher for members, from one model's values of them and of
            the population, and from what was measured of either.
    """

    prepare: Callable[[np.ndarray], np.ndarray]
    measure: Callable[[np.ndarray], np.ndarray]
    judge: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    def values(self, sides: _Sides, model: int) -> _Sides:
        """Returns one model's values of the examples and of the population, (examples,) each."""
        return self.prepare(sides[0][model]), self.prepare(sides[1][model])

    def placements(self, values: _Sides, measured: _Sides, num_members: int) -> np.ndarray:
        """Returns `doubled_placements` of the examples, by one model's values."""
        return doubled_placements(self.judge(*values, *measured), num_members)


# What was measured of these examples by the out-models of each half of the retrained ones.
_Halves = list[_Sides]


@dataclass(frozen=True)
class _Reference:
    """What an attack needs of the retrained models.

    Args:
        whole: what was measured by either half.
        reduced: the same without each group of the jackknife in turn; a half that has none of it is that of `whole`.
        target: mean AUC of the models of one half, attacked with the other half as out-models.
        targets: the same without each group of the jackknife, (groups,).
    """

    whole: _Halves
    reduced: list[_Halves]
    target: float
    targets: np.ndarray


def offline_attack_score(name: str, comparison: Comparison, attack: OfflineAttack) -> Score:
    """Returns the mean AUC of an attack that takes retrained models for out-models, like for like with its target.

    The retrained models are cut in halves. Value: mean over unlearned models and over either half as out-models.
    Target: the models of one half attacked with the other half as out-models, both ways; so the out-models are as many
    for the value as for the target, and never the attacked ones. Standard error: over models and over examples, see
    `two_way_stderr`. The gap's: over new trainings on the same split, by the jackknife of value minus target, which
    have examples and out-models in common.
    """
    numbers = comparison.unlearned.num_models, comparison.retrained.num_models
    reason = comparison.attack_impossible or too_few_models(*numbers)
    if reason:
        return Score(name, None, None, "match_retrain", reason=reason)
    sample, groups = (comparison.members, comparison.nonmembers), num_groups(*numbers)
    reference = comparison.once(_reference, attack, comparison.retrained, *sample, groups)
    num_members, models = len(comparison.members), np.arange(numbers[0])
    doubled = _doubled_placements(attack, _sides(comparison.unlearned, *sample), reference, num_members)
    attacked = np.array([len(models), *(np.count_nonzero(models % groups != group) for group in range(groups))])
    placements = as_shares(doubled, num_members, 2 * attacked[:, np.newaxis])
    stderr = two_way_stderr(placements[0], placements[1:], num_members)
    value, *without = (float(mean) for mean in placements[:, :num_members].mean(axis=1))
    gap_stderr = stderr_of_replicates(np.array(without) - reference.targets)
    score = Score(name, value, stderr, "match_retrain", reference.target)
    gap_interval = interval_of(value - reference.target, gap_stderr, groups - 1)
    return replace(score, gap_stderr=gap_stderr, gap_interval=gap_interval)


def two_way_stderr(placements: np.ndarray, replicates: np.ndarray, num_members: int) -> float:
    """Returns the standard error of an AUC over the draw of the models and over that of the examples.

    The variance over models (jackknife by groups) and the variance over examples (DeLong) both hold what differs from
    model to model *and* from example to example; so that it counts once, its own variance is taken off their sum.

    Args:
        placements: (k + l,) of k members, then l non-members, as `mean_placements` has them.
        replicates: (groups, k + l), the same without each group of models.
        num_members: k.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; Cameron, Gelbach and Miller, Robust inference with
    multiway clustering, Journal of Business & Economic Statistics 2011.
    """
    sides = slice(num_members), slice(num_members, None)
    over_examples = sum(variance_of_mean(placements[side]) for side in sides)
    over_models = stderr_of_replicates(replicates[:, sides[0]].mean(axis=1)) ** 2
    of_both = sum(
        (len(replicates) - 1) * replicates[:, side].var(axis=0).sum() / replicates[:, side].shape[1] ** 2
        for side in sides
    )
    return float(np.sqrt(max(over_models + over_examples - of_both, over_models, over_examples)))


def _sides(outputs: Outputs, members: np.ndarray, nonmembers: np.ndarray) -> _Sides:
    """Members are of the forget set, non-members of the test set; the population is the validation set."""
    chosen = outputs.confidences["forget"][:, members], outputs.confidences["test"][:, nonmembers]
    return np.concatenate(chosen, axis=1), outputs.confidences["validation"]


def _reference(
    attack: OfflineAttack, retrained: Outputs, members: np.ndarray, nonmembers: np.ndarray, groups: int
) -> _Reference:
    sides, models = _sides(retrained, members, nonmembers), np.arange(retrained.num_models)
    whole = halves(len(models))
    cuts = [whole, *(halves(len(models), models[models % groups != group]) for group in range(groups))]
    # Of an even number of groups each lies in one half, and the other is as it was.
    samples = {half.tobytes(): half for cut in cuts for half in cut}
    measured = dict(zip(samples, _measured(attack, sides, list(samples.values())), strict=True))
    of_whole, *reduced = [[measured[half.tobytes()] for half in cut] for cut in cuts]
    attacked = _Attacked(attack, sides, len(members))
    by_whole = [attacked.aucs(half, other) for half, other in zip(whole, of_whole[::-1], strict=True)]
    targets = []
    for group, cut in enumerate(reduced):
        # Those left out are in one half, as a rule: the aucs of its other models are as they were.
        of_halves = [
            aucs[half % groups != group] if other is whole_other else attacked.aucs(half[half % groups != group], other)
            for half, other, whole_other, aucs in zip(whole, cut[::-1], of_whole[::-1], by_whole, strict=True)
        ]
        targets.append(np.mean([aucs.mean() for aucs in of_halves]))
    return _Reference(of_whole, reduced, float(np.mean(by_whole)), np.array(targets))


def _measured(attack: OfflineAttack, sides: _Sides, samples: Sequence[np.ndarray]) -> list[_Sides]:
    """What each sample of models (indices) measures of the examples on either side."""
    of_sides = []
    for side in sides:

        def measure(examples: slice, side: np.ndarray = side) -> list[np.ndarray]:
            values = attack.prepare(side[:, examples])
            return [attack.measure(values[sample]) for sample in samples]

        by_block = in_threads(measure, blocks(side.shape[1], _EXAMPLES_AT_ONCE))
        of_sides.append([np.concatenate(parts, axis=-1) for parts in zip(*by_block, strict=True)])
    return list(zip(*of_sides, strict=True))


@dataclass(frozen=True)
class _Attacked:
    """Retrained models under an attack: what it sees of them, and how many of its examples are members."""

    attack: OfflineAttack
    sides: _Sides
    num_members: int

    def aucs(self, models: np.ndarray, measured: _Sides) -> np.ndarray:
        """The AUC of the attack on each of some models (indices), with other models as out-models, (models,)."""

        def of_model(number: int) -> float:
            values = self.attack.values(self.sides, number)
            doubled = self.attack.placements(values, measured, self.num_members)
            return float(doubled[: self.num_members].mean() / (2 * (len(doubled) - self.num_members)))

        return np.array(in_threads(of_model, models))


def _doubled_placements(attack: OfflineAttack, sides: _Sides, reference: _Reference, num_members: int) -> np.ndarray:
    """Sums of `doubled_placements` over models and halves: of all, then without each group, int64 (1 + groups, ...)."""
    groups = len(reference.reduced)

    def of_models(models: slice) -> np.ndarray:
        sums = np.zeros((1 + groups, sides[0].shape[1]), np.int64)
        for number in range(models.start, models.stop):
            values = attack.values(sides, number)
            by_whole = [attack.placements(values, measured, num_members) for measured in reference.whole]
            sums[0] += by_whole[0] + by_whole[1]
            for group in set(range(groups)) - {number % groups}:
                for half, measured in enumerate(reference.reduced[group]):
                    as_it_was = measured is reference.whole[half]
                    sums[1 + group] += by_whole[half] if as_it_was else attack.placements(values, measured, num_members)
        return sums

    total: np.ndarray = np.sum(in_threads(of_models, blocks(len(sides[0]), _MODELS_AT_ONCE)), axis=0)
    return total
