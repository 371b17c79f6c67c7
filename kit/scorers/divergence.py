"""How far the predicted distributions over classes are from the retrained models', on the forget set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kit.scorers._resampling import jackknife_stderr
from kit.scorers._threads import in_threads
from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "js_to_retrain",
        "match_retrain",
        "mean Jensen-Shannon divergence from retrained models' predictions on the forget set, bits (16 models a side)",
        heading="JS to\nretrain",
        table="distances",
        column=4,
    ),
)


def jensen_shannon_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Returns KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2, in bits.

    Args:
        p, q: distributions, (..., classes), that broadcast against each other; each sums to 1.

    Returns:
        float64 (...), in [0, 1]: 0 where p = q, 1 where no class has a share in both.

    Source: Lin, Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 1991.
    scipy's `jensenshannon` is its square root. What bad-teaching and selective synaptic dampening print as JSDiv is
    something else, the KL divergence *of m from* p and q, averaged over classes.

    Example:
        >>> jensen_shannon_divergence(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.0, 1.0]])).tolist()
        [0.0, 1.0]
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    divergence: np.ndarray = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return divergence.clip(0.0, 1.0)


def pairwise_divergence(logits: np.ndarray, other_logits: np.ndarray) -> np.ndarray:
    """Returns the mean over examples of the Jensen-Shannon divergence of each pair of models.

    Args:
        logits: (models, examples, classes); other_logits: (other_models, examples, classes).

    Returns:
        float64 (models, other_models), in bits, in [0, 1].

    Example:
        >>> pairwise_divergence(np.zeros((1, 3, 2)), np.array([[[0.0, 0.0]] * 3, [[9.0, -9.0]] * 3])).round(2).tolist()
        [[0.0, 0.31]]
    """
    models, others = len(logits), len(other_logits)
    pairs = [(model, other) for model in range(models) for other in range(others)]
    return np.array(_divergences(_softmax(logits), _softmax(other_logits), pairs)).reshape(models, others)


def score(comparison: Comparison) -> list[Score]:
    """Returns the score that `SCORES` declares, from the models whose logits were kept: 16 of either side at most.

    Value: mean over pairs of an unlearned and a retrained model. Target: mean over pairs of different retrained
    models. Standard error: a jackknife over models; a single unlearned model is taken to vary as much as a retrained
    one, whose spread is that of the means over the pairs it is in.
    """
    name, direction = SCORES[0].name, SCORES[0].direction
    nothing = np.zeros((0, 0, 0), np.float32)
    unlearned, retrained = (side.logits.get("forget", nothing) for side in (comparison.unlearned, comparison.retrained))
    if len(unlearned) < 1 or len(retrained) < 2:
        reason = (
            "needs logits of 1 unlearned and 2 retrained models or more on the forget set, not of "
            f"{len(unlearned)} and {len(retrained)}"
        )
        return [Score(name, None, None, direction, reason=reason)]
    to_retrained, of_each = pairwise_divergence(unlearned, retrained), comparison.once(_among, retrained)
    if len(to_retrained) > 1:
        stderr = jackknife_stderr(lambda *kept: float(to_retrained[np.ix_(*kept)].mean()), *to_retrained.shape)
    else:
        of_retrained = to_retrained.var(ddof=1) / to_retrained.size
        stderr = float(np.sqrt(of_each.var(ddof=1) + of_retrained))
    return [Score(name, float(to_retrained.mean()), stderr, direction, float(of_each.mean()))]


def _among(logits: np.ndarray) -> np.ndarray:
    """The mean divergence of each model from the others, (models,)."""
    count, probabilities = len(logits), _softmax(logits)
    pairs = [(model, other) for model in range(count) for other in range(model)]
    divergences = np.zeros((count, count))
    divergences[tuple(zip(*pairs, strict=True))] = _divergences(probabilities, probabilities, pairs)
    of_each: np.ndarray = (divergences + divergences.T).sum(axis=1) / (count - 1)
    return of_each


def _divergences(probabilities: np.ndarray, others: np.ndarray, pairs: Sequence[tuple[int, int]]) -> list[float]:
    """The mean over examples of the divergence of each pair, from distributions (models, examples, classes)."""

    def of_pair(pair: tuple[int, int]) -> float:
        return float(jensen_shannon_divergence(probabilities[pair[0]], others[pair[1]]).mean())

    return in_threads(of_pair, pairs)


def _entropy(p: np.ndarray) -> np.ndarray:
    entropy: np.ndarray = -(p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=-1)
    return entropy


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax over the last axis, float64, of the same shape."""
    shifted = np.asarray(logits, np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities
