"""LiRA: is an example's confidence higher than models that never saw it would have? Forget set against test set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kit.scorers._resampling import halves, jackknife_replicates, stderr_of_replicates, too_few_models
from kit.scorers.accuracy import variance_of_mean
from kit.types import Comparison, Outputs, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "lira_auc",
        "match_retrain",
        "chance that a forget example stands out more than a test example, each measured by retrained models (LiRA)",
        heading="LiRA\nAUC",
        table="attacks",
        column=1,
    ),
)
# Beyond it a softmax in double precision is 0 or 1; a margin of 1e38 would be all that counts otherwise.
CLIP = 100.0
# Standard deviations below it are taken for it: far under the spread of trained models' confidences, some 0.5 to 2.
FLOOR = 0.01

# Confidences of members, non-members and population, float64 (models, examples) each.
Confidences = tuple[np.ndarray, np.ndarray, np.ndarray]
# From the confidences of the attacked models and of the out-models: scores of members and of non-members.
Attack = Callable[[Confidences, Confidences], tuple[np.ndarray, np.ndarray]]


def lira_scores(confidences: np.ndarray, out_confidences: np.ndarray, *, floor: float = FLOOR) -> np.ndarray:
    """Returns by how many standard deviations each confidence exceeds those of models that never saw the example.

    Args:
        confidences: logit-scaled confidences log p - log(1 - p) of the attacked models, (models, examples).
        out_confidences: the same of at least two models trained without the examples, (out_models, examples).
        floor: of the standard deviation, in the unit of the confidences.

    Returns:
        float64 (models, examples); higher speaks for membership. Confidences are clipped to +-100 first.

    Raises:
        ValueError: fewer than two out-models, or other examples.

    Source: Carlini et al., Membership inference attacks from first principles, IEEE S&P 2022, the offline attack, whose
    probability grows with this z. Differs from `plot.py` of tensorflow/privacy's mi_lira_2021, which takes the density
    instead (an example with unusually *low* confidence then passes for a member, and lower stands for member), medians
    for means, and one standard deviation for all examples where models are few.

    Example:
        >>> lira_scores(np.array([[3.0]]), np.array([[0.0], [2.0]])).round(3).tolist()
        [[1.414]]
    """
    values, out = (np.clip(np.asarray(side, np.float64), -CLIP, CLIP) for side in (confidences, out_confidences))
    if out.ndim != 2 or values.ndim != 2 or len(out) < 2 or out.shape[1] != values.shape[1]:
        raise ValueError(
            f"The confidences have shape {values.shape} and those of the out-models {out.shape}. Expected (models, "
            "examples) of the same examples, and two out-models or more. Retrain more models."
        )
    scores: np.ndarray = (values - out.mean(axis=0)) / np.maximum(out.std(axis=0, ddof=1), floor)
    return scores


def mean_auc(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> float:
    """Returns the mean over models of the probability that a member scores higher than a non-member, ties half.

    Args:
        member_scores: (models, k); nonmember_scores: (models, l).

    Example:
        >>> mean_auc(np.array([[2.0, 1.0], [3.0, 0.0]]), np.array([[1.0], [1.0]]))
        0.625
    """
    total = 0.0
    for members, nonmembers in zip(np.sort(member_scores), np.sort(nonmember_scores), strict=True):
        total += float(_share_below(nonmembers, members).mean())
    return total / len(member_scores)


def mean_placements(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each example the share of the other side that it is told from, mean over models.

    Args:
        member_scores: (models, k); nonmember_scores: (models, l).

    Returns:
        float64 (k,), the share of non-members that each member exceeds, and (l,), the share of members that exceed each
        non-member; ties count half. The mean of either is `mean_auc`.

    Example:
        >>> [side.tolist() for side in mean_placements(np.array([[2.0, 1.0]]), np.array([[1.0, 0.0, 3.0, 0.0]]))]
        [[0.75, 0.625], [0.75, 1.0, 0.0, 1.0]]
    """
    of_members, of_nonmembers = np.zeros(member_scores.shape[1]), np.zeros(nonmember_scores.shape[1])
    for members, nonmembers in zip(member_scores, nonmember_scores, strict=True):
        of_members += _share_below(np.sort(nonmembers), members)
        of_nonmembers += 1 - _share_below(np.sort(members), nonmembers)
    return of_members / len(member_scores), of_nonmembers / len(member_scores)


def offline_attack_score(name: str, comparison: Comparison, attack: Attack) -> Score:
    """Returns the mean AUC of an attack that takes retrained models for out-models, like for like with its target.

    The retrained models are cut in halves. Value: mean over unlearned models and over either half as out-models.
    Target: the models of one half attacked with the other half as out-models, both ways; so the out-models are as many
    for the value as for the target, and never the attacked ones. Standard error: over models and over examples, see
    `two_way_stderr`.
    """
    numbers = comparison.unlearned.num_models, comparison.retrained.num_models
    reason = comparison.attack_impossible or too_few_models(*numbers)
    if reason:
        return Score(name, None, None, "match_retrain", reason=reason)
    unlearned, retrained = (_confidences(side, comparison) for side in (comparison.unlearned, comparison.retrained))

    def placements(kept_unlearned: np.ndarray, kept_retrained: np.ndarray) -> np.ndarray:
        attacked = _take(unlearned, kept_unlearned)
        both = [attack(attacked, _take(retrained, out)) for out in halves(numbers[1], kept_retrained)]
        members, nonmembers = (np.concatenate(side) for side in zip(*both, strict=True))
        return np.concatenate(mean_placements(members, nonmembers))

    first, second = (_take(retrained, half) for half in halves(numbers[1]))
    target = np.mean([mean_auc(*attack(first, second)), mean_auc(*attack(second, first))])
    of_all = placements(*map(np.arange, numbers))
    num_members = unlearned[0].shape[1]
    stderr = two_way_stderr(of_all, jackknife_replicates(placements, *numbers), num_members)
    return Score(name, float(of_all[:num_members].mean()), stderr, "match_retrain", float(target))


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


def score(comparison: Comparison) -> list[Score]:
    """Returns the score that `SCORES` declares."""

    def attack(attacked: Confidences, out: Confidences) -> tuple[np.ndarray, np.ndarray]:
        return lira_scores(attacked[0], out[0]), lira_scores(attacked[1], out[1])

    return [offline_attack_score("lira_auc", comparison, attack)]


def _share_below(sorted_others: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Share of the others that each score exceeds, ties half."""
    places = [np.searchsorted(sorted_others, scores, side=side) for side in ("left", "right")]
    share: np.ndarray = (places[0] + places[1]) / (2 * len(sorted_others))
    return share


def _confidences(outputs: Outputs, comparison: Comparison) -> Confidences:
    """Members are of the forget set, non-members of the test set; the population is the validation set."""
    members, nonmembers, population = (outputs.confidences[part] for part in ("forget", "test", "validation"))
    return members[:, comparison.members], nonmembers[:, comparison.nonmembers], population


def _take(confidences: Confidences, models: np.ndarray) -> Confidences:
    members, nonmembers, population = confidences
    return members[models], nonmembers[models], population[models]
