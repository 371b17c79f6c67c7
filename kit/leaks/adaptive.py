"""Requests that look at the model: why exact deletion of parts is exact for other requests only (Gupta et al., 2021).

An ensemble of shards is published. Who sees how sure each member is of a record guesses in which shard the record is,
and asks for the deletion of those that seem to be in some shards. Fewer records stay in these than a fresh division
would leave: though each member is what a training on its rest would give, all together are not.
"""

from __future__ import annotations

import numpy as np


def requests_against(confidences: np.ndarray, targets: np.ndarray, number: int) -> np.ndarray:
    """Returns the records that an attacker deletes: those that the targeted members stand out with most.

    Args:
        confidences: of each member in each training record's label, (shards, n).
        targets: which shards are targeted, booleans (shards,), some and not all.
        number: of requests, at most n.

    Returns:
        int64 (number,), of a record each.

    Source: Gupta, Jung, Neel, Roth, Sharifi-Malvajerdi and Waites, Adaptive machine unlearning, NeurIPS 2021. What
    differs: the largest confidence of targeted members less that of the others, on the logit scale.

    Example:
        >>> requests_against(np.array([[3.0, 0.0, 5.0], [0.0, 3.0, 4.5]]), np.array([True, False]), 2).tolist()
        [0, 2]
    """
    lead = confidences[targets].max(axis=0) - confidences[~targets].max(axis=0)
    return np.argsort(-lead, kind="stable")[:number]


def indicator(accuracies: np.ndarray, targets: np.ndarray) -> float:
    """Returns whether the targeted members are the less accurate ones: 1, 0, or 1/2 where both are alike.

    Its mean over trainings is 1/2 wherever the deletion is as good as a fresh training, for no shard is another then.

    Args:
        accuracies: of each member on records that nobody has trained on, (shards,).
        targets: which are targeted, booleans (shards,).

    Example:
        >>> indicator(np.array([0.8, 0.9]), np.array([True, False]))
        1.0
    """
    difference = accuracies[~targets].mean() - accuracies[targets].mean()
    return 0.5 + 0.5 * float(np.sign(difference))
