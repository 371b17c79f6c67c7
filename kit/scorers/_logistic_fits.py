"""Many logistic regressions on one feature at once: of whole samples, and of each sample without a part of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Newton's method doubles the digits with each step: after one of this length 8 or more are right.
_LAST_STEP = 1e-4
_MOST_STEPS, _MOST_STEPS_IF_NEAR = 100, 6
# Of the gradient, at which scikit-learn's default solver stops.
_TOLERANCE = 1e-4
# Of a fit that is read off an expansion: how much more than the first terms that are left out its error is taken to be,
# what it is at least, and by how much a logit may move for the expansion to be trusted.
_CAUTION, _LEAST_ERROR, _FARTHEST = 0.5, 1e-7, 0.5
_NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Sample:
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
    def of(cls, x: np.ndarray, y: np.ndarray) -> Sample:
        """Standardises the feature."""
        center, scale = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
        scale[scale == 0] = 1
        z = (x - center) / scale
        return cls(x, y, center, scale, z, z * z)

    def fit(self, start: np.ndarray, left_out: np.ndarray = _NOBODY, *, most_steps: int = _MOST_STEPS) -> np.ndarray:
        """Fits by Newton's method from a start, with a part of the examples left out (indices).

        From 0 it gets there; from elsewhere it may not, and then begins anew at 0 after so many steps.
        """
        least = 1e-12 * (len(self.y) - len(left_out))  # of the curvature, where all is certain
        penalty = 1 / self.scale[:, 0] ** 2
        z, squares = self.z[:, left_out], self.squares[:, left_out]
        slope, intercept = start
        for _ in range(most_steps):
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
                return np.stack([slope, intercept])
        if most_steps < _MOST_STEPS:
            return self.fit(np.zeros_like(start), left_out)
        return np.stack([slope, intercept])

    def fits_without(self, parts: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns slopes and intercepts of x fitted without each part of the examples, (samples, parts) each.

        They tell which of the part's own examples are taken for 1, and may be off where that does not depend on it.

        Args:
            parts: indices, (parts, examples of a part), some tenth of all.
            start: of the fit to all examples, (2, samples).
        """
        fits, errors = self._expanded(self.fit(start, most_steps=_MOST_STEPS_IF_NEAR), parts)
        z = self.z[:, parts]
        margins = np.abs(fits[0][..., np.newaxis] * z + fits[1][..., np.newaxis])
        blind = self._blind(parts)
        unsure = (margins <= errors[..., np.newaxis] * (1 + np.abs(z))).any(axis=2) & ~blind
        for number in np.flatnonzero(unsure.any(axis=0)):
            rows = np.flatnonzero(unsure[:, number])
            fits[:, rows, number] = self._of(rows).fit(fits[:, rows, number], left_out=parts[number])
        slopes = fits[0] / self.scale
        intercepts = fits[1] - slopes * self.center
        return np.where(blind, 0.0, slopes), np.where(blind, 0.0, intercepts)

    def _expanded(self, fitted: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the fits without each part, (2, samples, parts), to the second order, and what they may be off.

        Where all is fitted the gradient is 0, so that without a part it is minus that of the part. From there on, the
        objective without the part is known to its third derivatives.
        """
        residual, curvature = self._at(*fitted)
        third = curvature * (1 - 2 * (residual + self.y))
        z, squares = self.z, self.squares
        moments = np.stack(
            [
                *(residual, residual * z, curvature, curvature * z, curvature * squares),
                *(third, third * z, third * squares, third * squares * z),
            ]
        )
        of_parts = moments[..., parts].sum(axis=3)
        whole = moments.sum(axis=2)[..., np.newaxis]
        c, b, a = (whole - of_parts)[2:5]
        least = 1e-12 * (len(self.y) - parts.shape[1])
        a, c = a + 1 / self.scale**2 + least, c + least

        def solved(of_intercept: np.ndarray, of_slope: np.ndarray) -> np.ndarray:
            step: np.ndarray = np.stack([c * of_slope - b * of_intercept, a * of_intercept - b * of_slope])
            step /= a * c - b * b
            return step

        first = solved(of_parts[0], of_parts[1])
        slope, intercept = first
        t0, t1, t2, t3 = (whole - of_parts)[5:]
        bent = [
            low * intercept**2 + 2 * middle * intercept * slope + high * slope**2
            for low, middle, high in ((t0, t1, t2), (t1, t2, t3))
        ]
        second = -solved(*bent) / 2
        lengths = [np.abs(term).max(axis=0) for term in (first, second)]
        # By how much a logit moves at most: each further derivative of a log loss adds this factor or less to its term.
        moved = np.abs(intercept) + np.abs(slope) * np.abs(z).max(axis=1, keepdims=True)
        trusted = moved < _FARTHEST
        error = _CAUTION * moved * (moved * lengths[0] + lengths[1])
        errors = np.where(trusted, np.maximum(error, _LEAST_ERROR), np.inf)
        # Where classes are separated, a part can hold nearly all of the curvature, and the steps lead nowhere.
        cautious = first * np.minimum(1, 1 / np.maximum(lengths[0], 1e-300))
        return fitted[..., np.newaxis] + np.where(trusted, first + second, cautious), errors

    def _of(self, rows: np.ndarray) -> Sample:
        """Some of the samples."""
        return Sample(self.x[rows], self.y, self.center[rows], self.scale[rows], self.z[rows], self.squares[rows])

    def _blind(self, parts: np.ndarray) -> np.ndarray:
        """Where scikit-learn's default tolerance is met before its first step, (samples, parts): it then fits zeros.

        There the losses are so small that the gradient at the start is below it, and the attack of the 2023 kit is
        blind.
        """
        against = self.x * (0.5 - self.y)
        gradient = against.sum(axis=1, keepdims=True) - against[:, parts].sum(axis=2)
        blind: np.ndarray = np.abs(gradient) / (len(self.y) - parts.shape[1]) <= _TOLERANCE
        return blind

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
