"""A linear model gives its deleted record away: exactly to who knows the others, by and large to everybody else."""

from __future__ import annotations

import numpy as np
import pytest

from kit import datasets
from kit.leaks.reconstruction import reconstruct


def test_who_knows_the_others_has_the_record_to_the_last_digit() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(80, 6)) + 1, generator.integers(0, 3, 80)
    result = reconstruct(x, y, generator.normal(size=(30, 6)), np.arange(10), 3)
    np.testing.assert_allclose(result.exact, 1, atol=1e-9)


def test_with_two_features_it_is_what_is_solved_by_hand() -> None:
    """One output: w' - w from lstsq, and the direction from the normal equations of what stays."""
    x, y = np.array([[1.0], [2.0], [4.0], [5.0]]), np.array([0, 1, 0, 1])
    rows, targets = np.column_stack([x, np.ones(4)]), np.eye(2)[y]
    ridge = 0.1 * np.trace(rows.T @ rows) / 2 * np.eye(2)
    before, after = (
        np.linalg.solve(rows[kept].T @ rows[kept] + ridge, rows[kept].T @ targets[kept])
        for kept in ([0, 1, 2, 3], [0, 1, 3])
    )
    moved = (rows[[0, 1, 3]].T @ rows[[0, 1, 3]] + ridge) @ (after - before)
    np.testing.assert_allclose(moved[0] / moved[1], 4.0, rtol=1e-9)  # the deleted feature, by its constant
    assert reconstruct(x, y, x, np.array([2]), 2).exact[0] == pytest.approx(1, abs=1e-12)


def test_public_records_do_on_digits_and_better_than_the_nearest_of_them() -> None:
    digits = datasets.digits()
    digits = digits.take(np.random.default_rng(0).permutation(len(digits)))  # the last are of other writers
    x = digits.x.reshape(len(digits.x), -1).astype(np.float64)
    result = reconstruct(x[:1000], digits.y[:1000], x[1000:], np.arange(40), 10)
    means = result.means()
    assert means["exact"].value == pytest.approx(1, abs=1e-6)
    assert means["public"].value > means["nearest"].value + 2 * means["public"].stderr
    assert result.images.shape == (40, 64)


def test_strangers_records_are_no_better_than_chance() -> None:
    """Where public records have other moments than the training set, what is made of them is not the record."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(6, 6)) ** 3
    x, y = generator.normal(size=(80, 6)) @ mixing, generator.integers(0, 3, 80)
    result = reconstruct(x, y, generator.normal(size=(40, 6)), np.arange(20), 3)
    assert np.abs(result.public).mean() < 0.9 < result.exact.min()
