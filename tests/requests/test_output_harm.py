"""Harm to each output of a model with several: against counts by hand, and where it was planted."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, log_softmax

from kit.requests import Outcome, evidence, output_harm, statement
from kit.tasks import CLASSIFICATION, MULTILABEL, Head, Joint, Regression

ROWS = 300
TASK = Joint(
    (
        Head("kind", CLASSIFICATION, 3),
        Head("ill", MULTILABEL, 1, 2.0),
        Head("price", Regression(0.5, "absolute"), 1, 0.0),
        Head("place", Regression(0.5), 2),
    )
)


def labels() -> np.ndarray:
    generator = np.random.default_rng(0)
    rare = np.where(np.arange(ROWS) < 19, 2, np.arange(ROWS) % 2)
    return TASK.check(np.column_stack([rare, np.arange(ROWS) % 2, generator.normal(size=(ROWS, 3))]))


def models(number: int, seed: int, y: np.ndarray) -> np.ndarray:
    """Outputs that are near to the labels, (models, examples, 7)."""
    generator = np.random.default_rng(seed)
    near = np.concatenate([3 * np.eye(3)[y[:, 0].astype(int)], 4 * y[:, 1:2] - 2, y[:, 2:]], axis=1)
    noise = np.array([2, 2, 2, 1.5, 0.3, 0.3, 0.3])
    return (near + noise * generator.normal(size=(number, *near.shape))).astype("float32")


def by_output(outputs: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    each = [TASK.by_output(model, y) for model in outputs]
    return {kind: np.stack([model[kind] for model in each]) for kind in each[0]}


def by_hand(output: str, measure: str, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A measure of each example, in one model, float64."""
    outputs = outputs.astype(float)
    errors = {"price": np.abs(outputs[:, 4] - y[:, 2])[:, np.newaxis], "place": np.abs(outputs[:, 5:] - y[:, 3:])}
    if measure in ("accuracy", "recall"):
        if output == "kind":
            return (outputs[:, :3].argmax(axis=1) == y[:, 0]).astype(float)
        if output == "ill":
            return ((outputs[:, 3] > 0) == (y[:, 1] == 1)).astype(float)
        return (errors[output].max(axis=1) < 0.5).astype(float)
    if output == "kind":
        return -log_softmax(outputs[:, :3], axis=1)[np.arange(len(y)), y[:, 0].astype(int)]
    if output == "ill":
        return -np.log(np.where(y[:, 1] == 1, expit(outputs[:, 3]), expit(-outputs[:, 3])))
    return errors["price"][:, 0] if output == "price" else (errors["place"] ** 2).mean(axis=1)


EXPECTED = [
    ("kind", "accuracy", "test"),
    ("kind", "cross-entropy", "test"),
    ("kind", "recall", "class 0"),
    ("kind", "recall", "class 1"),
    ("ill", "accuracy", "test"),
    ("ill", "cross-entropy", "test"),
    ("ill", "recall", "class 0"),
    ("ill", "recall", "class 1"),
    ("price", "accuracy", "test"),
    ("price", "absolute error", "test"),
    ("place", "accuracy", "test"),
    ("place", "squared error", "test"),
]


def test_each_output_is_counted_by_hand() -> None:
    y = labels()
    sides = [models(number, seed, y) for seed, number in enumerate((1, 1, 5))]
    results = output_harm.harm_of_outputs(*(by_output(side, y) for side in sides), task=TASK, y=y)
    assert [(each.output, each.measure, each.name) for each in results] == EXPECTED  # of class 2 there are 19
    for each in results:
        members = np.ones(ROWS, bool)
        if each.measure == "recall":
            members = y[:, ["kind", "ill"].index(each.output)] == int(each.name[-1])
        before, after, target = (
            np.array([by_hand(each.output, each.measure, model, y)[members].mean() for model in side]) for side in sides
        )
        assert each.examples == members.sum()
        assert (each.before, each.after, each.retrained) == pytest.approx(
            (before[0], after[0], target.mean()), rel=1e-5
        )
        spread = target.std(ddof=1) * np.sqrt(1 + 1 / 5)
        if target.std(ddof=1) > max(1 / members.sum(), 0.001 * target.mean()):
            ends = stats.t(4, loc=after[0] - target.mean(), scale=spread).interval(1 - 0.05 / len(EXPECTED))
            against = each.against_retrained
            assert (against.low, against.high) == pytest.approx(ends, rel=1e-3, abs=1e-6)
    assert not [each for each in results if each.harmed]


@pytest.mark.parametrize(
    ("column", "output", "measures"),
    [(0, "kind", {"accuracy", "recall", "cross-entropy"}), (4, "price", {"accuracy", "absolute error"})],
)
def test_harm_is_found_in_the_output_where_it_was_planted(
    column: int, output: str, measures: set[str], outcome: Outcome, tmp_path: Path
) -> None:
    y = labels()
    sides = [models(number, seed, y) for seed, number in enumerate((1, 1, 8))]
    sides[1][0, :, column] += 4
    results = output_harm.harm_of_outputs(*(by_output(side, y) for side in sides), task=TASK, y=y)
    harmed = [each for each in results if each.harmed]
    assert {each.output for each in harmed} == {output}
    assert {each.measure for each in harmed} == measures
    findings = dataclasses.replace(outcome.findings, outputs=results)
    evidence.write(tmp_path, dataclasses.replace(outcome, findings=findings))
    rows = list(csv.DictReader((tmp_path / "outputs.csv").read_text().splitlines()))
    assert [(row["output"], row["measure"], row["group"]) for row in rows] == EXPECTED
    assert [row["harmed"] == "True" for row in rows] == [each.harmed for each in results]
    record = json.loads((tmp_path / "request.json").read_text())["findings"]["outputs"]
    assert [each["after"] for each in record] == pytest.approx([each.after for each in results])
    page = (tmp_path / "statement.md").read_text()
    assert page.count("**yes**") == len(harmed)
    assert f"beyond luck: {output} (accuracy, test)" in statement.harm(findings)


def test_of_one_output_nothing_is_added(outcome: Outcome, tmp_path: Path) -> None:
    evidence.write(tmp_path, outcome)
    assert not (tmp_path / "outputs.csv").exists()
    assert "Each output by itself" not in (tmp_path / "statement.md").read_text()
    assert "outputs" not in statement.harm(outcome.findings)
