"""What noise hides: zero-concentrated differential privacy of noisy steps, and the epsilon and delta that follow.

A computation is rho-zCDP if the Renyi divergence of order alpha between its outcomes from two starts is at most
`rho alpha`, for every alpha above 1. What follows a noisy step without touching the secret again loses nothing of it.

Source: Feldman, Mironov, Talwar and Thakurta, Privacy amplification by iteration, FOCS 2018; Bun and Steinke,
Concentrated differential privacy, TCC 2016; Canonne, Kamath and Steinke, The discrete Gaussian for differential
privacy, NeurIPS 2020 (proposition 12).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from kit.types import InputError

# Orders from 1 + e^-14 to e^14.
_WIDEST = 14.0


@dataclass(frozen=True)
class NoisyDescent:
    """Steps `w <- (1 - rate decay) w - rate clip(gradient) + noise`, from two starts, on data that are the same.

    Args:
        distance: between the starts, at most.
        clip: largest norm of a gradient, > 0.
        rate: learning rate, > 0.
        decay: weight decay, >= 0, with `rate * decay < 1`.
        steps: how many, 1 or more.

    Raises:
        InputError: a number outside its range.

    Example:
        >>> descent = NoisyDescent(distance=2.0, clip=1.0, rate=0.5, decay=0.0, steps=4)
        >>> descent.shift, descent.spread  # 2 + 4 * 2 * 0.5, sqrt(4)
        (6.0, 2.0)
        >>> descent.rho(sigma=3.0)  # (6 / 2)^2 / (2 * 9)
        0.5
    """

    distance: float
    clip: float
    rate: float
    decay: float
    steps: int

    def __post_init__(self) -> None:
        sound = self.distance > 0 and self.clip > 0 and self.rate > 0 and 0 <= self.rate * self.decay < 1
        if not sound or self.steps < 1:
            raise InputError(
                f"The noisy steps have {self}. Expected a distance, a clip and a rate above 0, a decay of 0 or more "
                "whose product with the rate is below 1, and a step or more. Change the hyper-parameters."
            )

    @property
    def _shrinking(self) -> np.ndarray:
        return (1 - self.rate * self.decay) ** np.arange(self.steps, dtype=np.float64)

    @property
    def shift(self) -> float:
        """How far apart both can be after all steps, without noise: each may add `2 rate clip`."""
        shrunk = (1 - self.rate * self.decay) ** self.steps * self.distance
        return float(shrunk + 2 * self.rate * self.clip * self._shrinking.sum())

    @property
    def spread(self) -> float:
        """The standard deviation of all noise together, in units of a step's."""
        return float(np.sqrt((self._shrinking**2).sum()))

    def rho(self, sigma: float) -> float:
        """Returns the zCDP of the last weights.

        Each step's noise hides a part of the shift; the parts that cost least in all are in proportion to what later
        steps leave of them. So the whole is as good as one release of the last weights, with all noise on it.

        Args:
            sigma: the noise's standard deviation in each step, > 0.
        """
        return (self.shift / self.spread) ** 2 / (2 * sigma**2)

    def sigma(self, epsilon: float, delta: float) -> float:
        """Returns the noise of a step that makes the last weights (epsilon, delta)-indistinguishable.

        Args:
            epsilon: > 0.
            delta: between 0 and 1.

        Raises:
            InputError: `epsilon` or `delta` is out of its range.
        """
        return self.shift / self.spread / math.sqrt(2 * rho_of(epsilon, delta))


def delta_of(rho: float, epsilon: float) -> float:
    """Returns a delta for which rho-zCDP is (epsilon, delta)-differential privacy, in [0, 1].

    The formula: the smallest `exp((a - 1) (a rho - epsilon)) / (a - 1) * (1 - 1/a)^a` over orders a above 1.

    Args:
        rho: of the zCDP, >= 0.
        epsilon: >= 0.

    Example:
        >>> round(delta_of(0.5, 4.0), 6)  # of two normal distributions one apart it is 0.000047
        0.000196
    """
    return math.exp(_log_delta(rho, epsilon))


def rho_of(epsilon: float, delta: float) -> float:
    """Returns the largest rho whose zCDP is (epsilon, delta)-differential privacy.

    Args:
        epsilon: > 0.
        delta: between 0 and 1.

    Raises:
        InputError: epsilon is not above 0, or delta not between 0 and 1.

    Example:
        >>> round(delta_of(rho_of(4.0, 1e-5), 4.0) * 1e5, 3)
        1.0
    """
    if not 0 < epsilon < math.inf or not 0 < delta < 1:
        raise InputError(
            f"epsilon is {epsilon} and delta {delta}. Expected an epsilon above 0 and a delta between 0 and 1. Change "
            "them."
        )
    high = epsilon
    while _log_delta(high, epsilon) <= math.log(delta):
        high *= 2
    low = high
    while _log_delta(low, epsilon) > math.log(delta):
        low /= 2
    return float(brentq(lambda rho: _log_delta(rho, epsilon) - math.log(delta), low, high, xtol=1e-15 * high))


def _log_delta(rho: float, epsilon: float) -> float:
    def at(log_excess: float) -> float:
        excess = math.exp(log_excess)
        order = 1 + excess
        return excess * (order * rho - epsilon) - log_excess + order * (log_excess - math.log(order))

    result = minimize_scalar(at, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-10})
    return min(float(result.fun), 0.0)
