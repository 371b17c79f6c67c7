"""What pictures show is what the outputs say, and a file of it is refused where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
from stored_results import evidence_of, reports_of
from test_report import made

from kit.reports import evidence, gathering, records
from kit.reports.evidence import LOSS_EDGES
from kit.scorers import forgetting
from kit.storage import seals
from kit.tasks.classification import CLASSIFICATION
from kit.types import Arrays, Challenge, InputError, Outputs, Split

COUNT = 30


def outputs_of(method: str, models: int, *, shift: float = 0.0, seed: int = 0) -> Outputs:
    generator = np.random.default_rng(seed)
    confidences = {part: generator.normal(shift, 2, (models, COUNT)) for part in ("forget", "test")}
    correct = {part: array > 0 for part, array in confidences.items()}
    labels = dict.fromkeys(confidences, np.arange(COUNT) % 3)
    return Outputs(method, confidences, correct, labels, np.ones(models), np.arange(models))


def challenge(x: np.ndarray, wrong: np.ndarray | None = None) -> Challenge:
    y = np.arange(len(x)) % 3
    train, others = Arrays(x, y, mislabelled=wrong), Arrays(x, y)
    split = Split("rows", 0, forget=np.arange(COUNT)[::-1] + 2, retain=np.r_[:2, COUNT + 2 : len(x)])
    return Challenge("mine", train, others, others, split, "mlp", task=CLASSIFICATION)


@pytest.fixture(scope="module")
def problem() -> Challenge:
    return challenge(np.random.default_rng(0).normal(size=(40, 4, 4, 1)), np.arange(40) == 5)


def gathered(problem: Challenge, models: int, members: np.ndarray) -> evidence.Evidence:
    outputs = {
        "original": outputs_of("original", models, shift=2),
        "mine": outputs_of("mine", models, shift=1, seed=1),
        "retrain": outputs_of("retrain", 20, seed=2),
    }
    record = records.Record(tuple(made(name) for name in outputs))
    return gathering.gather(record, outputs, problem, members, members)


def test_rows_are_those_of_the_table_with_all_losses_in_a_bin(problem: Challenge) -> None:
    shown = gathered(problem, 16, np.arange(20))
    assert [(row.name, row.num_models) for row in shown.rows] == [("original", 16), ("mine", 16), ("retrain", 20)]
    losses = outputs_of("mine", 16, shift=1, seed=1).losses("forget")
    share = np.mean((losses >= LOSS_EDGES[20]) & (losses < LOSS_EDGES[21]))
    assert shown.rows[1].forget_losses[20] == pytest.approx(share, abs=1e-6)
    assert all(sum(row.forget_losses) == pytest.approx(1, abs=1e-4) for row in shown.rows)


def test_the_area_is_the_mean_of_scikit_learns_and_points_lie_on_its_curves() -> None:
    generator = np.random.default_rng(0)
    forget, test = generator.exponential(1, (3, 40)).round(1), generator.exponential(1.3, (3, 25)).round(1)  # with ties
    drawn = gathering.curve(forget, test)
    truth = np.repeat([1, 0], [40, 25])
    areas = [roc_auc_score(truth, -np.concatenate(pair)) for pair in zip(forget, test, strict=True)]
    assert drawn.auc == pytest.approx(np.mean(areas), abs=1e-5)
    single = gathering.curve(forget[:1] + np.linspace(0, 1e-6, 40), test[:1] + np.linspace(0, 1e-7, 25))
    positives = -np.concatenate([forget[0] + np.linspace(0, 1e-6, 40), test[0] + np.linspace(0, 1e-7, 25)])
    false, true, _ = roc_curve(truth, positives, drop_intermediate=False)
    for rate, height in zip(single.false_positives, single.true_positives, strict=True):
        assert height == pytest.approx(true[np.isclose(false, rate)].max(), abs=1e-5)


def test_epsilons_are_the_scorers_in_the_competitions_bins(problem: Challenge) -> None:
    mine = gathered(problem, 16, np.arange(20)).rows[1].distances
    sides = (
        forgetting.guarded(outputs.confidences["forget"][:16])
        for outputs in (outputs_of("mine", 16, shift=1, seed=1), outputs_of("retrain", 20, seed=2))
    )
    epsilons = forgetting.example_epsilons(*sides)
    bins = np.minimum(np.floor(epsilons / forgetting.BIN_WIDTH), forgetting.num_bins(16)).astype(int)
    assert mine is not None
    np.testing.assert_allclose(mine.shares, np.bincount(bins, minlength=len(mine.shares)) / COUNT, atol=1e-5)
    assert mine.example in epsilons
    assert mine.sizes == (8, 16)
    assert mine.scores[-1] == pytest.approx(forgetting.points(epsilons, 16).mean(), abs=1e-5)


def test_single_epsilons_are_the_scorers_from_the_least_memorised_example_to_the_most(problem: Challenge) -> None:
    shown = gathered(problem, 16, np.arange(20))
    before, retrained = outputs_of("original", 16, shift=2), outputs_of("retrain", 20, seed=2)
    memorised = retrained.losses("forget").mean(axis=0) - before.losses("forget").mean(axis=0)
    mine = outputs_of("mine", 16, shift=1, seed=1).confidences["forget"]
    epsilons = forgetting.example_epsilons(
        forgetting.guarded(mine), forgetting.guarded(retrained.confidences["forget"][:16])
    )
    distances = shown.rows[1].distances
    assert distances is not None
    pairs = sorted(zip(memorised, epsilons, strict=True))
    np.testing.assert_allclose(list(zip(shown.memorised, distances.epsilons, strict=True)), pairs, rtol=1e-5)


def test_of_many_examples_a_hundred_are_shown_both_ends_included() -> None:
    memorised = np.random.default_rng(0).normal(size=1000)
    shown = memorised[gathering.spread(memorised)]
    assert len(shown) == 100
    assert (shown[0], shown[-1]) == (memorised.min(), memorised.max())
    ranks = np.searchsorted(np.sort(memorised), shown)
    assert set(np.diff(ranks)) <= {10, 11}


def test_single_models_have_no_epsilons_and_no_attack_no_curve(problem: Challenge) -> None:
    shown = gathered(problem, 1, np.array([], int))
    assert all(row.distances is None and row.curve is None for row in shown.rows)


def test_what_is_remembered_best_comes_first_with_its_label_and_losses(problem: Challenge) -> None:
    shown = gathered(problem, 16, np.arange(20))
    before, after = outputs_of("original", 16, shift=2), outputs_of("retrain", 20, seed=2)
    memorised = after.losses("forget").mean(axis=0) - before.losses("forget").mean(axis=0)
    best = sorted(range(COUNT), key=lambda place: -memorised[place])[:10]
    assert [example.number for example in shown.examples] == [int(problem.split.forget[place]) for place in best]
    assert [example.label for example in shown.examples] == [str((COUNT + 1 - place) % 3) for place in best]
    assert shown.rows[0].example_losses == pytest.approx(before.losses("forget").mean(axis=0)[best], rel=1e-5)
    assert {example.number for example in shown.examples if example.mislabelled} <= {5}
    assert shown.rows[0].confidences == pytest.approx(before.confidences["forget"][:, best[0]], rel=1e-3)


@pytest.mark.parametrize("x", [np.zeros((40, 5)), np.full((40, 2, 2, 3), 200, np.uint8)], ids=["table", "colours"])
def test_examples_are_pictures_or_rows(x: np.ndarray) -> None:
    first = gathering.examples(challenge(x).train, np.array([3]))[0]
    assert (first.picture == "") == (x.ndim == 2)
    assert first.values == ((0.0,) * 5 if x.ndim == 2 else ())


def test_a_file_comes_back_equal_and_damage_is_seen(tmp_path: Path) -> None:
    shown, path = evidence_of(reports_of(["finetune"])), tmp_path / "evidence.json"
    evidence.write(path, shown)
    assert evidence.read(path) == shown
    content = json.loads(path.read_text())
    content["rows"][0]["num_models"] = 17
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="sha256 that it states"):
        evidence.read(path)
    with pytest.raises(InputError, match="There is no file"):
        evidence.read(tmp_path / "missing.json")


def test_a_file_from_before_single_epsilons_is_read(tmp_path: Path) -> None:
    shown, path = evidence_of(reports_of(["finetune"])), tmp_path / "evidence.json"
    evidence.write(path, shown)
    content = seals.without_digest(json.loads(path.read_text()))
    del content["memorised"]
    for row in content["rows"]:
        del row["distances"]["epsilons"]
    path.write_text(json.dumps(seals.with_digest(content)))
    older = evidence.read(path)
    assert older.memorised == ()
    assert [row.forget_losses for row in older.rows] == [row.forget_losses for row in shown.rows]


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (("rows", 0, "forget_losses"), [1.0], "'forget_losses' of another length"),
        (("rows", 0, "confidences"), [1.0], "'confidences' of another length"),
        (("rows", 0, "curve", "true_positives"), [1.0], "'curve' of another length"),
        (("rows", 0, "distances", "shares"), [1.0], "'distances' of another length"),
        (("rows", 0, "distances", "epsilons"), [1.0], "'epsilons' of another length"),
        (("examples", 0, "mislabelled"), "yes", 'is "yes", not true or false'),
        (("strata",), "class", "not a list"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_a_paragraph(
    tmp_path: Path, place: tuple[str | int, ...], value: object, error: str
) -> None:
    path = tmp_path / "evidence.json"
    evidence.write(path, evidence_of(reports_of(["finetune"])))
    content = seals.without_digest(json.loads(path.read_text()))
    *way, last = place
    inner = content
    for step in way:
        inner = inner[step]
    inner[last] = value
    path.write_text(json.dumps(seals.with_digest(content)))
    with pytest.raises(InputError, match=error):
        evidence.read(path)
