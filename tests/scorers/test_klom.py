"""KLoM against numpy's histograms and SciPy's entropy; the traps of its published code; the half-samples behind it."""

from __future__ import annotations

import copy
import dataclasses
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from kit.scorers import klom as family
from kit.scorers.klom import klom, klom_percentile
from kit.types import Comparison, Outputs, Score

LARGEST = np.log(1e5)
SIZES = {"forget": 60, "retain": 80, "validation": 3, "test": 70}


def by_hand(unlearned: np.ndarray, retrained: np.ndarray, *, edge_falls_out: bool = False) -> np.ndarray:
    """Example by example, with numpy's histogram; or with the digitized one of the published code."""
    values = []
    for first, second in zip(np.clip(unlearned, -100, 100).T, np.clip(retrained, -100, 100).T, strict=True):
        low, high = min(first.min(), second.min()), max(first.max(), second.max())
        edges = np.linspace(low, high if high > low else low + 1, 21)
        if edge_falls_out:
            counts = [np.bincount(np.digitize(side, edges), minlength=22)[1:21] for side in (first, second)]
        else:
            counts = [np.histogram(side, edges)[0] for side in (first, second)]
        p, q = (count / count.sum() for count in counts)
        used = p > 0
        values.append(float((p[used] * np.log(p[used] / np.maximum(q[used], 1e-5))).sum()))
    return np.array(values)


def margins(seed: int, models: int, examples: int, shift: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    spread = np.linspace(0.3, 2, examples)
    return generator.normal(shift, spread, size=(models, examples)).astype(np.float32)


def comparison(
    seed: int = 0, models: tuple[int, int] = (32, 32), shift: float = 0.0, sizes: dict[str, int] = SIZES
) -> Comparison:
    """The forget set is shifted, the others are alike."""
    sides = []
    for side, number in enumerate(models):
        values = {
            part: margins(100 * seed + 10 * side + i, number, size, shift if part == "forget" and side == 0 else 0)
            for i, (part, size) in enumerate(sizes.items())
        }
        correct = {part: array > 0 for part, array in values.items()}
        labels = {part: np.zeros(size, int) for part, size in sizes.items()}
        sides.append(Outputs("some", values, correct, labels, np.ones(number), np.arange(number)))
    nobody = np.zeros(0, np.int64)
    return Comparison(*sides, nobody, nobody, "no attack", 1.0)


def scores(given: Comparison) -> dict[str, Score]:
    return {score.name: score for score in family.score(given)}


# The divergence of each example


@pytest.mark.parametrize("models", [(8, 8), (100, 60), (1, 3)])
def test_it_is_the_divergence_of_numpys_histograms(models: tuple[int, int]) -> None:
    unlearned, retrained = margins(0, models[0], 50, shift=0.4), margins(1, models[1], 50)
    expected = by_hand(unlearned.astype(float), retrained.astype(float))
    np.testing.assert_allclose(klom(unlearned, retrained), np.maximum(expected, 0), atol=1e-12)
    assert klom_percentile(unlearned, retrained) == pytest.approx(np.percentile(np.maximum(expected, 0), 95), abs=1e-12)
    assert klom_percentile(unlearned, retrained, percentile=50) == pytest.approx(
        np.median(np.maximum(expected, 0)), abs=1e-12
    )


def test_where_no_bin_is_empty_it_is_scipys_relative_entropy() -> None:
    generator = np.random.default_rng(2)
    unlearned, retrained = generator.uniform(size=(2, 4000, 1))
    unlearned[:2, 0] = 0, 1  # the range
    counts = [np.histogram(side[:, 0], 20, (0, 1))[0] for side in (unlearned, retrained)]
    assert klom(unlearned, retrained) == pytest.approx(stats.entropy(*counts), rel=1e-9)


def test_identical_populations_have_none_and_disjoint_ones_the_largest() -> None:
    values = margins(3, 64, 30)
    np.testing.assert_array_equal(klom(values, values), 0)
    np.testing.assert_array_equal(klom(values[::-1], values), 0)
    constant = np.zeros((64, 30))
    np.testing.assert_allclose(klom(constant + 7, constant), LARGEST)
    # 60 apart, each is within one bin or two: all of the unlearned are where no retrained is
    assert klom_percentile(values / 10 + 60, values / 10) == pytest.approx(LARGEST, abs=0.01)
    assert pytest.approx(11.51, abs=0.01) == LARGEST


def test_it_grows_with_the_shift() -> None:
    results = [klom_percentile(margins(4, 100, 60, shift), margins(5, 100, 60)) for shift in (0, 1, 2, 4, 8)]
    assert results == sorted(results)
    assert results[-1] > 10


def test_the_order_of_the_arguments_matters() -> None:
    """One published script hands them over the other way round, which is another number."""
    narrow, wide = margins(6, 400, 40) / 4, margins(7, 400, 40)
    assert klom(narrow, wide).mean() == pytest.approx(by_hand(narrow.astype(float), wide.astype(float)).mean())
    assert klom(wide, narrow).mean() > 2 * klom(narrow, wide).mean()


def test_the_largest_margin_counts() -> None:
    """In the published code it falls out of the last bin: of this example the divergence is then none at all."""
    retrained = np.repeat([[0.0], [0.1]], 10, axis=0)
    unlearned = np.append(retrained[:-1], [[9.0]], axis=0)
    assert klom(unlearned, retrained)[0] == pytest.approx(0.95 * np.log(0.95) + 0.05 * np.log(0.05 / 1e-5))
    assert by_hand(unlearned, retrained, edge_falls_out=True)[0] == pytest.approx(0, abs=1e-9)
    # of many models, it hardly matters
    many = margins(8, 400, 40, shift=0.3), margins(9, 400, 40)
    assert klom(*many).mean() == pytest.approx(by_hand(*many, edge_falls_out=True).mean(), rel=0.1)


def test_another_order_of_the_examples_on_one_side_is_not_the_same_data() -> None:
    difficulty = np.linspace(-20, 20, 60)
    retrained, unlearned = difficulty + margins(10, 100, 60), difficulty + margins(11, 100, 60)
    assert klom_percentile(unlearned, retrained) < 2
    assert klom_percentile(unlearned[:, np.random.default_rng(0).permutation(60)], retrained) > 10


def test_orders_that_do_not_matter() -> None:
    unlearned, retrained = margins(12, 20, 30, 0.5), margins(13, 30, 30)
    order, generator = np.random.default_rng(0).permutation(30), np.random.default_rng(1)
    actual = klom(unlearned, retrained)
    np.testing.assert_allclose(klom(unlearned[:, order], retrained[:, order]), actual[order], atol=1e-12)
    np.testing.assert_allclose(klom(generator.permutation(unlearned), generator.permutation(retrained)), actual)


def test_margins_without_bounds_are_clipped() -> None:
    values = np.array([[1e38, -1e38, 3.4e38, 5.0]] * 3, np.float32)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(klom(values, values), 0)
        np.testing.assert_allclose(klom(values, -values), LARGEST)
    np.testing.assert_array_equal(klom(np.full((2, 1), 150.0), np.full((2, 1), 250.0)), 0)
    np.testing.assert_allclose(klom(np.full((2, 1), 1.5), np.full((2, 1), 2.5), clip=2), LARGEST)


def test_chunks_make_no_difference_and_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    unlearned, retrained = margins(14, 64, 3000, 0.2), margins(15, 64, 3000)
    given = klom(unlearned, retrained)
    monkeypatch.setattr(family, "_CHUNK", 64 * 70)
    tracemalloc.start()
    again = klom(unlearned, retrained)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(given, again)
    assert peak < 1_000_000


@pytest.mark.parametrize("shapes", [((4, 3), (4, 5)), ((4,), (4,)), ((0, 3), (4, 3)), ((4, 0), (4, 0))])
def test_what_does_not_belong_together_is_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(
        ValueError, match=r"Expected .* of the same examples, in one order.*Pass confidences of one part"
    ):
        klom(*map(np.zeros, shapes))
    with pytest.raises(ValueError, match="for 0 bins"):
        klom(np.zeros((2, 2)), np.zeros((2, 2)), num_bins=0)


# The scores


def test_values_and_targets_like_for_like_by_hand() -> None:
    given = comparison(models=(65, 79), shift=1.0)
    result = scores(given)
    assert list(result) == ["klom_forget", "klom_retain", "klom_test"]
    for name, score in result.items():
        part = name.removeprefix("klom_")
        unlearned, retrained = (
            side.confidences[part][:64].astype(float) for side in (given.unlearned, given.retrained)
        )

        def p95(first: np.ndarray, second: np.ndarray) -> float:
            return float(np.percentile(by_hand(first, second), 95))

        value = (p95(unlearned[::2], retrained[1::2]) + p95(unlearned[1::2], retrained[::2])) / 2
        target = (p95(retrained[::2], retrained[1::2]) + p95(retrained[1::2], retrained[::2])) / 2
        assert score.value == pytest.approx(value, abs=1e-9)
        assert score.target == pytest.approx(target, abs=1e-9)
        assert (score.direction, score.reason) == ("match_retrain", "")
        assert type(score.value) is type(score.stderr) is type(score.target) is float


def test_models_like_retrained_ones_are_within_noise_of_the_target_and_a_shift_is_not() -> None:
    """The target has as much noise as the value: the gap's interval has both."""
    results = [score for seed in range(5) for score in scores(comparison(seed, (64, 64))).values()]
    assert sum(score.gap_interval[0] <= 0 <= score.gap_interval[1] for score in results) >= 13  # of fifteen
    assert all(score.gap_stderr > score.stderr for score in results)
    shifted = scores(comparison(0, (64, 64), shift=2.0))
    assert shifted["klom_forget"].value > shifted["klom_forget"].target + 3 * shifted["klom_forget"].stderr
    assert shifted["klom_retain"] == scores(comparison(0, (64, 64)))["klom_retain"]


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_standard_error_covers(shift: float) -> None:
    only_forget = {"forget": 60, "retain": 2, "validation": 3, "test": 2}  # what the others are is of no matter here
    results = [scores(comparison(seed, (64, 64), shift, only_forget))["klom_forget"] for seed in range(80)]
    values, stderrs = np.array([[result.value, result.stderr] for result in results], float).T
    inside = [result.interval[0] <= values.mean() <= result.interval[1] for result in results]
    assert 0.88 <= np.mean(inside) <= 0.99
    assert 0.8 <= np.sqrt((stderrs**2).mean()) / values.std() <= 1.2


def test_half_samples_that_are_counted_by_groups_are_those_counted_by_model() -> None:
    unlearned, retrained = margins(16, 40, 9, 0.3), margins(17, 40, 9)
    generator = np.random.default_rng(18)
    samples = [generator.permuted(np.tile(np.arange(40) < 20, (5, 1)), axis=1) for _ in range(2)]
    actual = family._klom_of_samples(unlearned, retrained, *samples)
    for number, (first, second) in enumerate(zip(*samples, strict=True)):
        low = np.minimum(unlearned.min(axis=0), retrained.min(axis=0)).astype(float)
        high = np.maximum(unlearned.max(axis=0), retrained.max(axis=0)).astype(float)
        for example in range(9):
            shares = [
                np.histogram(side[chosen, example], 20, (low[example], high[example]))[0] / 20
                for side, chosen in ((unlearned, first), (retrained, second))
            ]
            used = shares[0] > 0
            p, q = shares[0][used], np.maximum(shares[1][used], 1e-5)
            assert actual[number, example] == pytest.approx(max((p * np.log(p / q)).sum(), 0), abs=1e-9)


def test_orders_do_not_matter_and_inputs_are_left_alone() -> None:
    given, before = comparison(1), copy.deepcopy(comparison(1))
    orders = {part: np.random.default_rng(0).permutation(size) for part, size in SIZES.items()}

    def reorder(outputs: Outputs) -> Outputs:
        confidences = {part: array[:, orders[part]] for part, array in outputs.confidences.items()}
        return dataclasses.replace(outputs, confidences=confidences)

    turned = dataclasses.replace(given, unlearned=reorder(given.unlearned), retrained=reorder(given.retrained))
    for first, second in zip(family.score(given), family.score(turned), strict=True):
        for field in ("value", "stderr", "target"):
            assert getattr(first, field) == pytest.approx(getattr(second, field), abs=1e-12)
    for part in SIZES:
        np.testing.assert_array_equal(given.unlearned.confidences[part], before.unlearned.confidences[part])


@pytest.mark.parametrize("models", [(64, 64), (64, 71), (64, 512), (512, 512)])
def test_any_population_gives_finite_numbers(models: tuple[int, int]) -> None:
    for score in scores(comparison(2, models)).values():
        assert 0 <= score.value <= LARGEST
        assert 0 <= score.target <= LARGEST
        assert np.isfinite(score.stderr)


def test_more_models_than_256_do_not_count() -> None:
    given = comparison(4, (300, 400))
    fewer = dataclasses.replace(given, unlearned=given.unlearned.select(slice(256)))
    assert scores(given) == scores(fewer)


@pytest.mark.parametrize("models", [(63, 64), (64, 63), (1, 6)])
def test_without_a_population_there_is_a_reason(models: tuple[int, int]) -> None:
    for score in scores(comparison(3, models)).values():
        assert (score.value, score.stderr, score.target) == (None, None, None)
        assert f"not {models[0]} unlearned and {models[1]} retrained" in score.reason
