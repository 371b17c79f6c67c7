"""Scores of a table: no number depends on the number of cores, and retrained models are looked at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from retrainings import taking
from sklearn.svm import SVC

from kit import scorers
from kit.scorers import (
    _forgetting_noise,
    _forgetting_points,
    _logistic_attack,
    _offline_attack,
    _threads,
    klom,
    lira,
    membership_inference,
    rmia,
    ulira,
)
from kit.scorers._logistic_fits import Sample
from kit.scorers._resampling import halves, jackknife_replicates, stderr_of_replicates
from kit.scorers._threads import in_threads
from kit.scorers.lira import lira_scores, mean_auc, mean_placements, two_way_stderr
from kit.scorers.rmia import rmia_scores
from kit.scorers.ulira import ulira_accuracy, ulira_auc, ulira_true_positive_rate
from kit.types import Comparison, Once, Outputs

SIZES = {"retain": 90, "forget": 40, "validation": 30, "test": 70}
PAIRS = 33
MEMBERS, NONMEMBERS = np.arange(PAIRS), np.arange(PAIRS)[::-1] + 5


def outputs(seed: int, models: int) -> Outputs:
    """Of two classes, with the logits of two models."""
    generator, labels = np.random.default_rng(seed), {part: np.arange(size) % 2 for part, size in SIZES.items()}
    confidences = {part: generator.normal(1, 1, (models, size)).astype(np.float32) for part, size in SIZES.items()}
    correct = {part: values > 0 for part, values in confidences.items()}
    logits = {part: generator.normal(size=(min(2, models), size, 2)) for part, size in SIZES.items()}
    return Outputs("some", confidences, correct, labels, np.ones(models), np.arange(models), logits)


def compare(unlearned: Outputs, retrained: Outputs, once: Once | None = None) -> Comparison:
    return Comparison(unlearned, retrained, MEMBERS, NONMEMBERS, "", taking(1.0), once=once or Once())


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves instead of sixteen, and no bootstrap: what they cost is not at issue."""
    monkeypatch.setattr(_forgetting_noise, "NUM_HALVES", 2)
    monkeypatch.setattr(membership_inference, "mia_accuracy_stderr", lambda *losses: 0.5)
    monkeypatch.setattr(membership_inference, "mia_accuracy_null_band", lambda *losses: (0.4, 0.6))


# Threads


def test_results_stand_in_the_order_of_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "_usable_cores", lambda: 4)
    both, threads = threading.Barrier(2, timeout=60), set()

    def late(task: int) -> int:
        threads.add(threading.get_ident())
        both.wait()  # two tasks are under way at once
        time.sleep(0.01 * (task % 2))
        return 10 * task

    assert in_threads(late, range(8)) == list(range(0, 80, 10))
    assert len(threads) > 1


def test_an_error_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "_usable_cores", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda task: 1 // task, [1, 0, 1])


@pytest.mark.usefixtures("few_draws")
def test_no_number_depends_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_logistic_attack, "_FITTED_AT_ONCE", 200)
    monkeypatch.setattr(_forgetting_points, "_EXAMPLES_AT_ONCE", 8)
    monkeypatch.setattr(klom, "_CHUNK", 100)
    monkeypatch.setattr(klom, "FEWEST_MODELS", 8)
    values = []
    for cores in (1, 3):
        monkeypatch.setattr(_threads, "_usable_cores", lambda cores=cores: cores)
        values.append(scorers.score_all(compare(outputs(0, 10), outputs(1, 11))))
    assert values[0] == values[1]
    missing = {name for name, score in values[0].items() if score.value is None}
    of_time = {"time_ratio", "passes_ratio", "time_ratio_compiled"}  # nobody measured any
    assert missing == {"forgotten_class_accuracy", "mia_tpr_at_1pct_fpr", "ulira_tpr_at_1pct_fpr"} | of_time


# Once a table


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, calls: Counter[str]) -> None:
    function: Callable[..., Any] = getattr(module, name)

    def wrapped(*arguments: Any, **settings: Any) -> Any:
        calls[name] += 1
        return function(*arguments, **settings)

    monkeypatch.setattr(module, name, wrapped)


@pytest.mark.usefixtures("few_draws")
def test_retrained_models_are_looked_at_once_however_many_rows_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    for module, name in (
        (_forgetting_noise, "points_among"),
        (_offline_attack, "_measured"),
        (membership_inference, "mia_accuracies"),
        (klom, "klom_percentile"),
        (SVC, "fit"),
    ):
        counted(monkeypatch, module, name, calls)
    monkeypatch.setattr(klom, "FEWEST_MODELS", 8)
    retrained, once, rows = outputs(0, 10), Once(), 2
    monkeypatch.setattr("kit.scorers.forgetting.points_among", _forgetting_noise.points_among)
    tables = [scorers.score_all(compare(outputs(row, 10), retrained, once)) for row in range(1, 1 + rows)]
    assert calls == {
        "points_among": 1,
        "_measured": 2,  # by LiRA and by RMIA
        "mia_accuracies": 1 + rows,
        "klom_percentile": (1 + rows) * 3 * 2,  # three parts of the data, both ways
        "fit": (1 + rows) * 2 * 2,  # two features, two models with logits
    }
    alone = scorers.score_all(compare(outputs(rows, 10), outputs(0, 10)))
    assert alone == tables[-1]


# The standard errors, spelled out


def sides_of(given: Comparison) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return [
        (
            side.confidences["forget"][:, given.members].astype(float),
            side.confidences["test"][:, given.nonmembers].astype(float),
            side.confidences["validation"].astype(float),
        )
        for side in (given.unlearned, given.retrained)
    ]


@pytest.mark.parametrize("name", ["lira", "rmia"])
@pytest.mark.parametrize("models", [(8, 13), (9, 11), (20, 33)])
def test_the_error_of_an_offline_attack_is_that_of_attacks_on_all_replicates(
    name: str, models: tuple[int, int]
) -> None:
    """Eight groups of the jackknife, each in one half; nine, each in both; sixteen."""
    given = compare(outputs(2, models[0]), outputs(3, models[1]))
    unlearned, retrained = sides_of(given)

    def attack(attacked: list[np.ndarray], out: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        if name == "lira":
            return lira_scores(attacked[0], out[0]), lira_scores(attacked[1], out[1])
        population = attacked[2], out[2]
        return rmia_scores(attacked[0], out[0], *population), rmia_scores(attacked[1], out[1], *population)

    def placements(kept_unlearned: np.ndarray, kept_retrained: np.ndarray) -> np.ndarray:
        attacked = [part[kept_unlearned] for part in unlearned]
        both = [attack(attacked, [part[half] for part in retrained]) for half in halves(models[1], kept_retrained)]
        return np.concatenate(mean_placements(*(np.concatenate(side) for side in zip(*both, strict=True))))

    of_all = placements(*map(np.arange, models))
    (score,) = {"lira": lira, "rmia": rmia}[name].score(given)
    assert score.value == pytest.approx(of_all[:PAIRS].mean(), abs=1e-12)
    replicates = jackknife_replicates(placements, *models)
    assert score.stderr == pytest.approx(two_way_stderr(of_all, replicates, PAIRS), abs=1e-12)

    def target(_: np.ndarray, kept: np.ndarray) -> float:
        cut = halves(models[1], kept)
        aucs = [
            mean_auc(*attack([part[half] for part in retrained], [part[other] for part in retrained]))
            for half, other in (cut, cut[::-1])
        ]
        return float(np.mean(aucs))

    assert score.target == pytest.approx(target(np.arange(0), np.arange(models[1])), abs=1e-12)
    gaps = replicates[:, :PAIRS].mean(axis=1) - jackknife_replicates(target, *models)
    assert score.gap_stderr == pytest.approx(stderr_of_replicates(gaps), abs=1e-12)


@pytest.mark.parametrize("models", [8, 14, 40])
def test_the_errors_of_ulira_are_those_of_all_replicates(models: int) -> None:
    given = compare(outputs(4, models), outputs(5, models))
    sides = [side.confidences["forget"].astype(float) for side in (given.unlearned, given.retrained)]

    def measures(kept: np.ndarray) -> list[float]:
        folds = []
        cut = halves(models, kept)
        for fitted, judged in (cut, cut[::-1]):
            normals = [(side[fitted].mean(axis=0), side[fitted].std(axis=0, ddof=1).clip(0.01)) for side in sides]
            logs = [
                [-np.log(spread) - ((side[judged] - mean) / spread) ** 2 / 2 for mean, spread in normals]
                for side in sides
            ]
            folds.append([of_ours - of_theirs for of_ours, of_theirs in logs])
        ratios = tuple(np.concatenate(side) for side in zip(*folds, strict=True))
        return [ulira_accuracy(ratios), ulira_auc(ratios), ulira_true_positive_rate(ratios)]

    groups = min(8, models // 2)
    half, group = np.arange(models) % 2, np.arange(models) // 2 % groups

    def without(*left_out: tuple[int, int]) -> np.ndarray:
        kept = np.ones(models, bool)
        for of_half, number in left_out:
            kept &= (half != of_half) | (group != number)
        return np.array(measures(np.flatnonzero(kept)))

    alone = np.array([[without((of_half, number)) for number in range(groups)] for of_half in (0, 1)])
    jackknife = (groups - 1) * alone.var(axis=1).sum(axis=0)
    products = [
        without((0, first), (1, second)) - alone[0, first] - alone[1, second] + without()
        for first in range(groups)
        for second in range(groups)
    ]
    product = ((groups - 1) / groups) ** 2 * (np.array(products) ** 2).sum(axis=0)
    expected = np.sqrt(np.maximum(jackknife - product, jackknife / 2))
    for score, stderr, tolerance in zip(ulira.score(given), expected, (5e-3, 5e-3, 3e-2), strict=True):
        if score.value is not None:  # a threshold lies within a bin
            assert score.stderr == score.gap_stderr == pytest.approx(stderr, rel=tolerance)


def test_the_attack_that_begins_at_the_fit_of_all_ends_at_that_of_each_split() -> None:
    """Where the start of the descent does not matter, the fit is the optimum."""
    generator = np.random.default_rng(6)
    losses = generator.exponential(size=(2, 3, 60)) + np.array([0.3, 0.0]).reshape(2, 1, 1)
    x, y = np.concatenate(losses, axis=1), np.repeat([0.0, 1.0], 60)
    sample = Sample.of(x, y)
    fits = [sample.fit(np.array([np.full(3, slope), np.full(3, -slope / 2)])) for slope in (0.0, 2.0)]
    np.testing.assert_allclose(*fits, rtol=1e-6, atol=1e-8)  # a step of 1e-4 is the last
