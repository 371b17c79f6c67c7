"""The audit of one run: how much of the forget set is left in a model, at least, where guesses are so often right."""

from __future__ import annotations

import numpy as np

from kit.scorers._resampling import too_few_models
from kit.types import Comparison, Outputs, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "audit_epsilon",
        "down",
        "what is left of the forget set, at least: epsilon of the one-run audit, at 95 % confidence, mean over models",
        heading="audit\nepsilon",
        table="attacks",
        column=4,
    ),
)
CONFIDENCE = 0.95
# Guesses, of all canaries: a quarter for members, a quarter for strangers; of the rest the attacker says nothing.
GUESSED = 0.5


def audit_p_value(right: int, guesses: int, canaries: int, epsilon: float, delta: float = 0.0) -> float:
    """Returns the chance of so many right guesses, at most, if the model were (epsilon, delta)-private of each canary.

    The formula: `P(B >= v) + 2 m delta max_i (P(B >= v - i) - P(B >= v)) / i`, B being binomial of n guesses that are
    right with probability `e^epsilon / (1 + e^epsilon)`.

    Args:
        right: v, guesses that are right.
        guesses: n, made.
        canaries: m, examples of which a fair coin has decided whether they were in the training set.
        epsilon, delta: of the claim that is tested, both 0 or more.

    Source: Steinke, Nasr and Jagielski, Privacy auditing with one (1) training run, NeurIPS 2023, theorem 5.2.

    Example:
        >>> audit_p_value(right=3, guesses=3, canaries=3, epsilon=0.0)
        0.125
    """
    from scipy.special import bdtrc

    chance = 1 / (1 + np.exp(-epsilon))
    if right == 0:
        return 1.0
    fewer = right - 1.0 - np.arange(right)
    tails = np.append(bdtrc(fewer, guesses, chance), 1.0)  # P(B >= right - i), i = 0 .. right
    excess = ((tails[1:] - tails[0]) / np.arange(1, right + 1)).max()
    return min(1.0, float(tails[0] + 2 * canaries * delta * excess))


def audit_epsilon(right: int, guesses: int, canaries: int, delta: float = 0.0, confidence: float = CONFIDENCE) -> float:
    """Returns the largest epsilon that the guesses refute: the model is not (epsilon, delta)-private of its canaries.

    Args:
        right, guesses, canaries, delta: see `audit_p_value`.
        confidence: 1 minus the chance that the answer is above the true epsilon.

    Returns:
        A float, 0 or more; 0 where nothing is refuted.

    Raises:
        ValueError: more right guesses than guesses, or more of these than canaries.

    Example:
        >>> round(audit_epsilon(right=50, guesses=50, canaries=100), 3)  # log(0.05^(1/50) / (1 - 0.05^(1/50)))
        2.785
        >>> audit_epsilon(right=27, guesses=50, canaries=100)
        0.0
    """
    if not 0 <= right <= guesses <= canaries:
        raise ValueError(
            f"{right} of {guesses} guesses about {canaries} canaries are right. Expected no more right guesses "
            "than guesses, and no more guesses than canaries. Check the three counts."
        )
    from scipy.optimize import brentq
    from scipy.special import betaincinv

    allowed = 1 - confidence

    def excess(epsilon: float) -> float:
        return audit_p_value(right, guesses, canaries, epsilon, delta) - allowed

    if right == 0 or excess(0.0) >= 0:
        return 0.0
    exact = float(betaincinv(right, guesses - right + 1, allowed))
    highest = float(np.log(exact / (1 - exact)))  # without delta: that of Clopper and Pearson
    return highest if delta == 0 or excess(highest) <= 0 else float(brentq(excess, 0.0, highest))


def right_guesses(scores: np.ndarray, members: np.ndarray, guesses: int) -> np.ndarray:
    """Returns how many guesses are right for each model, int64 (models,).

    Args:
        scores: higher speaks for membership, (models, canaries).
        members: which canaries were in the training set, booleans (canaries,).
        guesses: made for each model: half of them for the highest scores, half for the lowest.

    Example:
        >>> right_guesses(np.array([[3.0, 0.0, 1.0, 2.0]]), np.array([True, False, False, True]), 2).tolist()
        [2]
    """
    order, half = np.argsort(-scores, axis=1, kind="stable"), guesses // 2
    ordered = members[order]
    right: np.ndarray = ordered[:, :half].sum(axis=1) + (~ordered[:, ordered.shape[1] - half :]).sum(axis=1)
    return right


def score(comparison: Comparison) -> list[Score]:
    """Returns the score that `SCORES` declares.

    Each forget example is paired with a test example of which retrained models are about as sure, and a fair coin picks
    one of the two: whether a canary was in the training set is a coin's doing. The attacker knows how sure retrained
    models are of it on average.
    """
    numbers = comparison.unlearned.num_models, comparison.retrained.num_models
    reason = comparison.attack_impossible or too_few_models(numbers[1], numbers[1], fewest=2)
    if reason:
        return [Score("audit_epsilon", None, None, "down", reason=reason)]
    of_retrained = _sides(comparison.retrained, comparison)
    orders = [np.lexsort((*side, side.mean(axis=0))) for side in of_retrained]
    coins = np.random.default_rng(0).random(len(comparison.members)) < 0.5
    ours, theirs = (
        np.where(coins, *(side[:, order] for side, order in zip(sides, orders, strict=True)))
        for sides in (_sides(comparison.unlearned, comparison), of_retrained)
    )
    guesses = 2 * max(1, int(GUESSED * len(coins) / 2))
    right = right_guesses(ours - theirs.mean(axis=0), coins, guesses)
    bounds = np.array([audit_epsilon(int(number), guesses, len(coins)) for number in right])
    share = (right.mean() + 1) / (guesses + 2)
    of_guesses = 1 / (guesses * share * (1 - share))  # variance of one model's log odds
    of_models = bounds.var(ddof=1) if len(bounds) > 1 else 0.0
    return [
        Score("audit_epsilon", float(bounds.mean()), float(np.sqrt((of_models + of_guesses) / len(bounds))), "down")
    ]


def _sides(outputs: Outputs, comparison: Comparison) -> tuple[np.ndarray, np.ndarray]:
    """Returns confidences of the forget examples and of as many test examples, (models, canaries) each."""
    number = min(len(comparison.members), len(comparison.nonmembers))
    parts = (("forget", comparison.members), ("test", comparison.nonmembers))
    first, second = (outputs.confidences[part][:, chosen[:number]] for part, chosen in parts)
    return first, second
