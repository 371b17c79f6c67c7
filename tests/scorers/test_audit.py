"""The one-run audit: never above a planted epsilon but for one time in twenty, and far above 0 where all is left."""

from __future__ import annotations

import math

import numpy as np
import pytest
from retrainings import taking
from scipy.stats import binom, binomtest

from kit.scorers import audit
from kit.types import PARTS, Comparison, Outputs


def test_without_a_delta_it_is_clopper_and_pearsons_interval() -> None:
    for right, guesses in ((30, 40), (60, 60), (55, 80)):
        low = binomtest(right, guesses).proportion_ci(0.90, "exact").low
        expected = max(0.0, math.log(low / (1 - low)))
        assert audit.audit_epsilon(right, guesses, 100) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("right", "epsilon", "delta"), [(40, 1.0, 1e-3), (50, 0.5, 1e-5), (12, 2.0, 0.0), (0, 1.0, 0.1)]
)
def test_the_p_value_is_the_formula_summed_term_by_term(right: int, epsilon: float, delta: float) -> None:
    guesses, canaries = 60, 100
    chance = math.exp(epsilon) / (1 + math.exp(epsilon))
    masses = [binom.pmf(k, guesses, chance) for k in range(guesses + 1)]
    tail = sum(masses[right:])
    excess = max((sum(masses[right - i : right]) / i for i in range(1, right + 1)), default=0.0)
    expected = min(1.0, tail + 2 * canaries * delta * excess)
    assert audit.audit_p_value(right, guesses, canaries, epsilon, delta) == pytest.approx(expected, abs=1e-9)


def test_a_delta_lowers_the_bound_and_it_still_refutes_what_it_says() -> None:
    plain, lower = (audit.audit_epsilon(58, 60, 100, delta) for delta in (0.0, 1e-4))
    assert 0 < lower < plain
    assert audit.audit_p_value(58, 60, 100, lower, 1e-4) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_randomised_response_is_not_found_to_be_less_private_than_it_is(epsilon: float) -> None:
    """Each canary answers its bit, right with probability e^epsilon / (1 + e^epsilon): epsilon-private, and no more."""
    generator, chance = np.random.default_rng(0), 1 / (1 + math.exp(-epsilon))
    bounds = []
    for _ in range(400):
        members = generator.random(200) < 0.5
        answers = np.where(generator.random(200) < chance, members, ~members)
        scores = answers[np.newaxis] + 1e-3 * generator.random((1, 200))
        right = audit.right_guesses(scores, members, 100)
        bounds.append(audit.audit_epsilon(int(right[0]), 100, 200))
    assert np.mean(np.array(bounds) > epsilon) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert epsilon < 2 or np.median(bounds) > 0.6 * epsilon  # and is found by and large


def comparison(left: float, models: int, seed: int) -> Comparison:
    """Confidences of as many models a side; the unlearned ones are surer of forget examples by `left` deviations."""
    generator = np.random.default_rng(seed)

    def outputs(method: str, shift: float) -> Outputs:
        confidences = {part: generator.normal(size=(models, 200)) for part in PARTS}
        logits = {part: np.stack([array, np.zeros_like(array)], axis=-1) for part, array in confidences.items()}
        logits["forget"][..., 0] += shift
        labels = {part: np.zeros(200, np.int64) for part in PARTS}
        return Outputs.of_logits(method, logits, labels, seconds=np.ones(models), seeds=np.arange(models))

    everyone = np.arange(200)
    return Comparison(outputs("method", left), outputs("retrain", 0.0), everyone, everyone, "", reference=taking(7.0))


def test_retrained_models_have_nothing_left_in_19_of_20_repeats() -> None:
    bounds = [audit.score(comparison(0.0, 2, seed))[0].value for seed in range(100)]
    single = [value > 0 for value in bounds if value is not None]
    assert len(single) == 100
    assert np.mean(single) <= 2 * 0.05 + 0.06  # either of two models


def test_a_model_that_forgot_nothing_is_caught() -> None:
    (score,) = audit.score(comparison(5.0, 4, 0))
    assert score.value is not None
    assert score.stderr is not None
    assert score.value > 2
    (weaker,) = audit.score(comparison(1.0, 4, 0))
    assert weaker.value is not None
    assert 0 < weaker.value < score.value
    assert audit.score(comparison(5.0, 1, 0))[0].value is None


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="no more right guesses than guesses"):
        audit.audit_epsilon(5, 4, 10)
