"""AUCs and bits: against other libraries, channels of known capacity, and secrets that are not told."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score, roc_auc_score

from kit.leaks import information
from kit.leaks.information import Estimate


@pytest.mark.parametrize("seed", range(3))
def test_an_auc_is_scikit_learns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    readings, secrets = generator.integers(0, 8, 50).astype(float), generator.random((50, 3)) < 0.4
    estimate = information.auc(readings, secrets)
    assert estimate is not None
    assert estimate.value == pytest.approx(roc_auc_score(secrets.ravel(), np.repeat(readings, 3)), abs=1e-12)


def test_the_jackknife_of_an_auc_leaves_out_whole_observations() -> None:
    generator = np.random.default_rng(0)
    readings, secrets = generator.normal(size=12), generator.random((12, 2)) < 0.5
    values = []
    for number in range(12):
        kept = np.arange(12) != number
        values.append(roc_auc_score(secrets[kept].ravel(), np.repeat(readings[kept], 2)))
    estimate = information.auc(readings, secrets)
    assert estimate is not None
    assert estimate.stderr == pytest.approx(np.sqrt(11 * np.var(values)), abs=1e-12)


def test_intervals_of_an_auc_cover_the_truth() -> None:
    """Normal readings one apart: the true AUC is Phi(1 / sqrt 2)."""
    generator, covered = np.random.default_rng(0), 0
    for _ in range(300):
        secrets = np.arange(60) < 30
        estimate = information.auc(generator.normal(size=60) + secrets, secrets)
        covered += estimate is not None and estimate.covers(0.7602499)
    assert 0.91 <= covered / 300 <= 0.98


def test_where_all_have_the_secret_there_is_no_auc() -> None:
    assert information.auc(np.arange(4.0), np.ones(4, bool)) is None
    assert information.auc(np.arange(4.0), np.array([True, False, False, False])) == Estimate(0.0, 0.5)


def channel(error: float, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bit that arrives wrong in a share of cases."""
    generator = np.random.default_rng(seed)
    secrets = generator.integers(0, 2, number)
    return secrets, np.where(generator.random(number) < error, 1 - secrets, secrets) * 0.25


@pytest.mark.parametrize("error", [0.0, 0.1, 0.3])
def test_the_bits_of_a_channel_are_its_capacity(error: float) -> None:
    entropy = 0.0 if error == 0 else -error * np.log2(error) - (1 - error) * np.log2(1 - error)
    estimates = [information.mutual_information(*channel(error, 300, seed)) for seed in range(30)]
    values = np.array([estimate.value for estimate in estimates])
    assert values.mean() == pytest.approx(1 - entropy, abs=4 * values.std() / np.sqrt(30) + 0.004)
    spread = np.mean([estimate.stderr for estimate in estimates])
    assert error == 0 or 0.6 < spread / values.std() < 1.5


def test_the_bias_is_taken_off() -> None:
    """Where nothing is told, the plug-in estimate is above 0 always; most of that is taken off."""
    generator = np.random.default_rng(0)
    corrected, plug_in = [], []
    for _ in range(60):
        secrets, readings = generator.integers(0, 4, 120), generator.integers(0, 5, 120).astype(float)
        corrected.append(information.mutual_information(secrets, readings).value)
        plug_in.append(mutual_info_score(secrets, readings) / np.log(2))
    assert np.mean(plug_in) > 0.06
    assert abs(np.mean(corrected)) < np.mean(plug_in) / 4
    excess = 4 * 5 - 4 - 5 + 1
    assert corrected[0] == pytest.approx(plug_in[0] - excess / (2 * 120 * np.log(2)), abs=1e-9)


def test_readings_that_all_differ_are_put_into_bins() -> None:
    generator = np.random.default_rng(1)
    secrets = np.arange(400) % 2
    telling = information.mutual_information(secrets, secrets + 0.1 * generator.random(400))
    silent = information.mutual_information(secrets, generator.random(400))
    assert telling.value == pytest.approx(1, abs=0.02)
    assert silent.covers(0)


def test_a_ratio_is_that_of_means_and_its_error_that_of_repeats() -> None:
    generator = np.random.default_rng(0)
    estimates = []
    for _ in range(300):
        chosen = generator.random(60) < 0.25
        estimates.append(information.ratio(chosen, np.where(chosen, 4.0, 2.0) + generator.random(60)))
    values = np.array([estimate.value for estimate in estimates if estimate])
    truth = 4.5 / (2.5 + 2 * 0.25)
    assert values.mean() == pytest.approx(truth, abs=0.02)
    assert np.mean([estimate.stderr for estimate in estimates if estimate]) == pytest.approx(values.std(), rel=0.2)
    assert information.ratio(np.array([True, False]), np.ones(2)) is None
