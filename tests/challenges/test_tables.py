"""Tables in files: columns that a recipe explains, and a model with its preprocessing inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.challenges import tables
from kit.types import DataColumns, Recipe

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

Refused = Callable[..., str]
ROWS = 60
JOBS = ["cook", "clerk", "nurse"]
RECIPE = """
epochs = 3
optimizer = "from model"
[data]
label = "income"
id = "customer"
group = "household"
partition = "part"
"""


@pytest.fixture
def frame() -> Any:
    generator = np.random.default_rng(0)
    age = generator.integers(18, 80, ROWS)
    columns = {
        "customer": [f"C{number:03d}" for number in range(ROWS)],
        "household": np.arange(ROWS) // 2,
        "age": age,
        "job": [JOBS[number % 3] for number in range(ROWS)],
        "income": np.where(age > 45, ">50K", "<=50K"),
        "part": np.repeat(["train", "validation", "test"], [40, 10, 10]),
    }
    return pandas.DataFrame(columns)


@pytest.fixture
def folder(frame: Any, tmp_path: Path) -> Path:
    frame.to_csv(tmp_path / "people.csv", index=False)
    frame.to_parquet(tmp_path / "people.parquet")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "requests.csv").write_text("customer\nC003\nC005\n")
    model().save(tmp_path / "model.keras")
    return tmp_path


def model() -> keras.Model:
    age, job = keras.Input((1,), name="age"), keras.Input((1,), dtype="string", name="job")
    looked_up = keras.layers.StringLookup(vocabulary=JOBS, output_mode="one_hot")(job)
    features = keras.layers.Concatenate()([keras.layers.Rescaling(0.02)(age), looked_up])
    net = keras.Model([age, job], keras.layers.Dense(1, activation="sigmoid")(features), name="income")
    net.layers[-1].set_weights([np.array([[20.0], [0.0], [0.0], [0.0], [0.0]]), np.array([-18.2])])  # above 45
    net.compile(keras.optimizers.RMSprop(0.002), "binary_crossentropy")
    return net


def loaded(folder: Path, table: str, **options: Any) -> kit.Challenge:
    files = {"model": folder / "model.keras", "recipe": folder / "recipe.toml", "forget": folder / "requests.csv"}
    return kit.load_challenge(folder / table, **{**files, **options})


@pytest.mark.parametrize("table", ["people.csv", "people.parquet"])
def test_a_table_its_model_and_requests_by_customer_become_a_challenge(folder: Path, frame: Any, table: str) -> None:
    heard: list[str] = []
    challenge = loaded(folder, table, announce=heard.append)
    assert challenge.split.forget.tolist() == [3, 5]
    assert [len(part) for part in (challenge.train, challenge.validation, challenge.test)] == [40, 10, 10]
    assert challenge.recipe == Recipe(3, 0.002, 0.0, 0.0, "constant", optimizer="rmsprop")
    np.testing.assert_array_equal(challenge.train.y, frame["income"][:40] == ">50K")
    np.testing.assert_array_equal(challenge.train.x[:, 0], frame["age"][:40])
    assert "labels: 0 = <=50K, 1 = >50K" in heard
    by_class = loaded(folder, table, forget="class:>50K").split.forget
    np.testing.assert_array_equal(by_class, np.flatnonzero(challenge.train.y))
    assert loaded(folder, table, forget="group:7").split.forget.tolist() == [14, 15]


def test_a_data_frame_in_python_is_a_table_too(frame: Any) -> None:
    table = kit.Table(frame[["age", "job"]], frame["income"], keys={"customer": frame["customer"]})
    challenge = kit.make_challenge("people", table, model=model(), recipe=Recipe(epochs=1))
    assert challenge.input_shape == (5,)
    assert challenge.train.classes == ("<=50K", ">50K")


def test_columns_of_numbers_alone_need_no_model(folder: Path, frame: Any) -> None:
    table, partition = tables.read(folder / "people.csv", DataColumns("income", features=("age", "household")))
    assert partition is None
    assert {name: column.dtype.kind for name, column in table.inputs.items()} == {"age": "i", "household": "i"}
    assert table.y.tolist() == frame["income"].tolist()


def test_the_column_of_ids_can_be_an_option(folder: Path) -> None:
    (folder / "requests.csv").write_text("household\n7\n")
    assert loaded(folder, "people.csv", id_column="household").split.forget.tolist() == [14, 15]


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ("", ["nothing says which are the labels", "'customer', 'household'", "label = 'COLUMN'"]),
        ("[data]\nlabel = 'incom'", ["no column 'incom'", "Did you mean income?"]),
        ("[data]\nlabel = 'income'\nfeatures = ['age', 'job', 'sex']", ["no column 'sex'"]),
        ("[data]\nlabel = 'income'\npartition = 'job'", ["'clerk'", "train, validation and test"]),
        ("[data]\nlabel = 'income'\nclasses = ['>50K']", ["'<=50K'", "none of the classes"]),
        ("[data]\nlabel = 'job'", ["the inputs 'age', 'job'", "'customer', 'household', 'age', 'income', 'part'"]),
    ],
)
def test_a_recipe_that_does_not_explain_the_table_is_refused(
    folder: Path, change: str, fragments: list[str], refused: Refused
) -> None:
    (folder / "recipe.toml").write_text(change)
    refused(lambda: loaded(folder, "people.csv", forget="random:0.1"), *fragments)


@pytest.mark.parametrize(
    ("column", "fragments"),
    [
        ("age", ["'age'", "row 4", "fillna(0)"]),
        ("job", ["'job'", "row 4", "fillna('')"]),
        ("income", ["1 gaps, row 4"]),
    ],
)
def test_gaps_are_named(folder: Path, frame: Any, column: str, fragments: list[str], refused: Refused) -> None:
    frame = frame.astype({column: object})
    frame.loc[4, column] = None
    frame.to_csv(folder / "people.csv", index=False)
    refused(lambda: loaded(folder, "people.csv"), *fragments)


def test_a_damaged_table_is_refused(folder: Path, refused: Refused) -> None:
    (folder / "people.parquet").write_bytes(b"PAR1 and then nothing")
    refused(lambda: loaded(folder, "people.parquet"), "people.parquet", "cannot be read")
    refused(lambda: loaded(folder, "none.csv"), "no file")


def test_without_the_libraries_the_extra_is_named(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(
        lambda: tables.check_file(folder / "people.csv"), "pandas and pyarrow", "pip install pandas pyarrow", "x_NAME"
    )
