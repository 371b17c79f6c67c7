"""Answers before and after: what was planted is learnt, and where nothing happens nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kit.leaks import updates
from kit.leaks.updates import Answers, update_leak


def answers(shift: float, number: int = 60, seed: int = 0, memorised: float = 0.0) -> Answers:
    generator = np.random.default_rng(seed)
    before = generator.normal(size=(number, 2)) + np.array([memorised, 0.0])
    return Answers(before, before + generator.normal(size=(number, 2)) - np.array([shift, 0.0]))


def test_two_models_of_the_same_data_tell_nothing() -> None:
    values = [update_leak(answers(0.0, seed=seed)).both for seed in range(60)]
    assert np.mean([leak.value for leak in values]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([leak.covers(0.5) for leak in values]) > 0.85


def test_a_planted_change_is_learnt_as_well_as_can_be() -> None:
    """The best attacker sees the change, normal and `shift` apart of variance 1 each: Phi(shift / sqrt 2)."""
    values = [update_leak(answers(2.0, seed=seed)) for seed in range(20)]
    assert np.mean([leak.both.value for leak in values]) == pytest.approx(0.921, abs=0.02)
    assert np.mean([leak.before.value for leak in values]) == pytest.approx(0.5, abs=0.08)


def test_what_the_original_tells_alone_is_told_of_it_alone() -> None:
    leak = update_leak(answers(0.0, memorised=2.0))
    assert leak.before.value > 0.85


def test_the_regression_is_scikit_learns() -> None:
    features = np.random.default_rng(0).normal(size=(40, 2, 3))
    rows, signs = np.concatenate([features[:, 0], features[:, 1]]), np.repeat([1, 0], 40)
    expected = LogisticRegression(C=8.0, fit_intercept=False, tol=1e-10).fit(rows, signs)
    np.testing.assert_allclose(updates._fitted(features), expected.coef_[0], atol=1e-5)
