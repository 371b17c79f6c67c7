"""Columns of different kinds, with the preprocessing inside the model, as Keras's guides have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
GENERATOR = draw()
AGE = GENERATOR.integers(18, 80, ROWS)
INCOME = GENERATOR.normal(40_000, 9_000, ROWS)
JOB = np.array(["cook", "clerk", "nurse"])[GENERATOR.integers(0, 3, ROWS)]
OWNER = GENERATOR.integers(0, 2, ROWS).astype(bool)
CUSTOMER = 10**12 + GENERATOR.permutation(ROWS)
Y = (AGE > 45).astype(int)


def column(values: np.ndarray) -> np.ndarray:
    return values[:, np.newaxis]


def model(inputs: Any, parts: list[Any], end: Any = None) -> keras.Model:
    features = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    hidden = layers.Dense(8, activation="relu")(features)
    return keras.Model(inputs, (end or layers.Dense(1, activation="sigmoid"))(hidden), name="credit")


def fed(net: keras.Model, inputs: dict[str, np.ndarray]) -> Case:
    fed = {name: column(values) for name, values in inputs.items()}
    fitted(net, {name: keras.ops.convert_to_tensor(values) for name, values in fed.items()}, Y, "binary_crossentropy")
    return Case(net, fed, {**{f"x_{name}": values for name, values in inputs.items()}, "y": Y})


def adapted(layer: Any, values: np.ndarray) -> Any:
    layer.adapt(values)
    return layer


@case
def numbers_normalised_inside(folder: Path) -> Case:
    x = np.stack([AGE, INCOME], axis=1).astype("float32")
    net = keras.Sequential([keras.Input((2,)), adapted(layers.Normalization(), x), layers.Dense(2, "softmax")])
    return Case(fitted(net, x, Y, "sparse_categorical_crossentropy"), x, {"x": x, "y": Y})


@case
def named_columns_for_one_input(folder: Path) -> Case:
    x = np.stack([AGE / 80, INCOME / 1e5], axis=1).astype("float32")
    net = keras.Sequential([keras.Input((2,)), layers.Dense(1, activation="sigmoid")])
    fitted(net, x, Y, "binary_crossentropy")
    return Case(net, x, {"x_age": AGE / 80, "x_income": INCOME / 1e5, "y": Y})


@case
def texts_looked_up_and_numbers_normalised(folder: Path) -> Case:
    age, job = keras.Input((1,), name="age"), keras.Input((1,), dtype="string", name="job")
    lookup = adapted(layers.StringLookup(output_mode="one_hot"), JOB)
    scaled = adapted(layers.Normalization(axis=None), AGE)
    return fed(model({"age": age, "job": job}, [scaled(age), lookup(job)]), {"age": AGE, "job": JOB})


@case
def texts_embedded(folder: Path) -> Case:
    job, income = keras.Input((1,), dtype="string", name="job"), keras.Input((1,), name="income")
    index = layers.StringLookup(vocabulary=["cook", "clerk", "nurse"])(job)
    embedded = layers.Flatten()(layers.Embedding(4, 3)(index))
    net = model([job, income], [embedded, layers.Rescaling(1e-5)(income)])
    inputs = [column(JOB), column(INCOME)]
    fitted(net, [keras.ops.convert_to_tensor(part) for part in inputs], Y, "binary_crossentropy")
    return Case(net, inputs, {"x_job": JOB, "x_income": INCOME, "y": Y})


@case
def customers_by_large_numbers(folder: Path) -> Case:
    ids = keras.Input((1,), dtype="int64", name="customer")
    index = layers.IntegerLookup(vocabulary=CUSTOMER.tolist())(ids)
    return fed(
        model({"customer": ids}, [layers.Flatten()(layers.Embedding(ROWS + 1, 2)(index))]), {"customer": CUSTOMER}
    )


@case
def customers_hashed(folder: Path) -> Case:
    ids, age = keras.Input((1,), dtype="int64", name="customer"), keras.Input((1,), name="age")
    hashed = layers.Flatten()(layers.Embedding(16, 2)(layers.Hashing(16)(ids)))
    return fed(
        model({"customer": ids, "age": age}, [hashed, layers.Rescaling(0.01)(age)]), {"customer": CUSTOMER, "age": AGE}
    )


@case
def large_numbers_as_they_are(folder: Path) -> Case:
    ids = keras.Input((1,), dtype="int64", name="customer")
    net = model({"customer": ids}, [layers.Rescaling(1e-12)(ids)])
    inputs = {"customer": column(CUSTOMER)}
    return Case(
        net, inputs, {"x_customer": CUSTOMER, "y": Y}, refused=("1,000,000,000,059", "IntegerLookup or Hashing")
    )


@case
def ages_in_bins(folder: Path) -> Case:
    age = keras.Input((1,), name="age")
    bins = adapted(layers.Discretization(num_bins=5), AGE.astype("float32"))(age)
    return fed(model({"age": age}, [layers.CategoryEncoding(5, output_mode="one_hot")(bins)]), {"age": AGE})


@case
def booleans_and_numbers(folder: Path) -> Case:
    owner, age = keras.Input((1,), dtype="bool", name="owner"), keras.Input((1,), name="age")
    as_number = keras.ops.cast(owner, "float32")
    return fed(
        model({"owner": owner, "age": age}, [as_number, layers.Rescaling(0.01)(age)]), {"owner": OWNER, "age": AGE}
    )


@case
def two_arrays_of_unequal_width(folder: Path) -> Case:
    left, right = keras.Input((2,)), keras.Input((3,))
    net = model([left, right], [left, right])
    inputs = [draw().normal(size=(ROWS, width)).astype("float32") for width in (2, 3)]
    fitted(net, inputs, Y, "binary_crossentropy")
    return Case(net, inputs, {"x_0": inputs[0], "x_1": inputs[1], "y": Y})


@case
def two_arrays_in_one(folder: Path) -> Case:
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    x = np.zeros((ROWS, 5), "float32")
    return Case(model([left, right], [left, right]), x, {"x": x, "y": Y}, refused=("'left', 'right'", "'x_left'"))


@case
def inputs_of_other_names(folder: Path) -> Case:
    age, income = keras.Input((1,), name="age"), keras.Input((1,), name="income")
    files = {"x_age": AGE, "x_salary": INCOME, "y": Y}
    return Case(model([age, income], [age, income]), None, files, refused=("'age', 'income'", "'age', 'salary'"))


@case
def a_preprocessing_model_within(folder: Path) -> Case:
    age, job = keras.Input((1,), name="age"), keras.Input((1,), dtype="string", name="job")
    lookup = adapted(layers.StringLookup(output_mode="one_hot"), JOB)
    scaled = adapted(layers.Normalization(axis=None), AGE)
    before = keras.Model({"age": age, "job": job}, layers.Concatenate()([scaled(age), lookup(job)]))
    inputs = {"age": keras.Input((1,), name="age"), "job": keras.Input((1,), dtype="string", name="job")}
    return fed(model(inputs, [before(inputs)]), {"age": AGE, "job": JOB})


@case
def a_feature_space(folder: Path) -> Case:
    space = keras.utils.FeatureSpace({"age": "float_normalized", "job": "string_categorical"}, output_mode="concat")
    import tensorflow as tf

    space.adapt(tf.data.Dataset.from_tensor_slices({"age": AGE.astype("float32"), "job": JOB}).batch(30))
    inputs = space.get_inputs()
    net = model(inputs, [space.get_encoded_features()])
    return fed(net, {"age": AGE.astype("float32"), "job": JOB})


@case
def wide_and_deep(folder: Path) -> Case:
    age, job = keras.Input((1,), name="age"), keras.Input((1,), dtype="string", name="job")
    wide = layers.HashedCrossing(8, output_mode="one_hot")((job, layers.Hashing(4)(job)))
    deep = layers.Dense(4, activation="relu")(layers.Rescaling(0.01)(age))
    return fed(model({"age": age, "job": job}, [wide, deep]), {"age": AGE, "job": JOB})


@case
def gaps_in_a_column(folder: Path) -> Case:
    income = np.where(OWNER, np.nan, INCOME)
    net = model({"income": (tensor := keras.Input((1,), name="income"))}, [tensor])
    return Case(net, None, {"x_income": income, "y": Y}, refused=("'income'", "NaN", "fillna"))
