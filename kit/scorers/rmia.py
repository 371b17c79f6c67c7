"""RMIA: is the model's gain on an example larger than its gain on examples that it was never trained on?"""

from __future__ import annotations

import numpy as np

from kit.scorers._offline_attack import OfflineAttack, offline_attack_score
from kit.scorers.lira import CLIP
from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "rmia_auc",
        "match_retrain",
        "membership attack by likelihood ratios against reference models and population data (Zarifzadeh et al., 2024)",
        heading="RMIA\nAUC",
        table="attacks",
        column=2,
    ),
)
OFFLINE_A = 0.33
GAMMA = 2.0


def rmia_scores(
    confidences: np.ndarray,
    out_confidences: np.ndarray,
    population: np.ndarray,
    out_population: np.ndarray,
    *,
    offline_a: float = OFFLINE_A,
    gamma: float = GAMMA,
) -> np.ndarray:
    """Returns the share of population examples that each example dominates: r(x) / r(z) > gamma.

    r(x) = p(x | model) / P(x) with p the probability of the label, and P(x) = ((1 + a) mean_out p(x) + (1 - a)) / 2 as
    guess at the mean over models trained with and without x, of which only the latter are at hand.

    Args:
        confidences: logit-scaled confidences of the attacked models, (models, examples); clipped to +-100.
        out_confidences: of models trained without the examples, (out_models, examples).
        population, out_population: the same of examples z that no model was trained on, (models, z), (out_models, z).
        offline_a: a in [0, 1].
        gamma: by how much an example's ratio has to exceed another's, > 0.

    Returns:
        float64 (models, examples) in [0, 1]; higher speaks for membership.

    Raises:
        ValueError: arrays that do not belong together, a or gamma outside their range.

    Source: Zarifzadeh, Liu and Shokri, Low-cost high-power membership inference attacks, ICML 2024, and
    privacytrustlab/ml_privacy_meter. Differs from the latter: its gamma is 1 and it searches for a; the probability is
    the plain softmax's, not a Taylor softmax with a margin.

    Example:
        >>> x, out_x, z, out_z = np.array([[5.0, 0.0]]), np.zeros((2, 2)), np.zeros((1, 3)), np.zeros((2, 3))
        >>> rmia_scores(x, out_x, z, out_z, gamma=1.5).tolist()
        [[1.0, 0.0]]
    """
    _check(confidences, out_confidences, population, out_population)
    if not 0 <= offline_a <= 1 or not gamma > 0:
        raise ValueError(
            f"offline_a is {offline_a} and gamma is {gamma}. Expected 0 <= offline_a <= 1 and gamma > 0. The defaults "
            f"are {OFFLINE_A} and {GAMMA}."
        )
    values, out, of_z, out_z = map(_log_probabilities, (confidences, out_confidences, population, out_population))
    anyone, anyone_z = _log_of_anyone(out, offline_a), _log_of_anyone(out_z, offline_a)
    dominated = [_dominated(*pair, anyone, anyone_z, gamma) for pair in zip(values, of_z, strict=True)]
    share: np.ndarray = np.array(dominated) / of_z.shape[1]
    return share


def score(comparison: Comparison) -> list[Score]:
    """Returns the score that `SCORES` declares: as `lira_auc`, with the validation set for the population.

    The population's own luck is not part of the standard error: all examples are held against the same one.
    """
    return [offline_attack_score("rmia_auc", comparison, _ATTACK)]


def _log_probabilities(confidences: np.ndarray) -> np.ndarray:
    logs: np.ndarray = -np.logaddexp(0.0, -np.clip(np.asarray(confidences, np.float64), -CLIP, CLIP))
    return logs


def _log_of_anyone(out: np.ndarray, offline_a: float = OFFLINE_A) -> np.ndarray:
    """log P(x), (examples,), from the log probabilities of out-models, (out_models, examples)."""
    logs: np.ndarray = np.log(((1 + offline_a) * np.exp(out).mean(axis=0) + (1 - offline_a)) / 2)
    return logs


def _dominated(
    values: np.ndarray, population: np.ndarray, anyone: np.ndarray, anyone_z: np.ndarray, gamma: float = GAMMA
) -> np.ndarray:
    """How many of the population each example of one model dominates, int64 (examples,)."""
    numbers: np.ndarray = np.searchsorted(np.sort(population - anyone_z), values - anyone - np.log(gamma), side="left")
    return numbers


_ATTACK = OfflineAttack(_log_probabilities, _log_of_anyone, _dominated)


def _check(*arrays: np.ndarray) -> None:
    confidences, out_confidences, population, out_population = shapes = [np.shape(array) for array in arrays]
    fits = all(len(shape) == 2 and min(shape) > 0 for shape in shapes)
    fits = fits and confidences[0] == population[0] and out_confidences[0] == out_population[0]
    if not fits or confidences[1] != out_confidences[1] or population[1] != out_population[1]:
        raise ValueError(
            f"The confidences have shape {confidences}, those of the out-models {out_confidences}, and on the "
            f"population {population} and {out_population}. Expected (models, examples), (out_models, examples), "
            "(models, z) and (out_models, z), none of them empty. Pass the same models for the examples and for the "
            "population."
        )
