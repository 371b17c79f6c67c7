"""Labels of several outputs in tables and in data sets of TensorFlow's: the same as from an .npz file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import kit
from kit.challenges import loading
from kit.requests import prepare
from kit.types import DataColumns, ModelOptions

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

Refused = Callable[..., str]
X = np.random.default_rng(0).normal(size=(90, 2)).astype("float32")
LABELS = {"kind": np.arange(90) % 3, "price": (X[:, 0] * 3).astype("float32")}
PARTS = np.repeat([0, 1, 2], [60, 15, 15])
RECIPE = kit.Recipe(epochs=1)


def model() -> keras.Model:
    """Its outputs are in another order than the columns, and than the alphabet has them."""
    inputs = [keras.Input((1,), name=name) for name in ("first", "second")]
    x = keras.layers.Concatenate()(inputs)
    ends = [keras.layers.Dense(1, name="price")(x), keras.layers.Dense(3, activation="softmax", name="kind")(x)]
    net = keras.Model(inputs, ends)
    net.compile("sgd", {"price": "mse", "kind": "sparse_categorical_crossentropy"})
    return net


def frame(**changes: Any) -> Any:
    return pandas.DataFrame({"kind": LABELS["kind"], "first": X[:, 0], "part": PARTS, "second": X[:, 1]}).assign(
        **{"price": LABELS["price"], **changes}
    )


def expected(output: str) -> np.ndarray:
    return np.column_stack([LABELS["price"], LABELS["kind"]]) if output == "all" else LABELS[output]


@pytest.mark.parametrize("output", ["all", "kind", "price"])
def test_a_recipe_names_a_column_for_each_output(output: str, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "data.csv", index=False)
    lines = ["epochs = 1", "[data]", 'label = ["kind", "price"]', 'partition = "part"', f'output = "{output}"']
    (tmp_path / "recipe.toml").write_text("\n".join(lines))
    net = model()
    net.save(tmp_path / "model.keras")
    options = ModelOptions(tmp_path / "recipe.toml")
    loaded = loading.load(tmp_path / "data.csv", model=tmp_path / "model.keras", forget=[3], options=options)
    np.testing.assert_allclose(loaded.test.y, expected(output)[PARTS == 2], rtol=1e-6)
    inputs = {"x_first": X[:, 0], "x_second": X[:, 1]}
    np.savez(
        tmp_path / "data.npz", partition=PARTS, **inputs, **{f"y_{name}": labels for name, labels in LABELS.items()}
    )
    of_arrays = loading.load(tmp_path / "data.npz", model=net, forget=[3], options=ModelOptions(RECIPE, output=output))
    assert loaded.task == of_arrays.task
    assert loaded.data_sha256 == of_arrays.data_sha256


@pytest.mark.parametrize("output", ["all", "kind"])
def test_a_frame_has_a_column_for_each_output(output: str) -> None:
    columns = DataColumns(["kind", "price"], partition="part")  # type: ignore[arg-type]  # as lists are written
    net = model()
    challenge = kit.make_challenge(
        "mine", frame(), columns=columns, model=net, recipe=RECIPE, forget=[3], output_name=output
    )
    options = ModelOptions(RECIPE, columns=columns, output=output)
    request = prepare(net, frame(), [3], options)
    for each in (challenge, request.challenge):
        np.testing.assert_allclose(each.test.y, expected(output)[PARTS == 2], rtol=1e-6)
    assert challenge.data_sha256 == request.challenge.data_sha256


def test_columns_that_are_no_outputs_are_refused(refused: Refused) -> None:
    net = model()

    def make(labels: tuple[str, ...], output: str = "all", **changes: Any) -> None:
        columns = DataColumns(labels, partition="part", features=("first", "second"))
        kit.make_challenge("mine", frame(**changes), columns=columns, model=net, forget=[3], output_name=output)

    refused(lambda: make(("kind",)), "no labels of 'price'", "label = [...]")
    refused(lambda: make(("kind", "prices")), "Did you mean price?")
    refused(lambda: make(("kind", "price"), ""), "no output was named")
    refused(lambda: make(("kind", "price"), kind=np.array(["a", "b", "c"])[LABELS["kind"]]), "numpy.unique")
    refused(lambda: make(("kind", "first")), "which is a label")


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("output", ["all", "kind", "price"])
def test_a_data_set_has_labels_by_name_or_in_order(output: str, batched: bool, refused: Refused) -> None:
    net, x = model(), (X[:, 0], X[:, 1])
    for labels in (LABELS, (LABELS["price"], LABELS["kind"])):
        dataset = tf.data.Dataset.from_tensor_slices((x, labels))
        dataset = dataset.batch(40) if batched else dataset
        request = prepare(net, dataset, [3], ModelOptions(RECIPE, output=output), partition=PARTS)
        np.testing.assert_allclose(request.challenge.test.y, expected(output)[PARTS == 2], rtol=1e-6)
        refused(lambda data=dataset: prepare(net, data, [3], ModelOptions(RECIPE), partition=PARTS), "no output was")
    unordered = tf.data.Dataset.from_tensor_slices((x, LABELS)).shuffle(90)
    refused(
        lambda: prepare(net, unordered, [3], ModelOptions(RECIPE, output=output), partition=PARTS), "Leave out shuffle"
    )
