"""Membership inference from per-example losses: the attack of the 2023 kit, AUC, true positives, the gap to retrain.

Members are examples of the forget set, non-members examples of the test set; a low loss speaks for membership.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.scorers._gap import Gap, gap_of_means
from kit.scorers._logistic_attack import (
    MIN_MEMBERS,
    mia_accuracies,
    mia_accuracy,
    mia_accuracy_null_band,
    mia_accuracy_stderr,
)
from kit.scorers._matching import match_nonmembers
from kit.scorers._ranks import Placements, auc_of_sorted, placements
from kit.scorers._threads import in_threads
from kit.scorers.accuracy import variance_of_mean
from kit.types import Comparison, Outputs, Score, ScoreInfo

__all__ = [
    "MIN_MEMBERS",
    "SCORES",
    "auc_gap",
    "match_nonmembers",
    "membership_auc",
    "membership_auc_gap",
    "membership_auc_null_band",
    "membership_auc_stderr",
    "mia_accuracies",
    "mia_accuracy",
    "mia_accuracy_null_band",
    "mia_accuracy_stderr",
    "score",
    "true_positive_rate",
]

SCORES = (
    ScoreInfo(
        "mia_accuracy",
        "match_retrain",
        "how often logistic regression on the loss tells forget from test (2023 kit)",
        heading="attack\naccuracy",
        table="runs",
        column=11,
    ),
    ScoreInfo(
        "mia_auc",
        "match_retrain",
        "chance that a forget example has a lower loss than a test example",
        heading="attack\nAUC",
        table="runs",
        column=12,
    ),
    ScoreInfo(
        "mia_gap",
        "match_retrain",
        "attack AUC minus the retrained models' mean; below 0 is over-forgetting, not success",
        relative=True,
        heading="AUC\ngap",
        table="runs",
        column=13,
        signed=True,
    ),
    ScoreInfo(
        "mia_tpr_at_1pct_fpr",
        "match_retrain",
        "share of the forget set that the attack finds at a false positive rate of 1 %",
        heading="TPR at\n1% FPR",
        table="runs",
        column=14,
    ),
)
_ONE_RETRAINED = (
    "there is a single retrained model to compare with, so the standard error of the AUC gap is that over examples "
    "alone; how much training seeds matter is not in it."
)
NUM_RESAMPLES = 1000
_Losses = tuple[np.ndarray, np.ndarray]


def membership_auc(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> float:
    """Returns the probability that a member has a lower loss than a non-member, ties counting half.

    Args:
        member_losses: (k,); nonmember_losses: (l,).

    Returns:
        A float in [0, 1]: 0.5 for no signal, 1 when every member has a lower loss than every non-member.

    Example:
        >>> membership_auc(np.array([0.1, 0.4]), np.array([0.3, 0.9]))
        0.75
    """
    return auc_of_sorted(np.sort(-np.asarray(member_losses)), np.sort(-np.asarray(nonmember_losses)))


def membership_auc_stderr(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> float:
    """Returns the standard error of `membership_auc` over examples.

    Args:
        member_losses: (k,); nonmember_losses: (l,).

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988.
    """
    return _over_examples(
        _placements((np.asarray(member_losses)[np.newaxis], np.asarray(nonmember_losses)[np.newaxis]))
    )


def membership_auc_null_band(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> tuple[float, float]:
    """Returns the central 95 % of `membership_auc` when the losses are dealt to the two sides at random.

    The normal approximation of the rank-sum test, corrected for ties.

    Args:
        member_losses: (k,); nonmember_losses: (l,).

    Returns:
        The ends of the band, around 0.5.
    """
    k, m = len(member_losses), len(nonmember_losses)
    _, ties = np.unique(np.concatenate([member_losses, nonmember_losses]), return_counts=True)
    total = k + m
    variance = (total + 1 - (ties**3 - ties).sum() / (total * (total - 1))) / (12 * k * m)
    half = 1.959964 * float(np.sqrt(variance))
    return 0.5 - half, 0.5 + half


def true_positive_rate(
    member_losses: np.ndarray, nonmember_losses: np.ndarray, *, false_positive_rate: float = 0.01
) -> float:
    """Returns the share of members found at the loss threshold that accuses at most that share of non-members.

    Args:
        member_losses: (k,); nonmember_losses: (l,).
        false_positive_rate: in (0, 1].

    Returns:
        A float in [0, 1].

    Source: Carlini et al., Membership inference attacks from first principles, IEEE S&P 2022.

    Example:
        >>> true_positive_rate(np.array([0.1, 0.2, 0.9]), np.linspace(0.5, 1.5, 100))
        0.6666666666666666
    """
    allowed = int(np.floor(false_positive_rate * len(nonmember_losses) + 1e-9))
    threshold = np.partition(nonmember_losses, allowed)[allowed]
    return float((member_losses < threshold).mean())


def membership_auc_gap(
    unlearned: tuple[np.ndarray, np.ndarray], retrained: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """Returns the mean AUC of unlearned models minus that of retrained models, and its standard error.

    The error is that over new trainings on the same split: of the retrained models' mean, and of the unlearned models'
    mean; a single unlearned model is taken to vary as much as a retrained one, which makes the standard error right
    where it matters, for a method that is as good as retraining. The examples are the same on both sides, and their
    luck is not in the difference.

    Args:
        unlearned: losses of members (models, k) and of non-members (models, l).
        retrained: the same of other models, on the same examples. Of a single one, nothing is known of the spread over
            trainings; then the standard error is DeLong's over examples, paired: that of the difference of two AUCs on
            the same examples, which holds for trainings too if these change the examples independently of each other.

    Returns:
        Gap in [-1, 1] (below 0: the forget set now has higher losses than for a model that never saw it) and stderr.

    Example:
        >>> losses = np.random.default_rng(0).exponential(size=(6, 2, 50))
        >>> gap, stderr = membership_auc_gap((losses[:1, 0], losses[:1, 1]), (losses[1:, 0], losses[1:, 1]))
        >>> abs(gap) < 3 * stderr
        True
    """
    gap = auc_gap(unlearned, retrained)
    return gap.value, gap.stderr


def auc_gap(unlearned: tuple[np.ndarray, np.ndarray], retrained: tuple[np.ndarray, np.ndarray]) -> Gap:
    """Returns `membership_auc_gap` of the same arguments with its 95 % interval.

    Example:
        >>> losses = np.random.default_rng(0).exponential(size=(6, 2, 50))
        >>> gap = auc_gap((losses[:1, 0], losses[:1, 1]), (losses[1:, 0], losses[1:, 1]))
        >>> gap.interval[0] < 0 < gap.interval[1]
        True
    """
    return _gap(_placements(unlearned), _placements(retrained))


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares."""
    if comparison.attack_impossible:
        return [Score(info.name, None, None, info.direction, reason=comparison.attack_impossible) for info in SCORES]
    sample = comparison.members, comparison.nonmembers
    losses = _losses(comparison.unlearned, *sample)
    unlearned, retrained = _Attacked.by(losses), comparison.once(_attacked, comparison.retrained, *sample)
    gap = _gap(unlearned.placed, retrained.placed)
    first = losses[0][0], losses[1][0]
    warnings = () if comparison.retrained.num_models > 1 else (_ONE_RETRAINED,)
    return [
        _attack_score(
            "mia_accuracy",
            unlearned.accuracies,
            retrained.accuracies,
            over_examples=mia_accuracy_stderr(*first),
            null_band=mia_accuracy_null_band(*first),
        ),
        _attack_score(
            "mia_auc",
            unlearned.placed.aucs,
            retrained.placed.aucs,
            over_examples=_over_examples(unlearned.placed),
            null_band=membership_auc_null_band(*first),
        ),
        Score("mia_gap", gap.value, gap.stderr, "match_retrain", 0.0, interval=gap.interval, warnings=warnings),
        _low_false_positive_score(losses, unlearned.true_positives, retrained.true_positives),
    ]


@dataclass(frozen=True)
class _Attacked:
    """What the attacks find on the models of one side: accuracies and true positive rates are (models,)."""

    placed: Placements
    accuracies: np.ndarray
    true_positives: np.ndarray

    @classmethod
    def by(cls, losses: _Losses) -> _Attacked:
        """Attacks models by their losses of members and of non-members."""
        rates = np.array(in_threads(lambda pair: true_positive_rate(*pair), zip(*losses, strict=True)))
        return cls(_placements(losses), mia_accuracies(*losses), rates)


def _attacked(outputs: Outputs, members: np.ndarray, nonmembers: np.ndarray) -> _Attacked:
    return _Attacked.by(_losses(outputs, members, nonmembers))


def _losses(outputs: Outputs, members: np.ndarray, nonmembers: np.ndarray) -> _Losses:
    return outputs.losses("forget")[:, members], outputs.losses("test")[:, nonmembers]


def _placements(losses: _Losses) -> Placements:
    members, nonmembers = losses
    return placements(-np.concatenate([members, nonmembers], axis=1), members.shape[1])


def _over_examples(placed: Placements) -> float:
    return float(np.sqrt(variance_of_mean(placed.of_members) + variance_of_mean(placed.of_nonmembers)))


def _gap(unlearned: Placements, retrained: Placements) -> Gap:
    sides = (unlearned.of_members, retrained.of_members), (unlearned.of_nonmembers, retrained.of_nonmembers)
    paired = Placements(unlearned.aucs, *(ours - theirs for ours, theirs in sides))
    return gap_of_means(unlearned.aucs, retrained.aucs, _over_examples(paired))


def _attack_score(
    name: str,
    values: np.ndarray,
    targets: np.ndarray,
    *,
    over_examples: float,
    null_band: tuple[float, float] | None = None,
) -> Score:
    """The standard error of the value is over trainings and over examples as drawn; that of the gap is `mia_gap`'s."""
    stderr = float(np.hypot(over_examples, np.sqrt(variance_of_mean(values))))
    score = Score(name, float(values.mean()), stderr, "match_retrain", float(targets.mean()), null_band)
    if len(targets) == 1:  # whose spread is not known; `mia_gap` has that of its AUC over examples
        return score
    gap = gap_of_means(values, targets, 0.0)
    return replace(score, gap_stderr=gap.stderr, gap_interval=gap.interval)


def _low_false_positive_score(losses: _Losses, values: np.ndarray, targets: np.ndarray) -> Score:
    name, count = "mia_tpr_at_1pct_fpr", losses[1].shape[1]
    if 0.01 * count < 10:
        reason = f"it needs at least 1,000 test examples, and there are {count}"
        return Score(name, None, None, "match_retrain", reason=reason)
    generator = np.random.default_rng(0)
    resampled = [
        true_positive_rate(*(generator.choice(side[0], len(side[0])) for side in losses))
        for _ in range(NUM_RESAMPLES // 5)
    ]
    over_examples = float(np.std(resampled, ddof=1))
    return _attack_score(name, values, targets, over_examples=over_examples)
