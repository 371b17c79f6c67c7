"""Membership attacks against scikit-learn, brute force and simulation: values, standard errors, null bands."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

from kit.scorers import _logistic_attack
from kit.scorers import membership_inference as mia
from kit.scorers._logistic_fits import Sample
from kit.scorers.lira import mean_placements
from kit.scorers.membership_inference import (
    match_nonmembers,
    membership_auc,
    membership_auc_gap,
    membership_auc_null_band,
    membership_auc_stderr,
    mia_accuracy,
    mia_accuracy_null_band,
    mia_accuracy_stderr,
    true_positive_rate,
)
from kit.types import Comparison, Outputs, Score

PROPERTY = settings(max_examples=80, deadline=None, database=None, derandomize=True)
PAIRS = 126  # forget examples of the challenge noisy-digits

Losses = tuple[np.ndarray, np.ndarray]


def draw_losses(kind: str, pairs: int = PAIRS, seed: int = 0) -> Losses:
    """Losses of members and of non-members."""
    generator = np.random.default_rng([seed, pairs])
    if kind == "tied":
        return generator.integers(0, 4, pairs) / 4, generator.integers(0, 6, pairs) / 4
    if kind == "zero or one":
        return generator.integers(0, 2, pairs).astype(float), generator.integers(0, 2, pairs).astype(float)
    if kind == "separated":
        return generator.uniform(0, 0.5, pairs), generator.uniform(1, 4, pairs)
    if kind == "equal":
        return np.full(pairs, 0.7), np.full(pairs, 0.7)
    if kind == "skewed":
        normal = generator.normal(0, 2, (2, pairs))
        return np.minimum(np.exp(normal[0] - 4), 15), np.minimum(np.exp(normal[1] - 2), 15)
    scale = {"random": 1, "tiny": 1e-4, "huge": 1e3, "no signal": 1}[kind]
    mean = 1.0 if kind == "no signal" else 0.5
    return scale * generator.exponential(mean, pairs), scale * generator.exponential(1.0, pairs)


# The attack of the 2023 kit


@pytest.mark.parametrize("kind", ["random", "tied", "separated", "tiny", "huge", "equal", "skewed", "no signal"])
def test_mia_accuracy_is_scikit_learn_step_by_step(kind: str) -> None:
    """The 2023 kit's `simple_mia`, written out: test losses first, members labelled 1."""
    members, nonmembers = draw_losses(kind)
    x = np.concatenate((nonmembers, members)).reshape(-1, 1)
    y = np.array([0] * PAIRS + [1] * PAIRS)
    accuracies = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in StratifiedShuffleSplit(n_splits=10, random_state=0).split(x, y):
            attack = LogisticRegression().fit(x[train], y[train])
            accuracies.append((attack.predict(x[test]) == y[test]).mean())
    assert mia_accuracy(members, nonmembers) == np.mean(accuracies)


@pytest.mark.parametrize("pairs", [20, 25, 333])
def test_mia_accuracy_is_cross_val_score(pairs: int) -> None:
    members, nonmembers = draw_losses("random", pairs)
    x, y = np.concatenate([nonmembers, members])[:, np.newaxis], np.repeat([0, 1], pairs)
    cv = StratifiedShuffleSplit(n_splits=10, random_state=0)
    assert mia_accuracy(members, nonmembers) == cross_val_score(LogisticRegression(), x, y, cv=cv).mean()


@pytest.mark.parametrize("sizes", [(20, 21), (21, 20), (19, 19), (0, 0), (126, 270)])
def test_mia_accuracy_refuses_unequal_or_few_losses(sizes: tuple[int, int]) -> None:
    members, nonmembers = (np.arange(float(size)) for size in sizes)
    for attack in (mia_accuracy, mia_accuracy_null_band):
        with pytest.raises(ValueError, match=rf"given {sizes[0]} member and {sizes[1]} non-member.*at least 20"):
            attack(members, nonmembers)


# The same attack on many samples at once, behind its standard error and its null band


def fit_with_scikit_learn(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """On standardised losses with `C` to match, the same problem, where its solver stays out of numerical trouble."""
    center, scale = float(x.mean()), float(x.std())
    attack = LogisticRegression(C=scale**2, tol=1e-10, max_iter=100_000, solver="newton-cholesky")
    fitted = attack.fit((x[:, np.newaxis] - center) / scale, y)
    slope = float(fitted.coef_[0, 0]) / scale
    return slope, float(fitted.intercept_[0]) - slope * center


SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "one population": lambda generator, n: generator.exponential(size=2 * n),
    "two populations": lambda generator, n: np.concatenate(
        [generator.exponential(2, size=n), generator.exponential(size=n)]
    ),
    "members higher": lambda generator, n: np.concatenate([generator.uniform(size=n), 0.5 + generator.uniform(size=n)]),
    "separated": lambda generator, n: np.concatenate([2 + generator.uniform(size=n), generator.uniform(size=n)]),
    "just separated": lambda generator, n: np.sort(generator.exponential(size=2 * n))[::-1],
    "far from 0": lambda generator, n: 50 + generator.normal(size=2 * n) + np.repeat([1, 0], n),
    "an outlier": lambda generator, n: np.append(generator.exponential(size=2 * n - 1), 1000),
    "an outlier among the first": lambda generator, n: np.insert(generator.exponential(size=2 * n - 1), 0, 1000),
    "skewed": lambda generator, n: np.exp(2 * generator.normal(size=2 * n) + np.repeat([1, 0], n)),
    "two values": lambda generator, n: generator.integers(1, 3, 2 * n).astype(float),
}


def fitted(x: np.ndarray, y: np.ndarray, left_out: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts of the batched solver."""
    sample, part = Sample.of(x, y), np.array(left_out, np.int64)
    slope, intercept = sample.fit(np.zeros((2, len(x))), part)
    slopes: np.ndarray = slope / sample.scale[:, 0]
    return slopes, intercept - slopes * sample.center[:, 0]


@pytest.mark.parametrize("shape", SHAPES)
def test_examples_that_are_left_out_play_no_part(shape: str) -> None:
    generator, y = np.random.default_rng(1), np.repeat([0, 1], 60)
    x = np.stack([scale * SHAPES[shape](generator, 60) for scale in (0.03, 1, 30)])
    part = generator.permutation(120)[:12]
    x[:, part[0]] += 5
    kept = np.delete(np.arange(120), part)
    np.testing.assert_allclose(fitted(x, y, part), fitted(x[:, kept], y[kept]), rtol=1e-6)


@pytest.mark.parametrize("pairs", [18, 113, 400])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_batched_solver_is_scikit_learns_logistic_regression(shape: str, pairs: int) -> None:
    generator, y = np.random.default_rng(pairs), np.repeat([0, 1], pairs)
    scales = (0.03, 1, 30, 100 if shape.endswith("separated") else 1000)
    x = np.stack([scale * SHAPES[shape](generator, pairs) for scale in scales])
    slopes, intercepts = fitted(x.copy(), y)
    for sample, slope, intercept in zip(x, slopes, intercepts, strict=True):
        expected_slope, expected_intercept = fit_with_scikit_learn(sample, y)
        assert slope == pytest.approx(expected_slope, rel=1e-5)
        assert intercept == pytest.approx(expected_intercept, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("value", [0.7, 1000.0])
def test_the_batched_solver_on_constant_losses(value: float) -> None:
    x, y = np.full((3, 41), value), np.repeat([0, 1], [20, 21])
    slopes, intercepts = fitted(x, y)
    np.testing.assert_allclose(slopes * value + intercepts, np.full(3, np.log(21 / 20)), rtol=1e-6)
    y = np.repeat([0, 1], 20)
    np.testing.assert_allclose(fitted(x[:, :40], y), np.zeros((2, 3)), atol=1e-12)


def test_the_batched_solver_does_not_mix_its_samples() -> None:
    generator, y = np.random.default_rng(0), np.repeat([0, 1], 40)
    x = np.stack([shape(generator, 40) for shape in SHAPES.values()])
    together = np.array(fitted(x, y))
    alone = np.concatenate([fitted(sample[np.newaxis], y) for sample in x], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-7)


def accuracies_at_once(samples: list[Losses]) -> np.ndarray:
    queue = [np.concatenate([nonmembers, members]) for members, nonmembers in samples]
    order = iter(queue)
    return _logistic_attack._attack_draws(lambda: next(order), len(samples[0][0]), len(samples))


@pytest.mark.parametrize("kind", ["random", "tied", "separated", "equal", "skewed", "no signal", "huge"])
@pytest.mark.parametrize("pairs", [20, PAIRS])
def test_the_accuracies_at_once_are_those_one_by_one(kind: str, pairs: int) -> None:
    samples = [draw_losses(kind, pairs, seed) for seed in range(2)]
    expected = [mia_accuracy(*sample) for sample in samples]
    np.testing.assert_allclose(accuracies_at_once(samples), expected, atol=0.01)


def test_the_accuracies_at_once_are_as_blind_as_scikit_learn_where_losses_are_tiny() -> None:
    """With losses of 1e-4 nats scikit-learn's default tolerance is met before the first step."""
    sample = draw_losses("tiny", seed=1)
    assert roc_auc_score(np.repeat([0, 1], PAIRS), -np.concatenate(sample[::-1])) > 0.6
    assert mia_accuracy(*sample) == accuracies_at_once([sample])[0] == 0.5


@pytest.mark.slow
def test_memory_is_bounded_and_no_draw_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 draws of 6,000 losses are made in chunks, of which the last is short, and fitted in blocks."""
    sizes = []

    def at(sample: Sample, slope: np.ndarray, intercept: np.ndarray) -> Losses:
        sizes.append(sample.x.size)
        return np.zeros_like(sample.z), np.full_like(sample.z, 0.25)

    monkeypatch.setattr(Sample, "_at", at)
    zeros = np.zeros(6000)
    assert len(_logistic_attack._attack_draws(lambda: zeros, 3000, 1000)) == 1000
    assert max(sizes) <= 16_000
    # Of the first of a chunk, to begin at; of all, and from there to the splits. Of zeros every attack is blind.
    assert sum(sizes) == (4 + 2 * 1000) * 6000


# Where one loss is a thousand times the others, Newton's method from elsewhere than 0 may not arrive.
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "outlier" not in shape])
@pytest.mark.parametrize("pairs", [20, 113, 700])
def test_fits_without_a_part_tell_its_examples_as_the_exact_fits_do(shape: str, pairs: int) -> None:
    generator, y = np.random.default_rng(pairs), np.repeat([0.0, 1.0], pairs)
    x = np.stack([SHAPES[shape](generator, pairs) for _ in range(6)])
    parts = np.stack([generator.permutation(2 * pairs)[: pairs // 5] for _ in range(10)])
    sample = Sample.of(x, y)
    for start in (np.zeros((2, 6)), np.full((2, 6), 3.0)):
        slopes, intercepts = sample.fits_without(parts, start)
        for number, part in enumerate(parts):
            slope, intercept = sample.fit(np.zeros((2, 6)), part)
            margins = slope[:, np.newaxis] * sample.z[:, part] + intercept[:, np.newaxis]
            positive = slopes[:, [number]] * x[:, part] + intercepts[:, [number]] > 0
            clear = (abs(margins) > 1e-7) & (slopes[:, [number]] != 0)  # and where scikit-learn is not blind
            np.testing.assert_array_equal(positive[clear], margins[clear] > 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_fit_may_be_off_is_not_less_than_what_it_is_off(shape: str) -> None:
    """Of those that are read off an expansion rather than computed."""
    generator, pairs = np.random.default_rng(3), 150
    x, y = np.stack([SHAPES[shape](generator, pairs) for _ in range(6)]), np.repeat([0.0, 1.0], pairs)
    parts = np.stack([generator.permutation(2 * pairs)[:30] for _ in range(10)])
    sample = Sample.of(x, y)
    fits, errors = sample._expanded(sample.fit(np.zeros((2, 6))), parts)
    for number, part in enumerate(parts):
        exact = sample.fit(np.zeros((2, 6)), part)
        exact = sample.fit(exact, part)
        off = abs(fits[:, :, number] - exact).max(axis=0)
        assert (off <= errors[:, number]).all()


# Null band and standard error of the attack's accuracy


def null_accuracies(generator: np.random.Generator, count: int = 300) -> np.ndarray:
    return _logistic_attack._attack_draws(lambda: generator.exponential(size=2 * PAIRS), PAIRS, count)


def test_null_band_of_mia_accuracy_is_the_published_one() -> None:
    """126 and 126 losses of one population: chance gives 0.415 to 0.598."""
    bands = [mia_accuracy_null_band(*draw_losses("no signal", seed=seed)) for seed in range(3)]
    for low, high in bands:
        assert low == pytest.approx(0.415, abs=0.03)
        assert high == pytest.approx(0.598, abs=0.03)
    assert np.quantile(null_accuracies(np.random.default_rng(0), 1000), [0.025, 0.975]) == pytest.approx(
        [0.415, 0.598], abs=0.015
    )


def test_null_band_of_mia_accuracy_covers_fresh_null_data() -> None:
    generator = np.random.default_rng(1)
    accuracies = null_accuracies(generator)
    coverages = []
    for seed in range(5):
        low, high = mia_accuracy_null_band(
            generator.exponential(size=PAIRS), generator.exponential(size=PAIRS), seed=seed
        )
        coverages.append(((accuracies >= low) & (accuracies <= high)).mean())
    assert 0.9 <= np.mean(coverages) <= 0.99, coverages
    assert min(coverages) > 0.88, coverages


def test_null_band_of_mia_accuracy_is_blind_to_who_is_a_member() -> None:
    """Losses that tell members perfectly have the null band of their pool, far from their accuracy of 1."""
    members, nonmembers = draw_losses("separated")
    low, high = mia_accuracy_null_band(members, nonmembers)
    assert 0.38 < low < 0.5 < high < 0.62
    assert mia_accuracy(members, nonmembers) == 1
    assert mia_accuracy_null_band(members, nonmembers) == (low, high)
    assert mia_accuracy_null_band(members, nonmembers, seed=1) != (low, high)


@pytest.mark.parametrize("strength", [2.0, 4.0])
def test_standard_error_of_mia_accuracy_is_the_spread_of_fresh_draws(strength: float) -> None:
    generator = np.random.default_rng(2)

    def draw() -> np.ndarray:
        return np.concatenate([generator.exponential(1, PAIRS), generator.exponential(1 / strength, PAIRS)])

    truth = _logistic_attack._attack_draws(draw, PAIRS, 1000).std()
    for seed in range(3):
        nonmembers, members = np.split(draw(), 2)
        stderr = mia_accuracy_stderr(members, nonmembers, seed=seed)
        assert stderr == pytest.approx(truth, rel=0.25)
        assert mia_accuracy_stderr(members, nonmembers, seed=seed) == stderr


def test_standard_error_of_mia_accuracy_resamples_either_side_on_its_own() -> None:
    """Separated losses stay so in every resample, which leaves next to no error; resampling the pool would make one."""
    assert mia_accuracy_stderr(*draw_losses("separated")) < 0.002


# AUC


def auc_by_counting(members: np.ndarray, nonmembers: np.ndarray) -> float:
    wins = 0.0
    for member in members:
        for nonmember in nonmembers:
            wins += 1.0 if member < nonmember else 0.5 if member == nonmember else 0.0
    return wins / (len(members) * len(nonmembers))


def auc_by_scikit_learn(members: np.ndarray, nonmembers: np.ndarray) -> float:
    labels = np.repeat([1, 0], [len(members), len(nonmembers)])
    return float(roc_auc_score(labels, -np.concatenate([members, nonmembers])))


def aucs_by_ranks(members: np.ndarray, nonmembers: np.ndarray) -> np.ndarray:
    """AUC of each row by its rank sum (ties have their mean rank), for the simulations."""
    (_, k), (_, m) = members.shape, nonmembers.shape
    ranks = stats.rankdata(np.hstack([members, nonmembers]), axis=1)
    return (ranks[:, k:].sum(axis=1) - m * (m + 1) / 2) / (k * m)


some_losses = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12).map(np.array)


@PROPERTY
@given(some_losses, some_losses)
def test_auc_is_that_of_counting_and_of_scikit_learn(members: np.ndarray, nonmembers: np.ndarray) -> None:
    value = membership_auc(members, nonmembers)
    assert value == pytest.approx(auc_by_counting(members, nonmembers), abs=1e-12)
    assert value == pytest.approx(auc_by_scikit_learn(members, nonmembers), abs=1e-12)
    assert value == pytest.approx(1 - membership_auc(nonmembers, members), abs=1e-12)
    assert value == pytest.approx(membership_auc(np.exp(members), np.exp(nonmembers)), abs=1e-12)


@pytest.mark.parametrize("kind", ["random", "tied", "separated", "tiny", "huge", "equal"])
def test_auc_of_many_losses(kind: str) -> None:
    members, nonmembers = draw_losses(kind)
    nonmembers = nonmembers[:100]
    value = membership_auc(members, nonmembers)
    assert type(value) is float
    assert value == pytest.approx(auc_by_scikit_learn(members, nonmembers), abs=1e-12)
    assert value == {"separated": 1, "equal": 0.5}.get(kind, value)


@pytest.mark.parametrize("rounding", [None, 1, 0], ids=["no ties", "some ties", "many ties"])
@pytest.mark.parametrize("sizes", [(126, 126), (60, 200)])
def test_standard_error_of_auc_is_the_spread_of_fresh_draws(sizes: tuple[int, int], rounding: int | None) -> None:
    generator = np.random.default_rng(3)

    def draw() -> Losses:
        members, nonmembers = generator.exponential(0.5, sizes[0]), generator.exponential(1.0, sizes[1])
        return (members, nonmembers) if rounding is None else (members.round(rounding), nonmembers.round(rounding))

    truth = np.std([membership_auc(*draw()) for _ in range(1500)])
    stderrs = [membership_auc_stderr(*draw()) for _ in range(30)]
    np.testing.assert_allclose(stderrs, truth, rtol=0.25)
    assert np.mean(stderrs) == pytest.approx(truth, rel=0.08)


@pytest.mark.parametrize("kind", ["random", "tied", "skewed"])
def test_standard_error_of_auc_is_that_of_the_bootstrap(kind: str) -> None:
    members, nonmembers = draw_losses(kind)
    members = members[:60]
    generator = np.random.default_rng(4)
    resampled = aucs_by_ranks(generator.choice(members, (2000, 60)), generator.choice(nonmembers, (2000, PAIRS)))
    assert membership_auc_stderr(members, nonmembers) == pytest.approx(resampled.std(), rel=0.1)


def test_standard_error_of_auc_by_the_formula_of_delong() -> None:
    members, nonmembers = np.array([0.1, 0.4, 0.4, 2.0]), np.array([0.3, 0.4, 1.5])
    kernel = np.array([[1, 1, 1], [0, 0.5, 1], [0, 0.5, 1], [0, 0, 0]])
    variance = kernel.mean(axis=1).var(ddof=1) / 4 + kernel.mean(axis=0).var(ddof=1) / 3
    assert membership_auc_stderr(members, nonmembers) == pytest.approx(np.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("kind", ["random", "tied", "zero or one"])
def test_null_band_of_auc_is_that_of_dealing_at_random(kind: str) -> None:
    members, nonmembers = draw_losses(kind)
    pool, generator = np.concatenate([members, nonmembers]), np.random.default_rng(5)
    dealt = [membership_auc(*np.split(generator.permutation(pool), [60])) for _ in range(4000)]
    band = membership_auc_null_band(pool[:60], pool[60:])
    assert band == pytest.approx(np.quantile(dealt, [0.025, 0.975]), abs=0.01)
    assert (band[1] - 0.5) / stats.norm.ppf(0.975) == pytest.approx(np.std(dealt), rel=0.05)


@pytest.mark.parametrize("levels", [None, 10, 3, 2], ids=["no ties", "ten values", "three values", "two values"])
def test_identical_populations_give_no_signal_in_95_percent(levels: int | None) -> None:
    generator = np.random.default_rng(6)

    def draw() -> np.ndarray:
        return (
            generator.exponential(size=PAIRS) if levels is None else generator.integers(0, levels, PAIRS).astype(float)
        )

    inside = 0
    for _ in range(1500):
        members, nonmembers = draw(), draw()
        low, high = membership_auc_null_band(members, nonmembers)
        inside += low <= membership_auc(members, nonmembers) <= high
    assert 0.92 <= inside / 1500 <= 0.98


def test_the_null_band_of_equal_losses_is_a_point() -> None:
    members, nonmembers = draw_losses("equal")
    assert membership_auc_null_band(members, nonmembers) == (0.5, 0.5)


def test_a_memoriser_is_caught() -> None:
    """A model that has learned its members by heart in part: a third of them has a tenth of the loss."""
    generator = np.random.default_rng(7)
    caught = 0
    for _ in range(200):
        members, nonmembers = generator.exponential(size=PAIRS), generator.exponential(size=PAIRS)
        members[: PAIRS // 3] /= 10
        caught += membership_auc(members, nonmembers) > membership_auc_null_band(members, nonmembers)[1]
    assert caught / 200 > 0.85


# True positives at few false ones


def tpr_by_sweep(members: np.ndarray, nonmembers: np.ndarray, rate: float) -> float:
    labels = np.repeat([1, 0], [len(members), len(nonmembers)])
    scores = -np.concatenate([members, nonmembers])
    false_positives, true_positives, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(true_positives[false_positives <= rate + 1e-12].max())


@PROPERTY
@given(some_losses, some_losses, st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 0.9]))
def test_true_positive_rate_is_the_best_of_a_sweep(members: np.ndarray, nonmembers: np.ndarray, rate: float) -> None:
    value = true_positive_rate(members, nonmembers, false_positive_rate=rate)
    assert value == pytest.approx(tpr_by_sweep(members, nonmembers, rate), abs=1e-12)


@pytest.mark.parametrize("rounding", [None, 2, 1], ids=["no ties", "some ties", "many ties"])
@pytest.mark.parametrize("count", [100, 300, 1000, 1234])
def test_true_positive_rate_of_many_losses(count: int, rounding: int | None) -> None:
    generator = np.random.default_rng(count)
    members, nonmembers = generator.exponential(0.2, 500), 0.05 + generator.exponential(1.0, count)
    if rounding is not None:
        members, nonmembers = members.round(rounding), nonmembers.round(rounding)
    assert true_positive_rate(members, nonmembers) == pytest.approx(tpr_by_sweep(members, nonmembers, 0.01), abs=1e-12)


def test_several_models_are_attacked_at_once_as_one_by_one() -> None:
    generator = np.random.default_rng(20)
    members, nonmembers = generator.exponential(0.5, (5, 40)), generator.exponential(1.0, (5, 40))
    one_by_one = [mia_accuracy(*pair) for pair in zip(members, nonmembers, strict=True)]
    np.testing.assert_allclose(mia.mia_accuracies(members, nonmembers), one_by_one, rtol=0, atol=1e-12)
    assert mia.mia_accuracies(members[:1], nonmembers[:1]).tolist() == one_by_one[:1]


def test_the_models_of_a_large_population_are_attacked_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(21)
    members, nonmembers = generator.exponential(size=(7, 30)), generator.exponential(size=(7, 30))
    whole = mia.mia_accuracies(members, nonmembers)
    monkeypatch.setattr(_logistic_attack, "_FITTED_AT_ONCE", 3 * 60)
    np.testing.assert_array_equal(mia.mia_accuracies(members, nonmembers), whole)


# The gap to the retrained models


def shared_difficulty(
    generator: np.random.Generator, models: int, *, leak: float = 0.0, noise: float = 0.5, shift: float = 0.1
) -> Losses:
    """Exchangeable models: difficulty of each example in common, noise of each model, a shift of each on the members.

    The member losses of model 0 are lower by `leak`, in log space.
    """
    members, nonmembers = (
        generator.normal(size=PAIRS) + noise * generator.normal(size=(models, PAIRS)) for _ in range(2)
    )
    members += shift * generator.normal(size=(models, 1))
    members[0] -= leak
    return np.exp(members), np.exp(nonmembers)


def gap_to_the_rest(losses: Losses, first: int = 0) -> tuple[float, float]:
    """Model `first` against all that come after it."""
    members, nonmembers = losses
    model, rest = slice(first, first + 1), slice(first + 1, None)
    return membership_auc_gap((members[model], nonmembers[model]), (members[rest], nonmembers[rest]))


@pytest.mark.parametrize("models", [1, 3])
def test_gap_is_the_difference_of_scikit_learns_aucs(models: int) -> None:
    members, nonmembers = shared_difficulty(np.random.default_rng(8), 7)
    aucs = [auc_by_scikit_learn(*pair) for pair in zip(members, nonmembers, strict=True)]
    gap, stderr = membership_auc_gap((members[:models], nonmembers[:models]), (members[models:], nonmembers[models:]))
    assert gap == pytest.approx(np.mean(aucs[:models]) - np.mean(aucs[models:]), abs=1e-12)
    assert 0 < stderr < 0.2
    assert type(gap) is type(stderr) is float


def test_over_forgetting_is_below_0_and_a_leak_above() -> None:
    generator = np.random.default_rng(9)
    gaps = [gap_to_the_rest(shared_difficulty(generator, 7, leak=leak)) for leak in (-1.0, 1.0)]
    assert gaps[0][0] < -4 * gaps[0][1]
    assert gaps[1][0] > 4 * gaps[1][1]


@pytest.mark.parametrize("models", [1, 4])
def test_the_error_of_the_gap_is_the_spread_of_the_models_aucs_alone(models: int) -> None:
    """Over new trainings: SciPy's Welch test has the same interval; a single model varies like a retrained one."""
    members, nonmembers = shared_difficulty(np.random.default_rng(10), models + 6, shift=0.3)
    gap = mia.auc_gap((members[:models], nonmembers[:models]), (members[models:], nonmembers[models:]))
    values = aucs_by_ranks(members, nonmembers)
    if models > 1:
        expected = stats.ttest_ind(values[:models], values[models:], equal_var=False).confidence_interval()
        assert gap.interval == pytest.approx(tuple(expected), abs=1e-12)
    else:
        assert gap.stderr == pytest.approx(values[1:].std(ddof=1) * np.sqrt(1 + 1 / 6), rel=1e-12)
        assert gap.interval[1] - gap.value == pytest.approx(stats.t(5).ppf(0.975) * gap.stderr, rel=1e-9)


def test_of_one_model_against_one_the_error_is_over_examples_and_paired() -> None:
    """By a bootstrap with the same examples for both."""
    generator = np.random.default_rng(10)
    members, nonmembers = shared_difficulty(generator, 2, shift=0.3)
    resampled = []
    for _ in range(1000):
        chosen = generator.integers(0, PAIRS, size=(2, PAIRS))
        values = aucs_by_ranks(members[:, chosen[0]], nonmembers[:, chosen[1]])
        resampled.append(values[0] - values[1])
    _, stderr = membership_auc_gap((members[:1], nonmembers[:1]), (members[1:], nonmembers[1:]))
    assert stderr == pytest.approx(np.std(resampled, ddof=1), rel=0.1)


def test_the_standard_error_of_the_gap_covers_exchangeable_models() -> None:
    """Models as good as retrained: the gap is noise, and the interval holds it; with six references or five."""
    generator = np.random.default_rng(11)
    worlds = [shared_difficulty(generator, 7) for _ in range(400)]
    for first in (0, 1):  # model 0 against six others, model 1 against five
        model, rest = slice(first, first + 1), slice(first + 1, None)
        gaps = [mia.auc_gap(tuple(side[model] for side in pair), tuple(side[rest] for side in pair)) for pair in worlds]
        assert 0.91 <= np.mean([gap.interval[0] < 0 < gap.interval[1] for gap in gaps]) <= 0.98, first
        values, stderrs = np.array([(gap.value, gap.stderr) for gap in gaps]).T
        assert np.sqrt((stderrs**2).mean()) == pytest.approx(values.std(), rel=0.1), first


def test_a_leak_is_outside_the_noise() -> None:
    """A leak of half the examples' spread of difficulty: an AUC of about 0.63."""
    generator = np.random.default_rng(12)
    outside = []
    for _ in range(60):
        gap, stderr = gap_to_the_rest(shared_difficulty(generator, 7, leak=0.5))
        outside.append(gap > 2 * stderr)
    assert np.mean(outside) >= 0.9


def test_the_gap_is_more_certain_than_two_aucs_of_their_own() -> None:
    """Models find the same examples hard: in the difference the luck of the sample cancels out."""
    generator = np.random.default_rng(13)
    for _ in range(5):
        members, nonmembers = shared_difficulty(generator, 7, noise=0.3, shift=0.0)
        _, paired = gap_to_the_rest((members, nonmembers))
        alone = [membership_auc_stderr(*pair) for pair in zip(members[:2], nonmembers[:2], strict=True)]
        assert paired < 0.5 * np.hypot(*alone)


def test_the_gap_of_a_model_to_its_copies_is_0_for_certain() -> None:
    members, nonmembers = shared_difficulty(np.random.default_rng(14), 1)
    copies = np.repeat(members, 4, axis=0), np.repeat(nonmembers, 4, axis=0)
    assert gap_to_the_rest(copies) == pytest.approx((0, 0), abs=1e-12)


# Members and non-members of the same kind

strata = st.lists(st.integers(0, 4), max_size=30).map(lambda values: np.array(values, int))


@PROPERTY
@given(strata, strata, st.integers(0, 100))
def test_matched_members_and_nonmembers_have_the_same_mix(
    member_strata: np.ndarray, candidate_strata: np.ndarray, seed: int
) -> None:
    members, nonmembers = match_nonmembers(member_strata, candidate_strata, seed=seed)
    expected = Counter(member_strata.tolist()) & Counter(candidate_strata.tolist())  # the smaller count of each
    for indices, of in ((members, member_strata), (nonmembers, candidate_strata)):
        assert indices.dtype == np.int64
        assert np.all(np.diff(indices) > 0)  # sorted, no duplicates
        assert Counter(of[indices].tolist()) == expected


def test_matching_is_a_seeded_draw_from_the_larger_side() -> None:
    member_strata, candidate_strata = np.repeat([0, 1], [10, 200]), np.repeat([0, 1, 2], [100, 20, 50])
    draws = [match_nonmembers(member_strata, candidate_strata, seed=seed) for seed in (0, 0, 1)]
    for side in range(2):
        np.testing.assert_array_equal(draws[0][side], draws[1][side])
        assert not np.array_equal(draws[0][side], draws[2][side])
        assert len(draws[0][side]) == 30
    hits = np.zeros(100)
    for seed in range(500):
        hits[match_nonmembers(member_strata, candidate_strata, seed=seed)[1][:10]] += 1
    assert hits.min() > 20  # 50 are expected of each, 7 is the standard deviation
    assert hits.max() < 85


def test_strata_may_be_text() -> None:
    members, nonmembers = match_nonmembers(np.array(["ann", "bob", "bob"]), np.array(["bob", "cat"]))
    assert len(members) == 1
    assert members[0] in (1, 2)
    assert nonmembers.tolist() == [0]


# Scores


def comparison(pairs: int, nonmembers: int, *, unlearned: int = 1, retrained: int = 2) -> Comparison:
    """Two classes: logits (0, x) of an example of class 1 mean a loss of log(1 + exp(-x))."""
    generator = np.random.default_rng(16)
    sizes = {"forget": pairs + 3, "test": nonmembers + 5}
    labels = {part: np.ones(size, int) for part, size in sizes.items()}

    def outputs(method: str, models: int, advantage: float) -> Outputs:
        margins = {part: generator.normal(size=(models, size)) for part, size in sizes.items()}
        margins["forget"] += advantage
        logits = {part: np.stack([np.zeros_like(margin), margin], axis=-1) for part, margin in margins.items()}
        return Outputs.of_logits(method, logits, labels, seconds=np.ones(models), seeds=np.arange(models))

    members, others = generator.permutation(pairs + 3)[:pairs], generator.permutation(nonmembers + 5)[:nonmembers]
    return Comparison(outputs("method", unlearned, 2.0), outputs("retrain", retrained, 0.0), members, others, "", 1.0)


def losses_by_hand(outputs: Outputs, given: Comparison) -> Losses:
    margins = (outputs.logits[part][..., 1].astype(float) for part in ("forget", "test"))
    members, nonmembers = (np.log1p(np.exp(-margin)) for margin in margins)
    return members[:, given.members], nonmembers[:, given.nonmembers]


def by_name(given: Comparison) -> dict[str, Score]:
    return {score.name: score for score in mia.score(given)}


def test_scores_compare_the_chosen_examples_of_forget_and_test() -> None:
    given = comparison(30, 30, unlearned=2)
    scores = by_name(given)
    unlearned, retrained = losses_by_hand(given.unlearned, given), losses_by_hand(given.retrained, given)
    for name, attack in (("mia_accuracy", mia_accuracy), ("mia_auc", auc_by_scikit_learn)):
        values, targets = ([attack(*pair) for pair in zip(*losses, strict=True)] for losses in (unlearned, retrained))
        assert scores[name].value == pytest.approx(np.mean(values), abs=1e-9)
        assert scores[name].target == pytest.approx(np.mean(targets), abs=1e-9)
    first = unlearned[0][0], unlearned[1][0]
    aucs = [[auc_by_scikit_learn(*pair) for pair in zip(*losses, strict=True)] for losses in (unlearned, retrained)]
    assert scores["mia_auc"].null_band == pytest.approx(membership_auc_null_band(*first), abs=1e-9)
    placed = mean_placements(*(-losses for losses in unlearned))
    over_examples = sum(side.var(ddof=1) / len(side) for side in placed)
    assert scores["mia_auc"].stderr == pytest.approx(np.hypot(np.sqrt(over_examples), stats.sem(aucs[0])), rel=1e-6)
    welch = stats.ttest_ind(*aucs, equal_var=False).confidence_interval()
    assert scores["mia_auc"].gap_interval == pytest.approx(tuple(welch), abs=1e-6)
    assert scores["mia_gap"].interval == scores["mia_auc"].gap_interval
    assert scores["mia_accuracy"].null_band == pytest.approx(mia_accuracy_null_band(*first), abs=1e-9)
    gap, stderr = membership_auc_gap(unlearned, retrained)
    assert scores["mia_gap"].value == pytest.approx(gap, abs=1e-9)
    assert scores["mia_gap"].value == pytest.approx(scores["mia_auc"].value - scores["mia_auc"].target, abs=1e-9)
    assert scores["mia_gap"].value > 2 * scores["mia_gap"].stderr > 0
    assert scores["mia_gap"].stderr == pytest.approx(stderr, rel=1e-4)
    assert scores["mia_gap"].target == 0


def test_without_an_attack_every_score_says_why() -> None:
    given = dataclasses.replace(
        comparison(40, 40), members=np.array([], int), nonmembers=np.array([], int), attack_impossible="class 5 is gone"
    )
    scores = by_name(given)
    assert list(scores) == [info.name for info in mia.SCORES]
    for score in scores.values():
        assert (score.value, score.stderr, score.target, score.null_band) == (None, None, None, None)
        assert score.reason == "class 5 is gone"


@pytest.mark.parametrize("count", [999, 1000])
def test_true_positives_need_ten_false_ones(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(_logistic_attack, "mia_accuracy", lambda *losses: 0.5)
    monkeypatch.setattr(mia, "mia_accuracy_stderr", lambda *losses: 0.5)
    monkeypatch.setattr(mia, "mia_accuracy_null_band", lambda *losses: (0.4, 0.6))
    given = comparison(count, count, unlearned=2)
    score = by_name(given)["mia_tpr_at_1pct_fpr"]
    if count == 999:
        assert (score.value, score.stderr, score.target) == (None, None, None)
        assert "needs at least 1,000 test examples, and there are 999" in score.reason
        return
    assert score.reason == ""
    unlearned, retrained = losses_by_hand(given.unlearned, given), losses_by_hand(given.retrained, given)
    values, targets = (
        [tpr_by_sweep(*pair, 0.01) for pair in zip(*losses, strict=True)] for losses in (unlearned, retrained)
    )
    assert score.value == pytest.approx(np.mean(values), abs=1e-9)
    assert score.target == pytest.approx(np.mean(targets), abs=1e-9)
    assert score.value > score.target
    # Over examples the threshold varies too: more than the binomial error of the share, and the seeds on top of it.
    share = values[0]
    binomial = np.sqrt(share * (1 - share) / count)
    assert np.hypot(binomial, stats.sem(values)) < score.stderr < 5 * np.hypot(binomial, stats.sem(values))
