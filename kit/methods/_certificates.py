"""Certified removal from a convex last layer: perturbed logistic regressions, Newton steps, bounds of their error.

One regression a class, against all others. In float64 throughout. Source: Guo, Goldstein, Hannun and van der Maaten,
Certified Data Removal from Machine Learning Models, ICML 2020.

Notation: n examples x_i, signs s_i in {-1, 1}; the loss of a class is
`L(w) = sum_i log(1 + exp(-s_i w x_i)) + n regularisation / 2 |w|^2 + b w`, b being drawn from N(0, sigma^2) once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr, ndtr

# Half of the largest third derivative of log(1 + exp(-t)), s (1 - s) |1 - 2 s|. Half, because the second derivative is
# wrong by nothing where a step begins, and by that much only where it ends.
_CURVATURE_ERROR = 1 / (12 * math.sqrt(3))


@dataclass(frozen=True)
class Certificate:
    """What is promised of each class, and so of all together.

    Args:
        epsilon, delta: of all classes: somebody who sees the weights of all of them can tell a model that was unlearned
            from one that was retrained no better than so.
        sigma: standard deviation of b.
        num_classes: regressions among which epsilon and delta are shared out evenly.

    Example:
        >>> certificate = Certificate(epsilon=10.0, delta=1e-4, sigma=1.0, num_classes=10)
        >>> round(certificate.budget, 3)  # 1.0 * 1 / sqrt(2 log(1.5 / 1e-5))
        0.205
    """

    epsilon: float
    delta: float
    sigma: float
    num_classes: int

    @property
    def budget(self) -> float:
        """The largest norm of a class's gradient at which the promise holds.

        `sigma epsilon / sqrt(2 log(1.5 / delta))`, with the class's share of epsilon and delta; less where that is too
        much, for an epsilon of more than 7 a class, and then the largest that keeps the promise exactly.
        """
        epsilon, delta = self.epsilon / self.num_classes, self.delta / self.num_classes
        distance = epsilon / math.sqrt(2 * math.log(1.5 / delta))
        if _delta(epsilon, distance) > delta:
            distance = brentq(lambda nearer: _delta(epsilon, nearer) - delta, 1e-9 * distance, distance)
        return self.sigma * distance


def _delta(epsilon: float, distance: float) -> float:
    """Returns the smallest delta for two normal distributions this many standard deviations apart.

    Source: Balle and Wang, Improving the Gaussian Mechanism for Differential Privacy, ICML 2018, theorem 5.
    """
    above, below = distance / 2 - epsilon / distance, -distance / 2 - epsilon / distance
    return float(ndtr(above) - math.exp(epsilon + log_ndtr(below)))


def signs_of(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns +1 where an example is of a class and -1 elsewhere, float64 (n, classes)."""
    signs: np.ndarray = np.where(labels[:, np.newaxis] == np.arange(num_classes), 1.0, -1.0)
    return signs


def gradient(w: np.ndarray, x: np.ndarray, signs: np.ndarray, regularisation: float, b: np.ndarray) -> np.ndarray:
    """Returns the gradient of the loss of one class at w.

    Args:
        w, b: (d,).
        x: (n, d).
        signs: (n,).
        regularisation: > 0.
    """
    slope: np.ndarray = -(signs * expit(-signs * (x @ w))) @ x + len(x) * regularisation * w + b
    return slope


def _hessian(w: np.ndarray, x: np.ndarray, regularisation: float) -> np.ndarray:
    probability = expit(x @ w)
    weighted = x * (probability * (1 - probability))[:, np.newaxis]
    hessian: np.ndarray = weighted.T @ x + len(x) * regularisation * np.eye(x.shape[1])
    return hessian


def fit(
    x: np.ndarray, signs: np.ndarray, regularisation: float, b: np.ndarray, *, steps: int = 100, tolerance: float = 1e-9
) -> tuple[np.ndarray, float]:
    """Returns the optimum of one class by Newton's method with halved steps, and the norm of the gradient that is left.

    Example:
        >>> x = np.array([[1.0], [-1.0]])
        >>> w, left = fit(x, np.array([1.0, -1.0]), 0.1, np.zeros(1))
        >>> bool(w[0] > 1), left < 1e-9
        (True, True)
    """
    w = np.zeros(x.shape[1])
    slope = gradient(w, x, signs, regularisation, b)
    for _ in range(steps):
        size = float(np.linalg.norm(slope))
        if size < tolerance:
            break
        direction = np.linalg.solve(_hessian(w, x, regularisation), slope)
        for halvings in range(30):
            trial = w - direction / 2**halvings
            at_trial = gradient(trial, x, signs, regularisation, b)
            if np.linalg.norm(at_trial) < size:
                break
        w, slope = trial, at_trial
    return w, float(np.linalg.norm(slope))


def remove(
    w: np.ndarray, kept: np.ndarray, gone: np.ndarray, signs_of_gone: np.ndarray, regularisation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Takes the Newton step that removes some examples from all classes, and bounds the gradients that it leaves.

    Args:
        w: (classes, d), where the gradient of all examples is 0, or as small as earlier bounds say.
        kept: (n, d), examples that stay.
        gone, signs_of_gone: (m, d) and (m, classes), those that go.
        regularisation: as in training.

    Returns:
        The new w, and for each class what to add to its bound so far: `|X| |(X step)^2| / (12 sqrt(3))`, X being
        the kept examples. The paper's `1/4 |X| |step| |X step|` is the same with larger bounds of the third derivative,
        of its part along the step and of `|x_i step|`.

    Example:
        >>> x, signs = np.ones((30, 1)), np.repeat([1.0, -1.0], [20, 10])
        >>> w, _ = fit(x, signs, 0.1, np.zeros(1))
        >>> removed, bound = remove(w[np.newaxis], x[1:], x[:1], np.ones((1, 1)), 0.1)
        >>> left = gradient(removed[0], x[1:], signs[1:], 0.1, np.zeros(1))
        >>> bool(abs(left[0]) < bound[0] < 0.1)
        True
    """
    largest = math.sqrt(np.linalg.eigvalsh(kept.T @ kept)[-1])
    removed, bounds = np.empty_like(w), np.empty(len(w))
    for number, (row, signs) in enumerate(zip(w, signs_of_gone.T, strict=True)):
        pulled = -(signs * expit(-signs * (gone @ row))) @ gone + len(gone) * regularisation * row
        step = np.linalg.solve(_hessian(row, kept, regularisation), pulled)
        removed[number] = row + step
        bounds[number] = _CURVATURE_ERROR * largest * np.linalg.norm((kept @ step) ** 2)
    return removed, bounds


def removals_that_fit(
    w: np.ndarray, x: np.ndarray, signs: np.ndarray, regularisation: float, certificate: Certificate
) -> int:
    """Returns how many removals of one example, one after the other, the budget of every class is expected to bear.

    At most all examples. Several removed in one step cost more of it than one after the other: the bound is quadratic.

    Args:
        w: (classes, d); signs: (n, classes).
        x: (n, d).
        regularisation, certificate: as in training. The bounds of a hundred examples are averaged, evenly spread over
            all; each is taken with the Hessian of all examples.
    """
    sample = np.linspace(0, len(x) - 1, min(100, len(x))).astype(int)
    largest, means = math.sqrt(np.linalg.eigvalsh(x.T @ x)[-1]), []
    for row, all_signs in zip(w, signs.T, strict=True):
        some = all_signs[sample]
        pulled = -(some * expit(-some * (x[sample] @ row)))[:, np.newaxis] * x[sample] + regularisation * row
        steps = np.linalg.solve(_hessian(row, x, regularisation), pulled.T)
        means.append(_CURVATURE_ERROR * largest * np.linalg.norm((x @ steps) ** 2, axis=0).mean())
    return min(int(certificate.budget / max(means)), len(x))
