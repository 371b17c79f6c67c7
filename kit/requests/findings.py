"""What the numbers say of one request: arrays in, numbers and sentences out.

The models of a comparison are few and the records may be a single one, so everything is held against the spread of
retrained models, by Student's t: would one more retrained model lie where the unlearned one does? That needs no test
examples that resemble the records, which attacks need and one customer does not have. Where several numbers are looked
at together, their intervals are widened (Bonferroni), so that one false alarm among all of them is as rare as for one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kit.scorers._gap import gap_of_means
from kit.scorers.lira import lira_scores

if TYPE_CHECKING:
    from kit.requests.output_harm import OutputHarm

# Statistics beyond it are certainties: a softmax that rounds to 1 is not to outweigh all other records.
_CLIP = 20.0
_ALPHA = 0.05
# Spread of the statistic that is not gone below: far under that of trained models.
_LEAST = 1e-3

# Of the test examples: name -> booleans (m,).
Groups = Mapping[str, np.ndarray]
Verdict = Literal["forgotten", "remembered", "over-forgotten", "cannot tell", "doubtful reference"]


@dataclass(frozen=True)
class Difference:
    """By how much a model's number differs from that of models that were trained otherwise.

    Args:
        value: the model's minus their mean.
        low, high: 95 % for the difference; a single model is taken to vary from training to training as they do.
    """

    value: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether the model may be one of them: 0 is between the ends."""
        return self.low <= 0 <= self.high


def difference(number: float, models: np.ndarray, *, least: float, comparisons: int = 1) -> Difference:
    """Holds a model's number against those of other models.

    Args:
        number: of the model.
        models: of the others, (n,), n >= 2.
        least: spread between models that is not gone below, where few of them happen to agree.
        comparisons: numbers that are looked at together; the intervals of all cover with 95 %.

    Returns:
        The mean of the others, and how far the number is from it, with its standard error.

    Example:
        >>> difference(0.5, np.array([0.4, 0.5, 0.6]), least=0.01).inside
        True
    """
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    spread = max(float(np.std(models, ddof=1)), least)
    half = float(stdtrit(len(models) - 1, 1 - _ALPHA / (2 * comparisons))) * spread * math.sqrt(1 + 1 / len(models))
    value = number - float(np.mean(models))
    return Difference(value, value - half, value + half)


@dataclass(frozen=True)
class Observations:
    """What is looked at in one model or many: of the records, and of the examples that nobody trained on.

    Args:
        statistic: of the records, what attacks look at (`kit.types.Task.statistic`), (models, k).
        correct: of the test examples, booleans (models, m).
    """

    statistic: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True)
class Knowledge:
    """How well models know the records: means over them of the clipped statistic, held against retrained models.

    Args:
        before, after: of the original and of the unlearned model.
        learnt: of the mean of models that were trained by the recipe with the records: what there is to be forgotten.
    """

    before: Difference
    after: Difference
    learnt: Difference


@dataclass(frozen=True)
class Harm:
    """What a group of test examples lost or won.

    Args:
        name: of the group: all of them, or a class.
        examples: how many.
        before, after: share that the original and the unlearned model get right.
        retrained: the same of the retrained models, their mean.
        against_retrained: after minus retrained; the intervals of all groups hold together.
    """

    name: str
    examples: int
    before: float
    after: float
    retrained: float
    against_retrained: Difference

    @property
    def harmed(self) -> bool:
        """Whether the unlearned model is worse here than a retrained one would be, luck aside."""
        return self.against_retrained.high < 0


@dataclass(frozen=True)
class Findings:
    """All that is known of a request's outcome.

    Args:
        knowledge: of the records.
        reproduction: name of a group -> the original's accuracy minus that of models trained by the recipe on the same
            examples: whether the reference is trained as the original was.
        harm: by group.
        people: a row for each record, see `people`.
        outputs: harm to each output of a model with several (`kit.requests.output_harm`).
    """

    knowledge: Knowledge
    reproduction: dict[str, Difference]
    harm: tuple[Harm, ...]
    people: tuple[dict[str, float], ...]
    outputs: tuple[OutputHarm, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether the recipe gives models like the original."""
        return all(part.inside for part in self.reproduction.values())

    @property
    def verdict(self) -> Verdict:
        """What the comparison of the records with retrained models says."""
        if not self.reproduced:
            return "doubtful reference"
        after = self.knowledge.after
        if not after.inside:
            return "remembered" if after.value > 0 else "over-forgotten"
        return "forgotten" if not self.knowledge.before.inside else "cannot tell"


def findings(
    original: Observations, unlearned: Observations, *, retrained: Observations, learnt: Observations, groups: Groups
) -> Findings:
    """Returns what the numbers say.

    Args:
        original, unlearned: one model each.
        retrained, learnt: two or more: trained by the recipe without the records, and with them.
        groups: of the test examples.

    Raises:
        ValueError: fewer than two models on either side.
    """
    if min(len(retrained.statistic), len(learnt.statistic)) < 2:
        raise ValueError("Findings need two retrained models and two that learnt the records. Expected more models.")
    harm = []
    for name, members in groups.items():
        before, after, target = (side.correct[:, members].mean(axis=1) for side in (original, unlearned, retrained))
        against = difference(float(after[0]), target, least=1 / members.sum(), comparisons=len(groups))
        harm.append(Harm(name, int(members.sum()), float(before[0]), float(after[0]), float(target.mean()), against))
    return Findings(
        knowledge=_knowledge(original, unlearned, retrained, learnt),
        reproduction=reproduction(original, learnt, groups),
        harm=tuple(harm),
        people=tuple(people(original, unlearned, retrained)),
    )


def reproduction(original: Observations, learnt: Observations, groups: Groups) -> dict[str, Difference]:
    """Returns how far the original is from models that were trained by the recipe on the same examples.

    Args:
        original: one model.
        learnt: two or more.
        groups: of the test examples.

    Returns:
        By name, the difference in accuracy of each group, and in how well the records are known; all hold together.
    """
    parts = {}
    for name, members in groups.items():
        ours, theirs = (side.correct[:, members].mean(axis=1) for side in (original, learnt))
        parts[name] = difference(float(ours[0]), theirs, least=1 / members.sum(), comparisons=len(groups) + 1)
    known, alike = (_known(side) for side in (original, learnt))
    parts["confidence in the records"] = difference(float(known[0]), alike, least=_LEAST, comparisons=len(groups) + 1)
    return parts


def _knowledge(
    original: Observations, unlearned: Observations, retrained: Observations, learnt: Observations
) -> Knowledge:
    before, after, target, alike = (_known(side) for side in (original, unlearned, retrained, learnt))
    of_means = gap_of_means(alike, target, 0.0, least=_LEAST)
    return Knowledge(
        before=difference(float(before[0]), target, least=_LEAST),
        after=difference(float(after[0]), target, least=_LEAST),
        learnt=Difference(of_means.value, *of_means.interval),
    )


def _known(side: Observations) -> np.ndarray:
    """Returns how well each model knows the records, (models,)."""
    known: np.ndarray = np.clip(side.statistic.astype(np.float64), -_CLIP, _CLIP).mean(axis=1)
    return known


def people(original: Observations, unlearned: Observations, retrained: Observations) -> list[dict[str, float]]:
    """Returns for each record its loss and how far it stands out: before, after, and in retrained models.

    Args:
        original: of the one model before.
        unlearned: of the one model after.
        retrained: of n >= 2 models, all of the same records in the same order.

    Returns:
        A dictionary for each record. `loss_*`, in nats: before, after, and the mean, least and largest of retrained
        models. `attack_*`: by how many standard deviations the record is known better than retrained models know it
        (LiRA, offline): before, after, and the largest that a retrained model has against the others; above 2 speaks
        for a record that was learnt.

    Example:
        >>> right = np.ones((1, 1), bool)
        >>> sides = [Observations(np.array(values)[:, np.newaxis], right) for values in ([4.0], [0.5], [0.0, 1.0, 0.5])]
        >>> row = people(*sides)[0]
        >>> round(row["loss_before"], 3), round(row["attack_before"], 1), row["attack_after"]
        (0.018, 7.0, 0.0)
    """
    sides = [side.statistic.astype(np.float64) for side in (original, unlearned, retrained)]
    losses = [np.logaddexp(0.0, -statistic) for statistic in sides]
    before, after = (lira_scores(side, sides[2])[0] for side in sides[:2])
    others = [np.delete(sides[2], number, axis=0) for number in range(len(sides[2]))]
    if len(sides[2]) > 2:
        among = np.stack([lira_scores(sides[2][[number]], other)[0] for number, other in enumerate(others)])
    else:  # of two models each has but one other, whose spread nobody knows
        among = np.full(sides[2].shape, np.nan)
    return [
        {
            "loss_before": float(losses[0][0, record]),
            "loss_after": float(losses[1][0, record]),
            "loss_retrained": float(losses[2][:, record].mean()),
            "loss_retrained_least": float(losses[2][:, record].min()),
            "loss_retrained_largest": float(losses[2][:, record].max()),
            "attack_before": float(before[record]),
            "attack_after": float(after[record]),
            "attack_retrained_largest": float(among[:, record].max()),
        }
        for record in range(sides[0].shape[1])
    ]
