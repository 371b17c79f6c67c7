"""What answers before and after a deletion tell of who was deleted (Chen et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.leaks.information import Estimate, auc

# How strongly the attacker's weights are held to 0: an eighth of an example's weight each.
_PENALTY, _STEPS = 0.125, 25


@dataclass(frozen=True)
class Answers:
    """Confidences in examples' own labels, logit-scaled, float64 (requests, 2): of what was deleted, and of a stranger.

    Args:
        before: of the original.
        after: of the model from which the first was deleted. The second was never in the training set.
    """

    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class UpdateLeak:
    """How well the deleted example is told from the stranger.

    Args:
        both: AUC of the attacker who sees the answers of both models.
        before: AUC of the one who sees those of the original alone: what memorisation gives away without any deletion.
    """

    both: Estimate
    before: Estimate


def update_leak(answers: Answers) -> UpdateLeak:
    """Returns the AUC of attackers that learn from some requests how to tell others.

    The features are the confidence before, its change and the size of the change; of the second attacker, the
    confidence before alone. Each is a logistic regression, learnt from half of the requests and judged on the others.

    Args:
        answers: of the original and of the models after the requests.

    Source: Chen et al., When machine unlearning jeopardizes privacy, CCS 2021. What differs: the attacker learns from
    requests to the same original, where the paper trains shadow models, and sees the confidence in the label, where
    the paper concatenates all probabilities. Both make this attacker the stronger.

    Example:
        >>> before = np.random.default_rng(0).normal(size=(40, 2))
        >>> moved = Answers(before, before - np.array([3.0, 0.0]))
        >>> update_leak(moved).both.value
        1.0
    """
    change = answers.after - answers.before
    both = np.stack([answers.before, change, np.abs(change)], axis=-1)
    return UpdateLeak(_judged(both), _judged(answers.before[..., np.newaxis]))


def _judged(features: np.ndarray) -> Estimate:
    """Returns the AUC of the odd requests by what was learnt from the even ones.

    Each half judged by the other would use all requests, and its interval cover too little: both share their luck.
    """
    learnt, judged = features[::2], features[1::2]
    centre, spread = learnt.mean(axis=(0, 1)), learnt.std(axis=(0, 1)) + 1e-12
    scores = (judged - centre) / spread @ _fitted((learnt - centre) / spread)
    estimate = auc(scores.ravel(), np.tile([True, False], len(scores)))
    if estimate is None:
        raise ValueError("There is one request. Expected two or more. Serve more.")
    return estimate


def _fitted(features: np.ndarray) -> np.ndarray:
    """Returns the weights of a logistic regression without a constant: both sides are equally many, and one each.

    Args:
        features: (requests, 2, features), of the deleted and of the stranger.
    """
    rows = np.concatenate([features[:, 0], features[:, 1]])
    signs = np.repeat([1.0, -1.0], len(features))
    weights = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(np.clip(signs * (rows @ weights), -500, 500)))
        slope = -(signs * chance) @ rows + _PENALTY * weights
        curvature = (rows * (chance * (1 - chance))[:, None]).T @ rows + _PENALTY * np.eye(len(weights))
        weights = weights - np.linalg.solve(curvature, slope)
    return weights
