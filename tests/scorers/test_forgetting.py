"""The competition's forgetting score against an oracle that compares every model with every threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from kit.scorers import _forgetting_points
from kit.scorers.forgetting import example_epsilons, forgetting_score, logit_scaled_confidence

PROPERTY = settings(max_examples=60, deadline=None, database=None, derandomize=True)
DELTA = 1e-5
STEP = 4 / 399  # between two neighbouring thresholds of the 400
GUARD = math.log(1 + 1e-45) - math.log(1e-45)  # 103.6: the most confident that a model can be

Confidences = tuple[np.ndarray, np.ndarray]  # unlearned, retrained: models x examples


# The oracle: no sorting and no searching; each model is compared with each of the thresholds


def threshold_epsilon(fpr: float, fnr: float, delta: float) -> float | None:
    """Epsilon of one threshold, None where it is discarded."""
    if fpr == 0 and fnr == 0:
        return math.inf
    if fpr == 0 or fnr == 0:
        return None
    bounds = []
    for first, second in ((fpr, fnr), (fnr, fpr)):
        inside = 1 - delta - first
        if inside == 0:
            bounds.append(-math.inf)
        elif inside > 0:
            bounds.append(math.log(inside) - math.log(second))
    return max(0, *bounds) if bounds else None


def counted_rates(false_positives: np.ndarray, false_negatives: np.ndarray, models: int) -> set[tuple[float, float]]:
    """The different pairs of rates among those of all thresholds."""
    counts = np.bincount(false_positives.astype(int) * (models + 1) + false_negatives)
    codes = np.flatnonzero(counts)
    return {(code // (models + 1) / models, code % (models + 1) / models) for code in codes.tolist()}


def number_of(actual: Iterable[np.ndarray]) -> np.ndarray:
    """How many models are found at each threshold, from a row of booleans a model."""
    rows = iter(actual)
    total = next(rows).astype(np.int16)
    for row in rows:
        total += row
    return total


def single_rates(unlearned: np.ndarray, retrained: np.ndarray) -> set[tuple[float, float]]:
    if np.median(retrained) > np.median(unlearned):
        positive, negative = retrained, unlearned
    else:
        positive, negative = unlearned, retrained
    low = min(unlearned.min(), retrained.min())
    high = max(unlearned.max(), retrained.max())
    thresholds = np.linspace(low, high, math.ceil((high - low) * 100))
    false_positives = number_of(value >= thresholds for value in negative)
    false_negatives = number_of(value < thresholds for value in positive)
    return counted_rates(false_positives, false_negatives, len(positive))


def double_rates(unlearned: np.ndarray, retrained: np.ndarray) -> set[tuple[float, float]]:
    unlearned_range, retrained_range = (values.max() - values.min() for values in (unlearned, retrained))
    if unlearned_range == retrained_range:
        unlearned_is_positive = np.median(retrained) > np.median(unlearned)
    else:
        unlearned_is_positive = unlearned_range < retrained_range
    positive, negative = (unlearned, retrained) if unlearned_is_positive else (retrained, unlearned)
    width = positive.max() - positive.min()
    rights = np.linspace(positive.min() + width - 2, positive.max() + 2, 400)
    left = np.linspace(rights - width - 2, rights - width + 2, 400, axis=1).ravel()
    right = np.repeat(rights, 400)
    false_positives = number_of((left <= value) & (value <= right) for value in negative)
    false_negatives = number_of((value < left) | (right < value) for value in positive)
    return counted_rates(false_positives, false_negatives, len(positive))


def oracle_epsilon(unlearned: np.ndarray, retrained: np.ndarray, delta: float = DELTA) -> float:
    """Epsilon of one example from the confidences of all models."""
    narrow, wide = sorted(values.max() - values.min() for values in (unlearned, retrained))
    if wide == 0 or narrow / wide < 0.01:
        return 50
    rates = single_rates(unlearned, retrained) | double_rates(unlearned, retrained)
    survivors = [epsilon for pair in rates if (epsilon := threshold_epsilon(*pair, delta)) is not None]
    return min(max(survivors), 50) if survivors else 50


def oracle_epsilons(unlearned: np.ndarray, retrained: np.ndarray, delta: float = DELTA) -> np.ndarray:
    columns = zip(unlearned.T.astype(float), retrained.T.astype(float), strict=True)
    return np.array([oracle_epsilon(*pair, delta) for pair in columns])


def oracle_points(epsilon: float, bins: int) -> float:
    for index in range(bins):
        if index / 2 <= epsilon < (index + 1) / 2:
            return 0.5**index
    return 0


def oracle_score(unlearned: np.ndarray, retrained: np.ndarray, bins: int, delta: float = DELTA) -> float:
    return float(np.mean([oracle_points(e, bins) for e in oracle_epsilons(unlearned, retrained, delta)]))


def check(unlearned: np.ndarray, retrained: np.ndarray, delta: float = DELTA) -> np.ndarray:
    """Epsilons are the oracle's; what was handed in is as it was."""
    before = unlearned.copy(), retrained.copy()
    epsilons = example_epsilons(unlearned, retrained, delta=delta)
    assert epsilons.dtype == np.float64
    np.testing.assert_allclose(epsilons, oracle_epsilons(unlearned, retrained, delta), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(unlearned, before[0])
    np.testing.assert_array_equal(retrained, before[1])
    return epsilons


# Golden vectors, computed apart from this code base


GOLDEN = [
    (
        (0, 64, 8, 5.0, 1.5),
        [1.791653, 1.791653, 2.302521, 1.386134, 1.386134, 1.945819, 1.386134, 2.197153],
        0.15625,
    ),
    (
        (0, 64, 8, 5.75, 1.2),
        [1.386134, 2.484853, 3.21885, 2.397837, 1.945819, 2.197153, 2.140029, 2.639012],
        0.083984375,
    ),
    ((1, 128, 6, 4.0, 2.5), [3.332159, 3.583483, 2.995668, 3.784161, 3.465696, 3.295789], 0.015625),
    ((2, 512, 6, 5.0, 1.5), [1.385654, 1.096904, 1.608413, 2.302073, 1.608413, 2.251022], 0.1458333),
]


def draw_golden(seed: int, models: int, examples: int, mean: float, scale: float) -> Confidences:
    generator = np.random.default_rng(seed)
    retrained = generator.normal(5, 1.5, (models, examples))
    return generator.normal(mean, scale, (models, examples)), retrained


@pytest.mark.parametrize(("draw", "epsilons", "score"), GOLDEN)
def test_golden_vectors(draw: tuple[int, int, int, float, float], epsilons: list[float], score: float) -> None:
    unlearned, retrained = draw_golden(*draw)
    np.testing.assert_allclose(example_epsilons(unlearned, retrained), epsilons, rtol=0, atol=1e-5)
    assert forgetting_score(unlearned, retrained) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(("draw", "epsilons", "score"), GOLDEN)
def test_the_oracle_gives_the_golden_vectors(
    draw: tuple[int, int, int, float, float], epsilons: list[float], score: float
) -> None:
    unlearned, retrained = (values[:, :2] for values in draw_golden(*draw))
    np.testing.assert_allclose(oracle_epsilons(unlearned, retrained), epsilons[:2], rtol=0, atol=1e-5)


# Against the oracle


def normal(mean: float = 0, scale: float = 1) -> Callable[..., np.ndarray]:
    return lambda generator, shape: generator.normal(mean, scale, shape)


def whole(low: int, high: int, unit: float = 1) -> Callable[..., np.ndarray]:
    """Multiples of a unit."""
    return lambda generator, shape: unit * generator.integers(low, high, shape)


def bimodal(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return generator.normal(0, 0.3, shape) + 6 * generator.integers(0, 2, shape)


def heavy_tailed(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.clip(generator.standard_cauchy(shape), -200, 200)


def extreme(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return generator.choice([1e3, -GUARD, -103, 0.0], shape)


def constant(value: float) -> Callable[..., np.ndarray]:
    return lambda generator, shape: np.full(shape, value)


Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

KINDS: dict[str, tuple[Draw, Draw]] = {
    "one distribution": (normal(5, 1.5), normal(5, 1.5)),
    "shifted": (normal(5.8, 1.2), normal(5, 1.5)),
    "shifted the other way": (normal(3, 2.5), normal(5, 1.5)),
    "just separated": (normal(9, 1), normal(5, 1)),
    "narrow in wide": (normal(5, 0.1), normal(5, 2)),
    "rounded": (lambda g, shape: g.normal(5, 1, shape).round(1), lambda g, shape: g.normal(5, 1.5, shape).round(1)),
    "hundredths": (whole(-40, 40, 0.01), whole(-60, 20, 0.01)),
    "steps of the thresholds": (whole(-300, 300, STEP), whole(-500, 100, STEP)),
    "few steps of the thresholds": (whole(0, 5, STEP), whole(0, 5, STEP)),
    "integers": (whole(0, 6), whole(2, 9)),
    "zero or one": (whole(0, 2), whole(0, 2)),
    "constant": (constant(3.3), constant(3.3)),
    "two constants": (constant(3.3), constant(4.4)),
    "unlearned constant": (constant(5.0), normal(5, 1.5)),
    "retrained constant": (normal(5, 1.5), constant(5.0)),
    "bimodal": (bimodal, bimodal),
    "bimodal and not": (bimodal, normal(3, 2)),
    "extreme": (extreme, extreme),
    "extreme and not": (normal(0, 40), extreme),
    "heavy tails": (heavy_tailed, heavy_tailed),
    "tiny ranges": (normal(5, 1e-3), normal(5, 2e-3)),
    "tiny ranges far out": (normal(-100, 1e-6), normal(-100, 1e-6)),
    "one threshold": (whole(0, 9, 1e-3), whole(0, 9, 1e-3)),
}


@pytest.mark.parametrize("models", [3, 8, 37])
@pytest.mark.parametrize("kind", KINDS)
def test_epsilons_are_the_oracles(kind: str, models: int) -> None:
    generator = np.random.default_rng([models, len(kind)])
    unlearned, retrained = (draw(generator, (models, 3)) for draw in KINDS[kind])
    check(unlearned, retrained)


@pytest.mark.slow
@pytest.mark.parametrize("models", [4, 5, 16, 64, 65])
@pytest.mark.parametrize("kind", KINDS)
def test_epsilons_are_the_oracles_more_often(kind: str, models: int) -> None:
    generator = np.random.default_rng([models, len(kind), 1])
    unlearned, retrained = (draw(generator, (models, 8)) for draw in KINDS[kind])
    check(unlearned, retrained)


@pytest.mark.parametrize("delta", [0, 1e-9, 1e-3, 0.125, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["one distribution", "integers", "just separated"])
def test_epsilons_at_other_deltas(kind: str, delta: float) -> None:
    """With 8 models, a rate of 7/8 and a delta of 1/8 take the logarithm of 0."""
    generator = np.random.default_rng(8)
    unlearned, retrained = (draw(generator, (8, 3)) for draw in KINDS[kind])
    check(unlearned, retrained, delta)


@st.composite
def confidences(draw: st.DrawFn) -> Confidences:
    """Few models, many ties with one another and with thresholds: multiples of what thresholds are made of."""
    models, unit = draw(st.integers(3, 9)), draw(st.sampled_from([STEP, STEP / 2, 0.01, 0.07, 0.1, 1 / 3, 1.0, 4.0]))
    offset = draw(st.sampled_from([0.0, 0.1, 1 / 3, 5.3, -100.0]))
    multiples = st.lists(st.integers(-12, 12), min_size=models, max_size=models)
    unlearned, retrained = (np.array(draw(multiples)).reshape(-1, 1) * unit + offset for _ in range(2))
    return unlearned, retrained


@PROPERTY
@given(confidences())
def test_epsilons_where_values_are_thresholds(pair: Confidences) -> None:
    check(*pair)


def nudge(generator: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Moves each value by up to 2 of the smallest steps there are."""
    return values + generator.integers(-2, 3, values.shape) * np.spacing(values)


@pytest.mark.parametrize("width", [0.01, 0.07, 0.29, 0.57, 1.1, 9.07, 9.29, 11.13, 12.004])
@pytest.mark.parametrize("low", [0.1, 1.1, -5.3])
def test_values_taken_from_the_single_thresholds(low: float, width: float) -> None:
    """How many there are, a rounding decides. In the middle of wide ranges there are no double thresholds."""
    generator, high = np.random.default_rng(0), low + width
    grid = np.linspace(low, high, math.ceil((high - low) * 100))
    middle = grid[len(grid) // 2 - 1 :][:3]
    unlearned, retrained = generator.choice(grid if width < 9 else middle, (2, 9, 8))
    retrained = nudge(generator, retrained)
    unlearned[0], retrained[0], unlearned[1], retrained[1] = low, low, high, high
    check(unlearned, retrained)


@pytest.mark.parametrize("low", [0.0, 0.1, 5.3, -103.6])
def test_values_taken_from_the_double_thresholds(low: float) -> None:
    """The models of the wide side sit on left and right thresholds that the narrow side defines."""
    generator = np.random.default_rng(1)
    narrow = low + np.append(generator.uniform(0, 1, 7), [0, 1])
    right = np.linspace(narrow.min() + np.ptp(narrow) - 2, narrow.max() + 2, 400)
    left = np.linspace(right - np.ptp(narrow) - 2, right - np.ptp(narrow) + 2, 400)
    wide = np.stack(
        [generator.choice(right, 9), generator.choice(left.ravel(), 9), generator.choice(np.diagonal(left[::-1]), 9)]
    ).T
    narrow = np.repeat(narrow[:, np.newaxis], 3, axis=1)
    check(narrow, wide)
    check(wide, narrow)


@pytest.mark.parametrize(
    ("low", "high"), [(-4.0, 4.47), (-3.15, 6.36), (-1.15, 5.03), (1.19, 5.31), (0.1, 6), (5.3, 11.4), (-103.6, -98.3)]
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_values_at_the_outermost_double_thresholds(side: str, low: float, high: float) -> None:
    """There a place belongs to one pair only, and which models it divides depends on how it was computed."""
    generator = np.random.default_rng(2)
    if side == "left":
        place = high + 2 - (high - low) + 2  # the last left threshold of the last right one
        beside, inside, outside = place - 0.003, place + 0.05, [low - 10, high + 50]
    else:
        place = low + (high - low) - 2  # the first right threshold
        beside, inside, outside = place + 0.003, place - 0.05, [low - 50, high + 10]
    narrow = generator.choice([place, place, inside, inside, beside], (9, 12))
    wide = generator.choice([place, place, beside, beside, inside], (9, 12))
    narrow[:2], wide[:2] = [[low], [high]], np.reshape(outside, (2, 1))
    narrow[3:], wide[3:] = nudge(generator, narrow[3:]), nudge(generator, wide[3:])
    check(narrow, wide)


@pytest.mark.parametrize("index", [1, 57, 150, 198])
def test_where_only_the_first_left_threshold_reaches_epsilon(index: int) -> None:
    """It keeps a model that the next one does not; of the right ones before, none keeps as many of the narrow side."""
    low, high = 5.3, 8.4
    left, right = low - 4 + index * STEP, high - 2 + index * STEP
    narrow = np.array([low, low + 0.1, low + 0.2, low + 0.3, *[right - STEP / 2] * 4, high])
    wide = np.array([left + STEP / 2, *[high - 0.005] * 3, *[low - 50] * 2, *[high + 50] * 3])
    epsilons = check(narrow[:, np.newaxis], wide[:, np.newaxis])
    assert epsilons == pytest.approx(math.log(8), abs=1e-4)


@pytest.mark.parametrize("index", [1, 57, 150, 198])
def test_where_only_the_last_left_threshold_reaches_epsilon(index: int) -> None:
    """The one before keeps more of the wide side, and so does the next right one."""
    low, high = 5.3, 8.4
    left, right = low + index * STEP, high - 2 + index * STEP
    narrow = np.array([low, *np.linspace(left + 0.1, right - 0.1, 7), high])
    wide = np.array([*[left - STEP / 2] * 3, *[right + STEP / 2] * 3, left + 0.5, low - 50, high + 50])
    epsilons = check(narrow[:, np.newaxis], wide[:, np.newaxis])
    assert epsilons == pytest.approx(math.log(7), abs=1e-4)


def test_equal_ranges_turn_the_positive_side_round() -> None:
    """Double thresholds then enclose the side that single thresholds call negative."""
    unlearned = np.array([[0.0], [0.0], [0.1], [0.2], [8.0]])
    retrained = np.array([[0.0], [7.0], [7.5], [7.6], [8.0]])
    check(unlearned, retrained)
    check(retrained, unlearned)


def test_equal_medians_make_the_unlearned_models_positive() -> None:
    unlearned = np.array([[1.0], [5.0], [5.0], [5.0], [5.5]])
    retrained = np.array([[4.0], [4.5], [5.0], [9.0], [9.0]])
    check(unlearned, retrained)
    check(retrained, unlearned)


@pytest.mark.parametrize(("narrow", "guarded"), [(0.0099, True), (0.01, False), (0.0101, False)])
def test_a_hundredth_of_the_range_is_wide_enough(narrow: float, guarded: bool) -> None:
    retrained = np.array([[0.0], [0.25], [0.5], [0.5], [1.0]])
    unlearned = np.array([[0.0], [0.0], [narrow], [narrow], [narrow]])
    epsilons = check(unlearned, retrained)
    assert (epsilons == 50).all() == guarded
    np.testing.assert_array_equal(check(retrained, unlearned) == 50, guarded)


@pytest.mark.parametrize("models", [3, 7, 64])
def test_the_same_models_on_both_sides(models: int) -> None:
    """Not 0: what every double threshold keeps of one side, it keeps of the other, and what is left is chance."""
    retrained = np.random.default_rng(models).normal(5, 1.5, (models, 4))
    epsilons = check(retrained.copy(), retrained)
    np.testing.assert_array_equal(epsilons, 0)
    assert forgetting_score(retrained.copy(), retrained) == 1


def test_every_threshold_discarded_is_no_points() -> None:
    """A public copy gave full points. No rate but 0 is below 1 - delta here, and no threshold separates the sides."""
    unlearned, retrained = np.random.default_rng(0).normal(5, 1.5, (2, 8, 5))
    np.testing.assert_array_equal(check(unlearned, retrained, delta=0.9), 50)
    assert forgetting_score(unlearned, retrained, delta=0.9) == 0
    assert forgetting_score(unlearned, retrained) > 0


# The score


@pytest.mark.parametrize("models", [3, 12, 64])
def test_unlearning_that_always_gives_the_same_model_scores_nothing(models: int) -> None:
    retrained = np.random.default_rng(0).normal(5, 1.5, (models, 5))
    np.testing.assert_array_equal(example_epsilons(np.full((models, 5), 5.0), retrained), 50)
    assert forgetting_score(np.full((models, 5), 5.0), retrained) == 0
    assert forgetting_score(np.full((models, 5), 5.0), np.full((models, 5), 5.0)) == 0


@pytest.mark.parametrize("distance", [20.0, -20.0])
def test_separated_models_score_nothing(distance: float) -> None:
    unlearned, retrained = np.random.default_rng(0).normal(0, 1, (2, 30, 5))
    np.testing.assert_array_equal(check(unlearned + distance, retrained), 50)
    assert forgetting_score(unlearned + distance, retrained) == 0


@pytest.mark.parametrize(
    ("models", "bins", "expected"),
    [
        (512, "released", 14),
        (64, "released", 10),
        (22, "released", 8),
        (21, "released", 6),
        (9, "released", 6),
        (8, "released", 4),
        (3, "released", 2),
        (512, "paper", 13),
        (64, "paper", 13),
        (3, "paper", 13),
    ],
)
def test_points_at_the_edges_of_the_bins(
    monkeypatch: pytest.MonkeyPatch, models: int, bins: str, expected: int
) -> None:
    """A bin has its lower edge and not its upper one; from the last edge on there are no points."""
    edges = np.arange(0, 16, 0.5)
    epsilons = np.concatenate([edges, np.nextafter(edges[1:], 0), edges + 0.25, [50.0]])
    monkeypatch.setattr(_forgetting_points, "example_epsilons", lambda unlearned, retrained, *, delta=DELTA: epsilons)
    some = np.random.default_rng(0).normal(size=(2, models, len(epsilons)))
    points = [oracle_points(epsilon, expected) for epsilon in epsilons]
    assert forgetting_score(*some, bins=bins) == pytest.approx(np.mean(points), rel=1e-12)
    for epsilon in epsilons:
        monkeypatch.setattr(
            _forgetting_points, "example_epsilons", lambda u, r, *, delta=DELTA, e=epsilon: np.array([e])
        )
        assert forgetting_score(*some[:, :, :1], bins=bins) == oracle_points(epsilon, expected)


@pytest.mark.parametrize(("models", "expected"), [(3, 2), (4, 4), (16, 6), (20, 6)])
def test_the_score_is_the_mean_of_the_points(models: int, expected: int) -> None:
    unlearned, retrained = draw_golden(5, models, 8, 5.3, 1.2)
    score = forgetting_score(unlearned, retrained)
    assert isinstance(score, float)
    assert score == pytest.approx(oracle_score(unlearned, retrained, expected), rel=1e-12)
    assert forgetting_score(unlearned, retrained, bins="released") == score
    paper = forgetting_score(unlearned, retrained, bins="paper", delta=0.1)
    assert paper == pytest.approx(oracle_score(unlearned, retrained, 13, delta=0.1), rel=1e-12)


# Symmetries


@pytest.mark.parametrize("kind", ["shifted", "rounded", "bimodal", "steps of the thresholds", "integers"])
def test_neither_the_order_of_models_nor_of_examples_matters(kind: str) -> None:
    generator = np.random.default_rng(3)
    unlearned, retrained = (draw(generator, (19, 7)) for draw in KINDS[kind])
    epsilons, order = example_epsilons(unlearned, retrained), generator.permutation(7)
    mixed = generator.permutation(unlearned), generator.permutation(retrained)
    np.testing.assert_array_equal(example_epsilons(*mixed), epsilons)
    np.testing.assert_array_equal(example_epsilons(unlearned[:, order], retrained[:, order]), epsilons[order])
    for index, epsilon in enumerate(epsilons):  # nor which other examples there are
        column = slice(index, index + 1)
        assert example_epsilons(unlearned[:, column], retrained[:, column]) == [epsilon]


@pytest.mark.parametrize("kind", ["shifted", "bimodal and not", "heavy tails", "narrow in wide", "one distribution"])
def test_the_two_sides_can_be_swapped_unless_their_medians_tie(kind: str) -> None:
    """Which one is positive depends on medians and ranges, and epsilon on both of its errors alike."""
    generator = np.random.default_rng(4)
    unlearned, retrained = (draw(generator, (20, 6)) for draw in KINDS[kind])
    assert (np.median(unlearned, axis=0) != np.median(retrained, axis=0)).all()
    epsilons = example_epsilons(unlearned, retrained)
    np.testing.assert_allclose(example_epsilons(retrained, unlearned), epsilons, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shift", [64.0, -3.0, 0.1])
def test_a_shift_of_everything_changes_next_to_nothing(shift: float) -> None:
    """Rounding may carry a model across a threshold, no more."""
    unlearned, retrained = draw_golden(7, 40, 20, 5.5, 1.2)
    epsilons = example_epsilons(unlearned, retrained)
    shifted = example_epsilons(unlearned + shift, retrained + shift)
    np.testing.assert_allclose(shifted, epsilons, rtol=0, atol=0.3)
    assert np.mean(shifted == epsilons) >= 0.8


@pytest.mark.parametrize("form", ["float32", "integer", "Fortran", "strided", "read-only"])
def test_what_holds_the_numbers_does_not_matter(form: str) -> None:
    unlearned, retrained = np.random.default_rng(5).integers(-9, 9, (2, 11, 4)).astype(float)
    expected = check(unlearned, retrained)
    change: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "float32": lambda x: x.astype(np.float32),
        "integer": lambda x: x.astype(np.int64),
        "Fortran": np.asfortranarray,
        "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
        "read-only": lambda x: x,
    }
    changed = change[form](unlearned), change[form](retrained)
    for values in changed:
        values.flags.writeable = False
    np.testing.assert_array_equal(example_epsilons(*changed), expected)


def test_float32_confidences_are_taken_as_the_float64_that_they_are() -> None:
    unlearned, retrained = (values.astype(np.float32) for values in draw_golden(6, 17, 5, 5.5, 1.2))
    check(unlearned, retrained)


# Refusals


def refused(call: Callable[[], object], *fragments: str) -> None:
    """One paragraph says what was expected."""
    with pytest.raises(ValueError, match="Expected") as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert all(fragment in message for fragment in fragments)


def draw_confidences(models: int = 5, examples: int = 4) -> np.ndarray:
    return np.random.default_rng(models).normal(size=(models, examples))


@pytest.mark.parametrize("function", [example_epsilons, forgetting_score])
@pytest.mark.parametrize("other", [(5, 3), (4, 4), (5,), (5, 4, 1), ()])
def test_shapes_that_differ_are_refused(function: Callable[..., object], other: tuple[int, ...]) -> None:
    refused(lambda: function(draw_confidences(), np.zeros(other)))
    refused(lambda: function(np.zeros(other), draw_confidences()))
    if len(other) != 2:
        refused(lambda: function(np.zeros(other), np.zeros(other)))


@pytest.mark.parametrize("function", [example_epsilons, forgetting_score])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_values_that_are_not_numbers_are_refused(function: Callable[..., object], value: float, side: int) -> None:
    pair = draw_confidences(5), draw_confidences(5)
    pair[side][2, 1] = value
    refused(lambda: function(*pair))


@pytest.mark.parametrize("function", [example_epsilons, forgetting_score])
@pytest.mark.parametrize("delta", [-0.1, 1.5, np.nan, np.inf])
def test_a_wrong_delta_is_refused(function: Callable[..., object], delta: float) -> None:
    refused(lambda: function(draw_confidences(), draw_confidences(), delta=delta), "delta")


@pytest.mark.parametrize("bins", ["released ", "Paper", "", 13, None])
def test_wrong_bins_are_refused(bins: object) -> None:
    refused(lambda: forgetting_score(draw_confidences(), draw_confidences(), bins=bins), "bins")


@pytest.mark.parametrize("models", [0, 1, 2])
def test_fewer_than_three_models_are_refused(models: int) -> None:
    refused(lambda: forgetting_score(draw_confidences(models), draw_confidences(models)), "3")


def test_no_examples_have_no_score() -> None:
    refused(lambda: forgetting_score(np.zeros((5, 0)), np.zeros((5, 0))))


# Behaviour of the metric, as measured when the reference was written


@pytest.mark.parametrize(
    ("shift", "scale", "expected"),
    [
        (0.0, 1.0, {512: 0.173, 256: 0.187, 64: 0.190, 16: 0.198}),
        (0.25, 1.0, {512: 0.139, 256: 0.137, 64: 0.176, 16: 0.165}),
        (1.0, 1.0, {512: 0.016, 256: 0.024, 64: 0.047, 16: 0.104}),
        (0.0, 0.5, {512: 0.0035, 256: 0.0063, 64: 0.026, 16: 0.090}),
    ],
)
def test_the_ceiling_is_far_below_1_and_few_models_flatter(
    shift: float, scale: float, expected: dict[int, float]
) -> None:
    """Retrained models against others of their own kind score 0.17 to 0.20; a bad method scores more with fewer."""
    for models, score in expected.items():
        unlearned, retrained = draw_golden(models, models, 120, 5 + 1.5 * shift, 1.5 * scale)
        measured = forgetting_score(unlearned, retrained)
        assert measured == pytest.approx(score, rel=0.3)


# Confidence


def expected_confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where the guards are too small to matter: the label's logit less the log-sum-exp of the other ones."""
    logits = logits.astype(float)
    own = np.arange(logits.shape[-1]) == labels[:, np.newaxis]
    log = special.log_softmax(logits, axis=-1)
    own, log = np.broadcast_arrays(own, log)
    return np.sum(np.where(own, log, 0), axis=-1) - special.logsumexp(np.where(own, -np.inf, log), axis=-1)


@pytest.mark.parametrize("lead", [(), (3,), (3, 2)])
@pytest.mark.parametrize("scale", [1e-3, 1, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_confidence_is_scipys(lead: tuple[int, ...], scale: float, dtype: type) -> None:
    generator = np.random.default_rng(0)
    logits = (scale * generator.normal(size=(*lead, 6, 10))).astype(dtype)
    labels, before = generator.integers(0, 10, 6), logits.copy()
    confidences = logit_scaled_confidence(logits, labels)
    assert confidences.dtype == np.float64
    assert confidences.shape == (*lead, 6)
    np.testing.assert_allclose(confidences, expected_confidence(logits, labels), rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("margin", [20.0, 40.0, 60.0, 90.0])
def test_confidence_beyond_what_one_less_the_probability_can_tell(margin: float) -> None:
    """At 40 the probability rounds to 1; the sum of the other ones does not round to 0."""
    logits = np.array([[margin, 0, 0, 0], [0, margin, margin, margin]])
    expected = [margin - math.log(3), -margin - math.log(3)]
    np.testing.assert_allclose(logit_scaled_confidence(logits, np.zeros(2, int)), expected, rtol=1e-5)


@pytest.mark.parametrize("margin", [101.0, 103.0, 104.0, 110.0, 300.0])
def test_the_guards_are_the_released_ones(margin: float) -> None:
    other = math.exp(-margin)
    expected = math.log(1 / (1 + other) + 1e-45) - math.log(other / (1 + other) + 1e-45)
    for shift in (0, 1e4, -1e4):
        confidences = logit_scaled_confidence(np.array([[margin, 0], [0, margin]]) + shift, np.zeros(2, int))
        np.testing.assert_allclose(confidences, [expected, -expected], rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_huge_logits_stop_at_the_guards(dtype: type) -> None:
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [1e4, 1e4, -1e4]]).astype(dtype)
    confidences = logit_scaled_confidence(logits, np.zeros(3, int))
    np.testing.assert_allclose(confidences, [GUARD, -GUARD, 0], atol=1e-9)
    assert pytest.approx(103.6163, abs=1e-4) == GUARD


def test_confidence_of_one_example() -> None:
    np.testing.assert_allclose(logit_scaled_confidence(np.array([[0.0, 1.0]]), np.array([1])), [1.0], rtol=1e-12)


def test_labels_hold_for_every_model() -> None:
    logits, labels = np.random.default_rng(1).normal(size=(4, 5, 3)), np.array([2, 0, 1, 1, 0])
    each = [logit_scaled_confidence(model_logits, labels) for model_logits in logits]
    np.testing.assert_array_equal(logit_scaled_confidence(logits, labels), each)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [((4, 3), [0, 1, 2]), ((4, 3), [0, 1, 2, 0, 1]), ((2, 4, 3), [0, 1]), ((3,), [0]), ((4, 3), [[0, 1, 2, 0]])],
)
def test_labels_that_do_not_fit_are_refused(shape: tuple[int, ...], labels: list[int]) -> None:
    refused(lambda: logit_scaled_confidence(np.zeros(shape), np.array(labels)))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(label: int) -> None:
    refused(lambda: logit_scaled_confidence(np.zeros((2, 3)), np.array([0, label])))
