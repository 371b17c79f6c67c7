"""The accountant of noisy steps: against brute force, integrals of densities, and steps that are as bad as can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from kit.toolbox.accounting import NoisyDescent, delta_of, rho_of
from kit.types import InputError

DESCENTS = [
    NoisyDescent(2.0, 1.0, 0.5, 0.0, 4),
    NoisyDescent(10.0, 0.3, 0.1, 2.0, 6),
    NoisyDescent(0.1, 1.0, 0.01, 50.0, 12),
    NoisyDescent(3.0, 1.0, 0.2, 0.1, 1),
]


@pytest.mark.parametrize("descent", DESCENTS)
def test_rho_is_the_least_that_parts_hidden_step_by_step_can_cost(descent: NoisyDescent) -> None:
    """Shifts are hidden by a_t in step t, at a_t^2 / (2 sigma^2); none may be hidden that is not there yet."""
    shrink, sigma = 1 - descent.rate * descent.decay, 0.7

    def left(parts: np.ndarray) -> np.ndarray:
        shifts, shift = [], descent.distance
        for part in parts:
            shift = shrink * shift + 2 * descent.rate * descent.clip - part
            shifts.append(shift)
        return np.array(shifts)

    constraints = [
        {"type": "eq", "fun": lambda parts: left(parts)[-1]},
        {"type": "ineq", "fun": lambda parts: left(parts)[:-1]},
    ]
    start = np.full(descent.steps, descent.shift / descent.steps)
    best = minimize(lambda parts: (parts**2).sum(), start, constraints=constraints, method="SLSQP", tol=1e-12)
    assert descent.rho(sigma) == pytest.approx(best.fun / (2 * sigma**2), rel=1e-5)


@pytest.mark.parametrize("descent", DESCENTS)
def test_the_worst_steps_reach_it(descent: NoisyDescent) -> None:
    """On a line, gradients that pull both apart: two normal distributions, whose divergence is integrated."""
    sigma, mean, variance = descent.shift / 2, descent.distance / 2, 0.0
    shrink = 1 - descent.rate * descent.decay
    for _ in range(descent.steps):
        mean = shrink * mean + descent.rate * descent.clip
        variance = shrink**2 * variance + sigma**2
    first, second = (norm(centre, math.sqrt(variance)) for centre in (mean, -mean))
    order = 2.5

    def density(x: float) -> float:
        return math.exp(order * first.logpdf(x) + (1 - order) * second.logpdf(x))

    reach = 12 * (math.sqrt(variance) + mean)
    integral = quad(density, -reach, reach, points=[mean, order * mean], limit=500)[0]
    assert math.log(integral) / (order - 1) == pytest.approx(order * descent.rho(sigma), rel=1e-6)


@pytest.mark.parametrize(("rho", "epsilon"), [(0.5, 4.0), (0.125, 1.0), (2.0, 10.0), (0.02, 0.5)])
def test_delta_is_above_that_of_normal_distributions_and_not_by_much(rho: float, epsilon: float) -> None:
    """N(0, 1) and N(mu, 1) are exactly rho-zCDP for rho = mu^2 / 2; their delta is integrated."""
    mu = math.sqrt(2 * rho)

    def excess(x: float) -> float:
        return max(0.0, norm.pdf(x, mu) - math.exp(epsilon) * norm.pdf(x))

    crossing = epsilon / mu + mu / 2
    exact = quad(excess, crossing, crossing + 15)[0]
    assert exact <= delta_of(rho, epsilon) <= 8 * exact


@pytest.mark.parametrize(("rho", "epsilon"), [(0.5, 4.0), (0.01, 0.2), (5.0, 30.0)])
def test_delta_is_the_least_over_a_grid_of_orders(rho: float, epsilon: float) -> None:
    orders = 1 + np.geomspace(1e-4, 1e4, 200_001)
    logs = (orders - 1) * (orders * rho - epsilon) - np.log(orders - 1) + orders * np.log1p(-1 / orders)
    assert math.log(delta_of(rho, epsilon)) == pytest.approx(logs.min(), rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-5, 0.5])
def test_sigma_keeps_the_promise_and_no_less_would(epsilon: float, delta: float) -> None:
    sigma = DESCENTS[1].sigma(epsilon, delta)
    assert delta_of(DESCENTS[1].rho(sigma), epsilon) == pytest.approx(delta, rel=1e-6)
    assert delta_of(DESCENTS[1].rho(0.99 * sigma), epsilon) > delta


def test_more_of_everything_that_hides_needs_less_noise() -> None:
    rhos = [rho_of(epsilon, 1e-5) for epsilon in (0.5, 1.0, 2.0, 8.0)]
    assert rhos == sorted(rhos)
    without, with_decay = (NoisyDescent(2.0, 1.0, 0.1, decay, 50).sigma(1.0, 1e-5) for decay in (0.0, 5.0))
    assert with_decay < without


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="product with the rate is below 1"):
        NoisyDescent(1.0, 1.0, 1.0, 1.0, 5)
    with pytest.raises(InputError, match="a step or more"):
        NoisyDescent(1.0, 1.0, 0.1, 0.0, 0)
    with pytest.raises(InputError, match="epsilon above 0"):
        rho_of(0.0, 1e-5)
