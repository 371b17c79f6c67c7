"""The attack of the 2023 kit: logistic regression on the loss, one model or sample at a time, or many at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kit.scorers._threads import blocks, in_threads

NUM_SPLITS = 10
# A tenth of the sample is the test part of each of the ten splits: with fewer it holds under two of either kind.
MIN_MEMBERS = 20
# Losses that are drawn at a time, some 16 MB of them; and that are fitted at a time, which a processor's cache holds.
_DRAWN_AT_ONCE, _FITTED_AT_ONCE = 2_000_000, 16_000
# Newton's method doubles the digits with each step: after one of this length 8 or more are right.
_LAST_STEP = 1e-4
# Of the gradient, at which scikit-learn's default solver stops.
_TOLERANCE = 1e-4


def mia_accuracy(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> float:
    """Returns the accuracy of the 2023 kit's attack.

    scikit-learn's `LogisticRegression()` with its defaults on the loss alone, mean accuracy over
    `StratifiedShuffleSplit(10, random_state=0)`.

    Args:
        member_losses, nonmember_losses: (k,) each, in nats; equal lengths, so that guessing gives 0.5.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: unequal lengths, or fewer than 20 of either.

    Source: unlearning-challenge/starting-kit, `simple_mia`. The order of the examples is as there: test, then forget.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> mia_accuracy(generator.exponential(0.01, 200), generator.exponential(1.0, 200)) > 0.8
        True
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit

    losses, members = _attack_sample(member_losses, nonmember_losses)
    scores = []
    with warnings.catch_warnings():  # losses of thousands of nats need more than the 100 steps that are the default
        warnings.simplefilter("ignore", ConvergenceWarning)
        # What `cross_val_score` does, in half the time: most of its checks and copies are for other estimators.
        for train, test in StratifiedShuffleSplit(n_splits=NUM_SPLITS, random_state=0).split(members, members):
            model = LogisticRegression().fit(losses[train, np.newaxis], members[train])
            predicted = losses[test] * model.coef_[0, 0] + model.intercept_[0] > 0
            scores.append(float((predicted == members[test]).mean()))
    return float(np.mean(scores))


def mia_accuracies(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> np.ndarray:
    """Returns `mia_accuracy` of each of several models.

    All are fitted at once, to the exact optimum; scikit-learn stops a little before it, which moves the accuracy of
    one model in several by one example. A single model is left to scikit-learn.

    Args:
        member_losses, nonmember_losses: (models, k) each.

    Returns:
        float64 (models,), each in [0, 1].

    Example:
        >>> losses = np.random.default_rng(0).exponential(size=(2, 3, 200))
        >>> bool((abs(mia_accuracies(losses[0], losses[1]) - 0.5) < 0.1).all())
        True
    """
    num_models, num_members = member_losses.shape
    if num_models == 1:
        return np.array([mia_accuracy(member_losses[0], nonmember_losses[0])])
    return _attack_rows(np.concatenate([nonmember_losses, member_losses], axis=1), num_members)


def mia_accuracy_stderr(member_losses: np.ndarray, nonmember_losses: np.ndarray, *, seed: int = 0) -> float:
    """Returns the standard error of `mia_accuracy` over the draw of the examples (bootstrap within either side)."""
    generator = np.random.default_rng(seed)

    def resample() -> np.ndarray:
        return np.concatenate([generator.choice(side, len(side)) for side in (nonmember_losses, member_losses)])

    return float(np.std(_attack_draws(resample, len(member_losses)), ddof=1))


def mia_accuracy_null_band(
    member_losses: np.ndarray, nonmember_losses: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Returns the central 95 % of `mia_accuracy` when these losses are dealt to the two sides at random."""
    generator = np.random.default_rng(seed)
    pooled, _ = _attack_sample(member_losses, nonmember_losses)
    accuracies = _attack_draws(lambda: generator.permutation(pooled), len(member_losses))
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return float(low), float(high)


def _attack_sample(member_losses: np.ndarray, nonmember_losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(member_losses) != len(nonmember_losses) or len(member_losses) < MIN_MEMBERS:
        raise ValueError(
            f"The attack was given {len(member_losses)} member and {len(nonmember_losses)} non-member losses. Expected "
            f"equal numbers, at least {MIN_MEMBERS}. Draw them with match_nonmembers."
        )
    losses = np.concatenate([nonmember_losses, member_losses])
    return losses, np.repeat([0, 1], len(member_losses))


def _attack_draws(draw: Callable[[], np.ndarray], num_members: int, num_draws: int = 400) -> np.ndarray:
    """Accuracies (num_draws,) of the attack on losses that `draw` returns, non-members first."""
    chunk = max(1, _DRAWN_AT_ONCE // (2 * num_members))
    accuracies = []
    for start in range(0, num_draws, chunk):
        losses = np.stack([draw() for _ in range(min(chunk, num_draws - start))])
        accuracies.append(_attack_rows(losses, num_members))
    return np.concatenate(accuracies)


def _attack_rows(losses: np.ndarray, num_members: int) -> np.ndarray:
    """Accuracies (rows,) of the attack on each row of losses (rows, examples), non-members first."""
    from sklearn.model_selection import StratifiedShuffleSplit

    members = np.repeat([0.0, 1.0], num_members)
    splits = list(StratifiedShuffleSplit(n_splits=NUM_SPLITS, random_state=0).split(members, members))

    def attack(rows: slice) -> np.ndarray:
        some = losses[rows]
        sample = _Sample.of(some, members)
        all_fitted = sample.fit(np.zeros((2, len(some))))
        starts = sample.without(all_fitted, [test for _, test in splits])
        total = np.zeros(len(some))
        for (_, test), start in zip(splits, starts, strict=True):
            slopes, intercepts = sample.unless_blind(sample.fit(start, left_out=test), left_out=test)
            predicted = slopes[:, np.newaxis] * some[:, test] + intercepts[:, np.newaxis] > 0
            total += (predicted == members[test]).mean(axis=1)
        return total / NUM_SPLITS

    return np.concatenate(in_threads(attack, blocks(len(losses), _FITTED_AT_ONCE // losses.shape[1])))


_NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class _Sample:
    """Several samples of one feature, to which scikit-learn's default logistic regression is fitted: at once, exactly.

    It minimises slope^2 / 2 + sum of log losses; the intercept is free. Fits are slopes and intercepts of the
    standardised feature, (2, samples). Sums over all but a part of the examples are those over all less the part's.

    Args:
        x: the feature, (samples, n).
        y: (n,) of 0.0 and 1.0.
        center, scale: mean and standard deviation, (samples, 1).
        z: the feature, standardised.
        squares: of z.
    """

    x: np.ndarray
    y: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    z: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> _Sample:
        """Standardises the feature."""
        center, scale = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
        scale[scale == 0] = 1
        z = (x - center) / scale
        return cls(x, y, center, scale, z, z * z)

    def fit(self, start: np.ndarray, left_out: np.ndarray = _NOBODY) -> np.ndarray:
        """Fits by Newton's method from a start, with a part of the examples left out (indices)."""
        least = 1e-12 * (len(self.y) - len(left_out))  # of the curvature, where all is certain
        penalty = 1 / self.scale[:, 0] ** 2
        z, squares = self.z[:, left_out], self.squares[:, left_out]
        slope, intercept = start
        for _ in range(100):
            residual, curvature = self._at(slope, intercept)
            some_residual, some_curvature = residual[:, left_out], curvature[:, left_out]
            of_slope = _dot(residual, self.z) - _dot(some_residual, z) + penalty * slope
            of_intercept = residual.sum(axis=1) - some_residual.sum(axis=1)
            a = _dot(curvature, self.squares) - _dot(some_curvature, squares) + penalty + least
            b = _dot(curvature, self.z) - _dot(some_curvature, z)
            c = curvature.sum(axis=1) - some_curvature.sum(axis=1) + least
            steps = np.stack([c * of_slope - b * of_intercept, a * of_intercept - b * of_slope]) / (a * c - b * b)
            length = np.abs(steps).max(axis=0)
            steps *= np.minimum(1, 3 / np.maximum(length, 1e-300))  # a full step can overshoot where classes part
            slope, intercept = slope - steps[0], intercept - steps[1]
            if length.max() < _LAST_STEP:
                break
        return np.stack([slope, intercept])

    def without(self, fitted: np.ndarray, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns about the fits without each part of the examples (indices), some tenth of them.

        One step of Newton's method from the fit of all, whose probabilities serve all parts: where all is fitted the
        gradient is 0, so that without a part it is minus that of the part.
        """
        residual, curvature = self._at(*fitted)
        moments = [curvature * self.squares, curvature * self.z, curvature]
        whole = [moment.sum(axis=1) for moment in moments]
        whole[0] += 1 / self.scale[:, 0] ** 2
        fits = []
        for part in parts:
            a, b, c = (total - moment[:, part].sum(axis=1) for total, moment in zip(whole, moments, strict=True))
            of_slope, of_intercept = _dot(residual[:, part], self.z[:, part]), residual[:, part].sum(axis=1)
            determinant = a * c - b * b + 1e-300
            steps = np.stack([c * of_slope - b * of_intercept, a * of_intercept - b * of_slope]) / determinant
            # Where classes are separated, a part can hold nearly all of the curvature, and the step lead nowhere.
            steps *= np.minimum(1, 1 / np.maximum(np.abs(steps).max(axis=0), 1e-300))
            fits.append(fitted + steps)
        return fits

    def unless_blind(self, fitted: np.ndarray, left_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns slopes and intercepts of x, 0 where scikit-learn's default tolerance is met before its first step.

        There the losses are so small that the gradient at the start is below it, and the attack of the 2023 kit is
        blind.
        """
        against = 0.5 - self.y
        gradient = np.einsum("ij,j->i", self.x, against) - np.einsum("ij,j->i", self.x[:, left_out], against[left_out])
        blind = np.abs(gradient) / (len(self.y) - len(left_out)) <= _TOLERANCE
        slope = fitted[0] / self.scale[:, 0]
        return np.where(blind, 0.0, slope), np.where(blind, 0.0, fitted[1] - slope * self.center[:, 0])

    def _at(self, slope: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals and curvature of each example at a fit, (samples, n)."""
        # The probability of a member, 1 / (1 + exp(-logit)), in a third of the time of SciPy's `expit`.
        residual = -slope[:, np.newaxis] * self.z
        residual -= intercept[:, np.newaxis]
        with np.errstate(over="ignore"):
            np.exp(residual, out=residual)
        residual += 1
        np.reciprocal(residual, out=residual)
        curvature = 1 - residual
        curvature *= residual
        residual -= self.y
        return residual, curvature


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    products: np.ndarray = np.einsum("ij,ij->i", first, second)
    return products
