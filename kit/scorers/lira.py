"""LiRA: is an example's confidence higher than models that never saw it would have? Forget set against test set."""

from __future__ import annotations

import numpy as np

from kit.scorers._offline_attack import OfflineAttack, offline_attack_score, two_way_stderr
from kit.scorers._ranks import auc_of_sorted, placements
from kit.types import Comparison, Score, ScoreInfo

__all__ = ["CLIP", "FLOOR", "SCORES", "lira_scores", "mean_auc", "mean_placements", "score", "two_way_stderr"]

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
    values, out = _clipped(confidences), _clipped(out_confidences)
    if out.ndim != 2 or values.ndim != 2 or len(out) < 2 or out.shape[1] != values.shape[1]:
        raise ValueError(
            f"The confidences have shape {values.shape} and those of the out-models {out.shape}. Expected (models, "
            "examples) of the same examples, and two out-models or more. Retrain more models."
        )
    return _deviations(values, _normals(out, floor))


def mean_auc(member_scores: np.ndarray, nonmember_scores: np.ndarray) -> float:
    """Returns the mean over models of the probability that a member scores higher than a non-member, ties half.

    Args:
        member_scores: (models, k); nonmember_scores: (models, l).

    Example:
        >>> mean_auc(np.array([[2.0, 1.0], [3.0, 0.0]]), np.array([[1.0], [1.0]]))
        0.625
    """
    pairs = zip(np.sort(member_scores), np.sort(nonmember_scores), strict=True)
    return sum(auc_of_sorted(*pair) for pair in pairs) / len(member_scores)


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
    placed = placements(np.concatenate([member_scores, nonmember_scores], axis=1), member_scores.shape[1])
    return placed.of_members, placed.of_nonmembers


def score(comparison: Comparison) -> list[Score]:
    """Returns the score that `SCORES` declares."""
    return [offline_attack_score("lira_auc", comparison, _ATTACK)]


def _clipped(confidences: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip(np.asarray(confidences, np.float64), -CLIP, CLIP)
    return clipped


def _normals(out: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Mean and standard deviation of each example over out-models, (2, examples)."""
    return np.stack([out.mean(axis=0), np.maximum(out.std(axis=0, ddof=1), floor)])


def _deviations(values: np.ndarray, normals: np.ndarray) -> np.ndarray:
    deviations: np.ndarray = (values - normals[0]) / normals[1]
    return deviations


_ATTACK = OfflineAttack(_clipped, _normals, lambda values, _, normals, __: _deviations(values, normals))
