"""DataFrames without a `kit.Table`: a column of each type is taken as its values, or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.challenges import frames
from kit.requests import prepare
from kit.types import DataColumns, ModelOptions, Recipe

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

Refused = Callable[..., str]
AGES = [30, 45, 60, 25]
COLUMNS = DataColumns("y", features=("column",))


def read(values: Any) -> np.ndarray:
    """The column as the model is given it; the index is that of nobody."""
    frame = pandas.DataFrame({"column": values, "y": [0, 1, 0, 1]}).set_index(pandas.Index([7, 3, 3, 9]))
    column: np.ndarray = frames.table(frame, COLUMNS)[0].inputs["column"]
    return column


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pandas.array(AGES, "Int64"), AGES),
        (pandas.array(AGES, "UInt8"), AGES),
        (pandas.array([0.5, 1, 2, 3], "Float64"), [0.5, 1, 2, 3]),
        (pandas.array([True, False, True, True], "boolean"), [True, False, True, True]),
        (pandas.array(AGES, "int64[pyarrow]"), AGES),
        (pandas.array([True, False, True, True], "bool[pyarrow]"), [True, False, True, True]),
        (pandas.Categorical(AGES), AGES),
        (np.array(AGES, "int32"), AGES),
        (np.array([True, False, True, True]), [True, False, True, True]),
    ],
    ids=lambda values: str(getattr(values, "dtype", "")),
)
def test_numbers_are_numbers_of_their_kind(values: Any, expected: list[float]) -> None:
    column = read(values)
    assert column.dtype.kind == np.asarray(expected).dtype.kind or (column.dtype.kind, str(values.dtype)[0]) == (
        "u",
        "U",
    )
    np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize("dtype", ["object", "string", "string[pyarrow]", "category", "str"])
def test_texts_are_texts(dtype: str) -> None:
    column = read(pandas.Series(["cook", "clerk", "cook", "NA"]).astype(dtype).array)
    assert column.dtype.kind == "U"
    assert column.tolist() == ["cook", "clerk", "cook", "NA"]


@pytest.mark.parametrize(
    "values",
    [
        pandas.array([1, None, 2, 3], "Int64"),
        pandas.array([True, None, True, False], "boolean"),
        pandas.array(["a", None, "b", "c"], "string"),
        pandas.Categorical(["a", None, "b", "c"]),
        np.array([1, np.nan, 2, 3]),
        np.array(["a", None, "b", "c"], object),
    ],
    ids=lambda values: str(values.dtype),
)
def test_gaps_are_refused_with_their_row(values: Any, refused: Refused) -> None:
    refused(lambda: read(values), "'column'", "row 1", "fillna")


@pytest.mark.parametrize(
    "values",
    [
        pandas.date_range("2026-01-01", periods=4),
        pandas.date_range("2026-01-01", periods=4, tz="Europe/Berlin"),
        pandas.to_timedelta([1, 2, 3, 4], "D"),
        pandas.period_range("2026-01", periods=4, freq="M"),
        pandas.cut(pandas.Series(AGES), 2).cat.categories.take([0, 1, 0, 1]),
        np.array([1, 2, 3, 4j]),
        pandas.Categorical(pandas.date_range("2026-01-01", periods=4)),
    ],
    ids=lambda values: str(values.dtype)[:12],
)
def test_what_is_neither_number_nor_text_is_refused(values: Any, refused: Refused) -> None:
    refused(lambda: read(values), "'column'", "holds values of the type", "leave it out with 'features'")


def people() -> Any:
    return pandas.DataFrame(
        {
            "age": pandas.array(np.arange(60) + 18, "Int64"),
            "job": pandas.Categorical(np.array(["cook", "clerk", "nurse"])[np.arange(60) % 3]),
            "income": pandas.array(np.where(np.arange(60) % 2, "high", "low"), "string"),
            "customer": [f"C{number}" for number in range(60)],
            "part": pandas.Categorical(np.repeat(["train", "validation", "test"], 20)),
        }
    )


def model() -> keras.Model:
    age, job = keras.Input((1,), name="age"), keras.Input((1,), dtype="string", name="job")
    looked_up = keras.layers.StringLookup(vocabulary=["clerk", "cook", "nurse"], output_mode="one_hot")(job)
    features = keras.layers.Concatenate()([keras.layers.Rescaling(0.02)(age), looked_up])
    net = keras.Model([age, job], keras.layers.Dense(1, activation="sigmoid")(features))
    net.compile("adam", "binary_crossentropy")
    return net


PARTITION = np.repeat([0, 1, 2], 20)
EXPLAINED = DataColumns("income", id="customer", partition="part", features=("age", "job"))


def test_a_request_takes_a_frame_as_it_would_a_table() -> None:
    frame, net = people(), model()
    request = prepare(net, frame, [2, 5], ModelOptions(Recipe(epochs=1), columns=EXPLAINED))
    columns = {"age": np.arange(60) + 18, "job": frame["job"].astype(str).to_numpy()}
    table = kit.Table(columns, frame["income"].astype(str).to_numpy(), keys={"customer": frame["customer"].to_numpy()})
    expected = prepare(net, table, [2, 5], ModelOptions(Recipe(epochs=1)), partition=np.repeat([0, 1, 2], 20))
    assert request.challenge.data_sha256 == expected.challenge.data_sha256
    assert request.challenge.train.classes == ("high", "low")
    assert request.names == [{"customer": "C2"}, {"customer": "C5"}]
    assert frame.equals(people())


def test_a_label_s_name_is_enough_where_all_else_is_input(refused: Refused) -> None:
    frame = people()[["age", "job", "income"]]
    challenge = kit.make_challenge("people", frame, columns="income", model=model(), recipe=Recipe(epochs=1))
    assert challenge.input_shape == (5,)
    request = prepare(model(), frame, [2], ModelOptions(Recipe(epochs=1), columns="income"), partition=PARTITION)
    assert len(request.challenge.train) == 20
    refused(lambda: prepare(model(), frame, [2], partition=PARTITION), "The DataFrame", "columns=kit.DataColumns")
    wrong = ModelOptions(columns="incom")
    refused(
        lambda: prepare(model(), frame, [2], wrong, partition=PARTITION), "no column 'incom'", "Did you mean income?"
    )
    refused(lambda: prepare(model(), frame, [2], ModelOptions(columns="income")), "do not say which of the examples")
