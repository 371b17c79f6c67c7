"""Groups of test examples by the values of columns: against counts by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from owners import RECIPE, RECORDS, data, model

import kit
from kit.requests import Outcome, evidence, prepare, slices
from kit.requests.findings import Observations, findings
from kit.types import InputError, ModelOptions

SEX = np.array(["f", "m"])[np.arange(240) % 2]
AGE = np.arange(240)
ROWS = np.arange(200, 240)


@pytest.fixture
def table() -> kit.Table:
    arrays, _ = data()
    return kit.Table({"x": arrays.x, "sex": SEX, "age": AGE[:, np.newaxis]}, arrays.y, keys={"customer": AGE})


def test_columns_are_inputs_ids_and_groups(table: kit.Table) -> None:
    columns = slices.columns_of(table, ["sex", "age", "customer"], ROWS)
    np.testing.assert_array_equal(columns["sex"], SEX[ROWS])
    np.testing.assert_array_equal(columns["age"], ROWS)
    np.testing.assert_array_equal(columns["customer"], ROWS)
    owned = dataclasses.replace(data()[0], groups=SEX)
    np.testing.assert_array_equal(slices.columns_of(owned, ["group"], ROWS)["group"], SEX[ROWS])


@pytest.mark.parametrize("name", ["race", "x"])
def test_other_columns_are_refused(table: kit.Table, name: str) -> None:
    with pytest.raises(InputError, match=f"Slices by '{name}'.*'sex', 'age', 'customer'"):
        slices.columns_of(table, [name], ROWS)


def test_groups_are_all_examples_each_class_and_the_slices_that_are_large_enough() -> None:
    arrays, partition = data()
    challenge = prepare(model(), arrays, RECORDS, ModelOptions(RECIPE), partition=partition).challenge
    rare = np.where(np.arange(40) < 19, "rare", "usual")
    groups = slices.groups_of(challenge, {"sex": SEX[ROWS], "kind": rare, "age": ROWS})
    assert {name: int(members.sum()) for name, members in groups.items()} == {
        "test": 40,
        "class 0": 13,
        "class 1": 13,
        "class 2": 14,
        "sex f": 20,
        "sex m": 20,
        "kind usual": 21,
    }
    np.testing.assert_array_equal(groups["sex m"], SEX[ROWS] == "m")


def test_many_numbers_become_quarters_that_are_all_examples_once() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    members = np.stack(list(slices._slices("income", values).values()))
    assert members.shape == (4, 1000)
    assert (members.sum(axis=0) == 1).all()
    assert members.sum(axis=1).tolist() == [250] * 4
    with pytest.raises(InputError, match="1,000 different texts"):
        slices._slices("name", values.astype(str))


def test_a_slice_that_is_harmed_is_named(outcome: Outcome, tmp_path: Path) -> None:
    """Of one slice half is wrong after unlearning, and nearly nothing in retrained models."""
    generator = np.random.default_rng(0)
    statistic = [generator.normal(size=(models, 6)) for models in (1, 1, 8, 8)]
    right = [generator.random((models, 400)) < 0.95 for models in (1, 1, 8, 8)]
    female = np.arange(400) % 2 == 0
    right[1][0, female] = generator.random(200) < 0.5
    original, unlearned, retrained, learnt = (Observations(*each) for each in zip(statistic, right, strict=True))
    groups = {"test": np.ones(400, bool), "sex <f>": female, "sex m": ~female}
    results = findings(original, unlearned, retrained=retrained, learnt=learnt, groups=groups)
    assert [group.name for group in results.harm if group.harmed] == ["test", "sex <f>"]
    evidence.write(tmp_path, dataclasses.replace(outcome, findings=results))
    assert "sex <f>,200," in (tmp_path / "harm.csv").read_text()
    assert r"sex \<f\>" in (tmp_path / "statement.md").read_text()
    harm = json.loads((tmp_path / "request.json").read_text())["findings"]["harm"]
    assert [group["name"] for group in harm] == list(groups)


def test_a_recipe_names_the_columns(tmp_path: Path) -> None:
    arrays, partition = data()
    (tmp_path / "recipe.toml").write_text("epochs = 2\n[data]\nslices = ['group']\n")
    owned = dataclasses.replace(arrays, groups=SEX)
    request = prepare(model(), owned, RECORDS, ModelOptions(tmp_path / "recipe.toml"), partition=partition)
    np.testing.assert_array_equal(request.slices["group"], SEX[partition == 2])
