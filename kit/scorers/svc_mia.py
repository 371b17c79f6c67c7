"""MIA-efficacy: the share of the forget set that a support vector classifier takes for examples never trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate, chebval

from kit.scorers._threads import blocks, in_threads
from kit.scorers.accuracy import score_with_gap
from kit.types import Comparison, Outputs, Score, ScoreInfo

if TYPE_CHECKING:
    from sklearn.svm import SVC

SCORES = (
    ScoreInfo(
        "svc_mia_efficacy",
        "match_retrain",
        "share of the forget set that a classifier on confidence takes for never trained on (16 models; as in SalUn)",
        heading="SVC-MIA\nefficacy",
        table="attacks",
        column=3,
    ),
    ScoreInfo(
        "svc_mia_efficacy_m_entropy",
        "match_retrain",
        "SVC-MIA efficacy on modified entropy in place of confidence, by the formula of its authors",
        heading="SVC-MIA\nm-entropy",
        table="attacks",
        column=4,
    ),
)
# A support vector classifier's time grows with the square of it: 0.1 s at 1,000 examples a side.
MAX_EXAMPLES = 1000
# Examples that a classifier judges at a time: as many as the cache holds distances of, to 2,000 others.
_ASKED_AT_ONCE = 32
# Of a polynomial for a classifier on one feature: its degree, with which sums of Gaussians of variance 1/2 are right to
# twelve digits on an interval of the width given.
_NODES, _WIDEST = 96, 16.0

Feature = Callable[[np.ndarray, np.ndarray], np.ndarray]


def correctness(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns 1.0 where the largest logit is the label's and 0.0 elsewhere, float64 (..., examples).

    Args:
        logits: (..., examples, classes).
        labels: integers (examples,).

    Example:
        >>> correctness(np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1])).tolist()
        [1.0, 0.0]
    """
    right: np.ndarray = (np.asarray(logits).argmax(axis=-1) == labels).astype(np.float64)
    return right


def confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the probability of the label, float64 (..., examples).

    Args:
        logits, labels: as for `correctness`.

    Example:
        >>> confidence(np.array([[0.0, 0.0]]), np.array([1])).tolist()
        [0.5]
    """
    of_label: np.ndarray = np.exp(_at_labels(_log_probabilities(logits), labels))
    return of_label


def entropy(logits: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Returns the entropy of the predicted distribution in nats, float64 (..., examples).

    Args:
        logits: (..., examples, classes).
        labels: play no part.

    Example:
        >>> entropy(np.zeros((1, 4))).round(3).tolist()
        [1.386]
    """
    logs = _log_probabilities(logits)
    nats: np.ndarray = -(np.exp(logs) * logs).sum(axis=-1)
    return nats


def modified_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns -(1 - p_y) log p_y - sum over i != y of p_i log(1 - p_i): 0 for certainty that is right, large if wrong.

    Args:
        logits: (..., examples, classes).
        labels: y, integers (examples,).

    Returns:
        float64 (..., examples), nats, 0 or more. Exact where p or 1 - p have long been rounded to 0.

    Source: Song and Mittal, Systematic evaluation of privacy risks of machine learning models, USENIX Security 2021.
    The `m_entropy` of Unlearn-Sparse, SalUn and RUM is not that: it has log p in the place of log(1 - p), and writes to
    whole columns where one entry of each row is meant.

    Example:
        >>> modified_entropy(np.log([[0.7, 0.2, 0.1]]), np.array([0])).round(4).tolist()
        [0.1622]
    """
    logs, label = _log_probabilities(logits), np.asarray(labels)
    of_label = _at_labels(logs, label)
    terms = np.exp(logs) * _log_complements(logits)
    np.put_along_axis(terms, np.broadcast_to(label[:, np.newaxis], (*terms.shape[:-1], 1)), 0.0, axis=-1)
    nats: np.ndarray = np.expm1(of_label) * of_label - terms.sum(axis=-1)
    return nats


def probabilities(logits: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Returns the softmax, float64 (..., examples, classes); labels play no part.

    Example:
        >>> probabilities(np.zeros((1, 2))).tolist()
        [[0.5, 0.5]]
    """
    softmax: np.ndarray = np.exp(_log_probabilities(logits))
    return softmax


def svc_mia_efficacy(
    retain: np.ndarray, test: np.ndarray, forget: np.ndarray, *, max_examples: int = MAX_EXAMPLES
) -> float:
    """Returns the share of forget examples that are taken for non-members.

    scikit-learn's `SVC(C=3, gamma="auto")` (radial basis functions) learns to tell features of the first retain
    examples (1) from those of as many test examples (0).

    Args:
        retain, test, forget: a feature of each example of the three sets, (n,), or several, (n, features); numbers of
            examples may differ. In the order of the examples: the first are taken.
        max_examples: of either side, to learn from.

    Returns:
        A float in [0, 1]. Neither end is good: the retrained models' value is.

    Raises:
        ValueError: no examples in a set, another number of features, or max_examples below 1.

    Source: OPTML-Group/Unlearn-Sparse and Unlearn-Saliency, evaluation/SVC_MIA.py, called with the forget set as
    `target_test`; papers report it by confidence, times 100. Differs from it: at most `max_examples` of either side;
    where there are fewer retain than test examples, as many test examples are taken.

    Example:
        >>> svc_mia_efficacy(np.linspace(0.9, 1, 50), np.linspace(0, 0.5, 50), np.array([0.1, 0.95, 0.99, 1.0]))
        0.25
    """
    return float(_taken_for_nonmembers(retain, test, forget, max_examples).mean())


def nonmember_predictions(outputs: Outputs, feature: Feature) -> np.ndarray:
    """Returns which forget examples each model's classifier takes for non-members.

    The classifier's examples must not hang on the order of the data: where one of the two sides has more than it is to
    have, it has the examples at evenly spaced ranks of the feature, in place of the first.

    Args:
        outputs: of models, of which those with logits are attacked, `NUM_WITH_LOGITS` at most.
        feature: `confidence`, `modified_entropy`, `entropy` or `correctness`.

    Returns:
        Booleans (models, examples); of no models where logits are missing.
    """
    parts = ("retain", "test", "forget")
    if any(part not in outputs.logits for part in parts):
        return np.zeros((0, len(outputs.labels["forget"])), bool)

    def attack(number: int) -> np.ndarray:
        sides = [feature(outputs.logits[part][number], outputs.labels[part]) for part in parts]
        count = min(len(sides[0]), len(sides[1]), MAX_EXAMPLES)
        retain, test = (_at_even_ranks(side, count) for side in sides[:2])
        return _taken_for_nonmembers(retain, test, sides[2], MAX_EXAMPLES)

    predictions = in_threads(attack, range(len(outputs.logits["forget"])))
    return np.array(predictions, bool).reshape(len(predictions), len(outputs.labels["forget"]))


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares: means over the models whose logits were kept, 16 a side at most.

    Standard errors over models and over forget examples; the classifier's own examples are taken as given.
    """
    scores = []
    for info, feature in zip(SCORES, (confidence, modified_entropy), strict=True):
        unlearned, retrained = (
            comparison.once(nonmember_predictions, side, feature)
            for side in (comparison.unlearned, comparison.retrained)
        )
        reason = no_logits(len(unlearned), len(retrained))
        if reason:
            scores.append(Score(info.name, None, None, info.direction, reason=reason))
            continue
        scores.append(score_with_gap(info, unlearned, retrained))
    return scores


def no_logits(num_unlearned: int, num_retrained: int) -> str:
    """Returns why there is no attack with logits of so many models; an empty text where there is one.

    Args:
        num_unlearned, num_retrained: models whose logits were kept.

    Example:
        >>> no_logits(16, 16)
        ''
    """
    if min(num_unlearned, num_retrained) > 0:
        return ""
    return (
        f"needs logits on retain, forget and test set of a model on either side, not of {num_unlearned} unlearned and "
        f"{num_retrained} retrained"
    )


def _taken_for_nonmembers(retain: np.ndarray, test: np.ndarray, forget: np.ndarray, max_examples: int) -> np.ndarray:
    shapes = {np.shape(side)[1:] for side in (retain, test, forget)}
    if min(np.size(side) for side in (retain, test, forget)) == 0 or len(shapes) != 1 or max_examples < 1:
        raise ValueError(
            f"The features of retain, test and forget set have shapes {np.shape(retain)}, {np.shape(test)} and "
            f"{np.shape(forget)}, and max_examples is {max_examples}. Expected (n,) or (n, features) with one number "
            "of features and no empty set, and max_examples of 1 or more. Compute all three with the same function."
        )
    from sklearn.svm import SVC

    sides = [np.asarray(side, np.float64).reshape(len(side), -1) for side in (retain, test, forget)]
    count = min(len(sides[0]), len(sides[1]), max_examples)
    learned_from = np.concatenate([side[:count] for side in sides[:2]])
    attack = SVC(C=3, gamma="auto").fit(learned_from, np.repeat([1, 0], count))
    return _are_below_0(attack, sides[2])


def _are_below_0(attack: SVC, features: np.ndarray) -> np.ndarray:
    """Whether `attack.decision_function` is, (examples,).

    Of a single feature it is a smooth function on an interval, and a polynomial through a few of its values gives the
    others to nine digits. Where that does not tell the sign, and of several features, each is computed by itself.
    """
    below, unsure = np.zeros(len(features), bool), np.ones(len(features), bool)
    low, high = float(features.min()), float(features.max())
    if features.shape[1] == 1 and len(features) > _NODES and 0 < high - low < _WIDEST:
        coefficients = chebinterpolate(  # type: ignore[type-var]
            lambda nodes: _decisions(attack, (low + (high - low) * (nodes + 1) / 2)[:, np.newaxis]), _NODES
        )
        decisions = chebval(2 * (features[:, 0] - low) / (high - low) - 1, coefficients)
        below, unsure = decisions < 0, np.abs(decisions) <= 1e-9 * np.abs(attack.dual_coef_).sum()
    asked = np.flatnonzero(unsure)
    for block in blocks(len(asked), _ASKED_AT_ONCE):
        below[asked[block]] = _decisions(attack, features[asked[block]]) < 0
    return below


def _decisions(attack: SVC, features: np.ndarray) -> np.ndarray:
    """`attack.decision_function`, (examples,), in a quarter of its time, which were most of all."""
    kernel = np.zeros((len(features), len(attack.support_)))
    for asked, learned in zip(features.T, attack.support_vectors_.T, strict=True):
        kernel -= np.subtract.outer(asked, learned) ** 2
    kernel /= features.shape[1]  # what gamma="auto" stands for
    decisions: np.ndarray = np.einsum("es,s->e", np.exp(kernel, out=kernel), attack.dual_coef_[0])
    decisions += attack.intercept_[0]
    return decisions


def _at_even_ranks(values: np.ndarray, count: int) -> np.ndarray:
    """`count` of the values, sorted, in the middle of as many equal stretches of ranks."""
    ranks = ((np.arange(count) + 0.5) * len(values) / count).astype(np.int64)
    chosen: np.ndarray = np.sort(values)[ranks]
    return chosen


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def _log_complements(logits: np.ndarray) -> np.ndarray:
    """log(1 - p) of each class; of the likeliest, whose p may round to 1, by the sum of the others."""
    logs = _log_probabilities(logits)
    likeliest = logs.argmax(axis=-1)[..., np.newaxis]
    others = logs.copy()
    np.put_along_axis(others, likeliest, -np.inf, axis=-1)
    with np.errstate(divide="ignore"):  # overwritten
        complements: np.ndarray = np.log1p(-np.exp(logs))
    np.put_along_axis(complements, likeliest, np.logaddexp.reduce(others, axis=-1, keepdims=True), axis=-1)
    return complements


def _at_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    where = np.broadcast_to(np.asarray(labels)[:, np.newaxis], (*values.shape[:-1], 1))
    chosen: np.ndarray = np.take_along_axis(values, where, axis=-1)[..., 0]
    return chosen
