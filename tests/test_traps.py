"""Mistakes of published code, written down again beside ours: each gives another number, or none at all.

Other traps stand with their scores: KLoM's swapped arguments and lost margin (test_klom), modified entropy
(test_svc_mia), what others call Jensen-Shannon (test_divergence), relearning in place (test_relearn_time), clipped
ratios and a bootstrap with replacement (test_forgetting_quality), fitting to the models that are judged (test_ulira).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kit.scorers.forgetting import BIN_WIDTH, example_epsilons, forgetting_score, points
from kit.scorers.lira import lira_scores, mean_auc
from kit.scorers.ulira import log_likelihood_ratios, ulira_accuracy

# The forgetting score


def surviving_epsilons(unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5) -> np.ndarray:
    """Of one example (models,), the epsilons of all thresholds that are not discarded, as the released metric.py has
    them before it takes the largest."""
    positive, negative = (
        (unlearned, retrained) if np.median(unlearned) >= np.median(retrained) else (retrained, unlearned)
    )
    both = np.concatenate([unlearned, retrained])
    single = np.linspace(both.min(), both.max(), math.ceil(np.ptp(both) * 100))
    narrow, wide = (unlearned, retrained) if np.ptp(unlearned) < np.ptp(retrained) else (retrained, unlearned)
    right = np.linspace(narrow.max() - 2, narrow.max() + 2, 400)
    left = np.linspace(right - np.ptp(narrow) - 2, right - np.ptp(narrow) + 2, 400).ravel()
    right = np.tile(right, 400)
    fpr = [
        (negative[:, None] >= single).mean(axis=0),
        ((left <= wide[:, None]) & (wide[:, None] <= right)).mean(axis=0),
    ]
    fnr = [
        (positive[:, None] < single).mean(axis=0),
        1 - ((left <= narrow[:, None]) & (narrow[:, None] <= right)).mean(axis=0),
    ]
    a, b = np.concatenate(fpr), np.concatenate(fnr)
    with np.errstate(divide="ignore", invalid="ignore"):
        epsilons = np.fmax(np.log(1 - delta - a) - np.log(b), np.log(1 - delta - b) - np.log(a))
    epsilons[(a == 0) & (b == 0)] = np.inf
    return np.clip(epsilons[(a == 0) == (b == 0)], 0, 50)


def test_an_assertion_about_an_array_ends_the_released_metric() -> None:
    """google-deepmind/unlearning_evaluation, metric.py: `assert thr_eps` on an array of more than one epsilon."""

    def released(unlearned: np.ndarray, retrained: np.ndarray) -> float:
        epsilons = surviving_epsilons(unlearned, retrained)
        assert epsilons, "every threshold was discarded"
        return float(epsilons.max())

    unlearned, retrained = np.random.default_rng(0).normal(5, 1.5, (2, 16, 1))
    with pytest.raises(ValueError, match="truth value of an array"):
        released(unlearned[:, 0], retrained[:, 0])
    (epsilon,) = example_epsilons(unlearned, retrained)
    assert epsilon == pytest.approx(surviving_epsilons(unlearned[:, 0], retrained[:, 0]).max(), abs=1e-9)
    assert 0 < epsilon < 50


def test_without_a_threshold_that_counts_there_are_no_points() -> None:
    """A student's public re-implementation, metrics.py, makes an epsilon of 0 of it: full points, open to abuse.

    Models that hardly differ, on either side of one value that both reach: each threshold errs on one side at most.
    """

    def copied(unlearned: np.ndarray, retrained: np.ndarray) -> float:
        epsilons = surviving_epsilons(unlearned, retrained)
        return float(epsilons.max()) if len(epsilons) else 0.0

    unlearned, retrained = 3 + np.linspace(0, 5e-4, 8), 3 - np.linspace(0, 1e-3, 8)
    assert points(np.array([copied(unlearned, retrained)]), 8).tolist() == [1.0]
    assert example_epsilons(unlearned[:, None], retrained[:, None]).tolist() == [50.0]
    assert forgetting_score(unlearned[:, None], retrained[:, None]) == 0.0


def populations(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of 64 unlearned and 64 retrained models on 60 examples, far more different than the models are."""
    generator = np.random.default_rng(1)
    difficulty = generator.normal(3, 4, 60)
    return generator.normal(difficulty + shift, 0.5, (64, 60)), generator.normal(difficulty, 0.5, (64, 60))


def test_a_shuffled_forget_set_hides_what_a_method_has_done() -> None:
    """MLRC-Bench, load_cifar_script.py: confidences are read through a loader that shuffles, of one retrained model
    again and again. What should be the models' spread on one example is then that of all examples."""
    unlearned, retrained = populations(shift=1.5)  # three standard deviations: nothing is forgotten
    generator = np.random.default_rng(2)
    shuffled = generator.permuted(unlearned, axis=1), generator.permuted(np.repeat(retrained[:1], 64, axis=0), axis=1)
    assert forgetting_score(unlearned, retrained) < 0.01
    assert forgetting_score(*shuffled) > 0.1


def test_one_retrained_model_many_times_over_is_no_population() -> None:
    """MLRC-Bench, with the loader put right: all of its retrained confidences of an example are one number."""
    unlearned, retrained = populations(shift=0.0)
    assert forgetting_score(unlearned, retrained) > 0.1
    np.testing.assert_array_equal(example_epsilons(unlearned, np.repeat(retrained[:1], 64, axis=0)), 50)


@pytest.mark.parametrize(("models", "differ"), [(512, False), (1024, True)])
def test_paper_and_released_code_have_other_bins(models: int, differ: bool) -> None:
    """13 bins in the competition's description, as many as ceil(log(N - 1)) holds in its code.

    The largest epsilon that counts is log(N - 1), of sides told apart but for one model each: with the competition's
    512 models 6.24, in a bin that both have. It takes more than 666 models to see the difference.
    """

    def as_described(epsilons: np.ndarray) -> float:
        edges = BIN_WIDTH * np.arange(14)
        return float(np.mean([sum(0.5**n * (edges[n] <= e < edges[n + 1]) for n in range(13)) for e in epsilons]))

    unlearned, retrained = np.linspace(10, 12, models)[:, None], np.linspace(-1, 2, models)[:, None]
    unlearned[0], retrained[-1] = 0, 11.5
    epsilons = example_epsilons(unlearned, retrained)
    assert epsilons == pytest.approx(np.log(models - 1), abs=0.01)
    assert forgetting_score(unlearned, retrained) == 0.5 ** np.floor(np.log(models - 1) / BIN_WIDTH)
    assert forgetting_score(unlearned, retrained, bins="paper") == as_described(epsilons)
    assert (as_described(epsilons) != forgetting_score(unlearned, retrained)) == differ


# LiRA and U-LiRA


def test_one_deviation_for_all_examples_is_another_attack() -> None:
    """tensorflow/privacy, mi_lira_2021/plot.py: with `fix_variance` also the out-models get np.std(dat_in), the
    deviation of the *in*-models, over all examples. How sure the out-models are of an example then plays no part."""
    generator = np.random.default_rng(3)
    spread, gain = np.repeat([0.1, 3.0], 300), np.repeat([0.3, 0.0], 300)  # 300 members, then 300 others
    out, attacked = generator.normal(0, spread, (32, 600)), generator.normal(gain, spread, (4, 600))
    fixed = (attacked - out.mean(axis=0)) / np.std(attacked)
    actual = lira_scores(attacked, out)
    assert mean_auc(actual[:, :300], actual[:, 300:]) > 0.95
    assert mean_auc(fixed[:, :300], fixed[:, 300:]) < 0.6


@pytest.mark.parametrize("remembered", [4.0, -4.0])
def test_the_density_of_the_offline_attack_has_two_sides_and_the_other_sign(remembered: float) -> None:
    """tensorflow/privacy, mi_lira_2021/plot.py: the score is log N(phi; out), low for members, and for over-forgotten
    examples just as low. As it is, what is remembered has an AUC near 0; negated, over-forgetting has one near 1."""
    generator = np.random.default_rng(4)
    out = generator.normal(0, 1, (64, 200))
    members, others = generator.normal(remembered, 1, (4, 200)), generator.normal(0, 1, (4, 200))

    def density(confidences: np.ndarray) -> np.ndarray:
        return np.asarray(stats.norm(out.mean(axis=0), out.std(axis=0) + 1e-30).logpdf(confidences))

    assert mean_auc(density(members), density(others)) < 0.05
    actual = mean_auc(lira_scores(members, out), lira_scores(others, out))
    assert actual > 0.95 if remembered > 0 else actual < 0.05


def test_being_right_or_wrong_has_no_normal_distribution() -> None:
    """Deep Unlearn, consolidate_predictions.py: U-LiRA on 0 and 1 instead of confidences. Where all models are right
    the deviations are 0 and p = N(A) / (N(A) + N(B)) is NaN, so that nobody is accused."""
    generator = np.random.default_rng(5)
    unlearned, retrained = generator.normal(9, 0.5, (16, 100)), generator.normal(6, 0.5, (16, 100))
    correct = [(side > 0).astype(float) for side in (unlearned, retrained)]
    with np.errstate(invalid="ignore"):
        a, b = (stats.norm(side[::2].mean(axis=0), side[::2].std(axis=0)).pdf(correct[0][1::2]) for side in correct)
        p = a / (a + b)
    assert np.isnan(p).all()
    assert not (p > 0.5).any()
    assert ulira_accuracy(log_likelihood_ratios(unlearned, retrained)) > 0.95
