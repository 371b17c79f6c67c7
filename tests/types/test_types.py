"""The frozen dataclasses: what they accept, what they refuse and the arithmetic that they carry."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import struct
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from kit.tasks import CLASSIFICATION
from kit.types import NUM_WITH_LOGITS, Arrays, Challenge, Outputs, Recipe, Split

Refused = Callable[..., str]

LABELS = np.array([0, 1, 2, 1])


def table(examples: int = 8, features: int = 3) -> Arrays:
    return Arrays(np.zeros((examples, features)), np.arange(examples) % 2)


def halves(examples: int = 8) -> Split:
    return Split("halves", 0, forget=np.arange(examples // 2), retain=np.arange(examples // 2, examples))


# Arrays


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("uint8", "uint8"),
        ("uint16", "float32"),
        ("float32", "float32"),
        ("float64", "float32"),
        ("float16", "float32"),
        ("int64", "float32"),
        ("bool", "float32"),
    ],
)
def test_uint8_stays_and_everything_else_becomes_float32(given: str, kept: str) -> None:
    x = np.array([[0, 1], [1, 1], [0, 0], [1, 0]], dtype=given)
    arrays = Arrays(x, LABELS)
    assert arrays.x.dtype == kept
    np.testing.assert_array_equal(arrays.x, x)


def test_float64_is_rounded_to_the_nearest_float32_and_not_scaled() -> None:
    x = np.array([[0.1, 255.0]] * 4)
    assert Arrays(x, LABELS).x[0].tolist() == [float(np.float32(0.1)), 255.0]


@pytest.mark.parametrize(
    ("given", "kept"),
    [((4, 5), (4, 5)), ((4, 5, 6), (4, 5, 6, 1)), ((4, 5, 6, 1), (4, 5, 6, 1)), ((4, 5, 6, 3), (4, 5, 6, 3))],
)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_only_a_missing_channel_axis_is_added(given: tuple[int, ...], kept: tuple[int, ...], dtype: str) -> None:
    x = np.arange(math.prod(given)).reshape(given).astype(dtype)
    arrays = Arrays(x, LABELS)
    assert arrays.x.shape == kept
    np.testing.assert_array_equal(arrays.x.ravel(), x.ravel())


def test_texts_become_their_places_in_the_alphabet_or_in_a_given_order() -> None:
    texts = np.array(["yes", "no", "yes"])
    assert (Arrays(np.eye(3), texts).y.tolist(), Arrays(np.eye(3), texts).classes) == ([1, 0, 1], ("no", "yes"))
    given = Arrays(np.eye(3), texts.astype(object), classes=("yes", "maybe", "no"))
    assert (given.y.tolist(), given.y.dtype, given.classes) == ([0, 2, 0], np.int32, ("yes", "maybe", "no"))
    assert given.take(np.array([1])).classes == given.classes


def test_a_text_that_is_no_class_is_refused(refused: Callable[..., str]) -> None:
    refused(lambda: Arrays(np.eye(2), np.array(["a", "b"]), classes=("a", "c")), "'b'", "'a', 'c'")


@pytest.mark.parametrize("column", [2**40 + np.arange(4), np.array([0, 1, 2**24, 2**24 + 1])])
def test_ids_beside_measurements_are_not_merged(column: np.ndarray, refused: Callable[..., str]) -> None:
    x = np.stack([np.linspace(0, 1, 4), column], axis=1)
    refused(lambda: Arrays(x, LABELS), "Column 1", "4 different whole numbers", "merged")


@pytest.mark.parametrize("column", [2.0**40 * np.arange(4), np.array([0.5, 2**24, 2**24 + 1, 3]), np.full(4, 2.0**53)])
def test_large_measurements_are_no_ids(column: np.ndarray) -> None:
    assert Arrays(column[:, np.newaxis], LABELS).x.dtype == np.float32


@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint64", "bool"])
def test_labels_become_int32(dtype: str) -> None:
    arrays = Arrays(np.zeros((4, 2)), LABELS.astype(dtype))
    assert arrays.y.dtype == np.int32
    assert arrays.y.tolist() == LABELS.astype(dtype).astype(int).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_arrays_are_read_only_and_the_users_own_stay_as_they_were(dtype: str) -> None:
    given = {
        "x": np.arange(8).reshape(4, 2).astype(dtype),
        "y": LABELS.astype(np.int32),
        "groups": np.array(["a", "b", "a", "c"]),
        "mislabelled": np.array([True, False, False, True]),
    }
    before = {name: array.copy() for name, array in given.items()}
    arrays = Arrays(**given)
    for name, array in given.items():
        with pytest.raises(ValueError, match="read-only"):
            getattr(arrays, name)[0] = 0
        assert array.flags.writeable
        assert array.dtype == before[name].dtype
        np.testing.assert_array_equal(array, before[name])


def test_fields_of_arrays_cannot_be_replaced() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        table().y = LABELS  # type: ignore[misc]


def test_length_is_the_number_of_examples() -> None:
    assert len(table(examples=7)) == 7


def test_take_copies_the_rows_asked_for_in_their_order() -> None:
    x = np.arange(8, dtype=np.uint8).reshape(4, 2)
    arrays = Arrays(x, LABELS, groups=np.array(["a", "b", "c", "d"]), mislabelled=np.array([True, False, True, False]))
    taken = arrays.take(np.array([3, 0]))
    assert taken.x.tolist() == [[6, 7], [0, 1]]
    assert taken.y.tolist() == [1, 0]
    assert taken.groups is not None
    assert taken.groups.tolist() == ["d", "a"]
    assert taken.mislabelled is not None
    assert taken.mislabelled.tolist() == [False, True]
    assert not np.shares_memory(taken.x, x)


def test_take_leaves_absent_columns_absent() -> None:
    taken = table().take(np.array([0, 1]))
    assert taken.groups is None
    assert taken.mislabelled is None


@pytest.mark.parametrize(
    ("x", "y", "fragments"),
    [
        pytest.param(np.zeros((4, 2)), np.arange(3), ["(4, 2)", "(3,)", "same n"], id="unequal lengths"),
        pytest.param(np.zeros((0, 2)), np.arange(0), ["(0, 2)", "n >= 1"], id="no examples"),
        pytest.param(np.zeros((4, 0)), LABELS, ["(4, 0)"], id="no features"),
        pytest.param(np.zeros(4), LABELS, ["(4,)"], id="x without features axis"),
        pytest.param(np.zeros((4, 1, 1, 1, 1)), LABELS, ["(4, 1, 1, 1, 1)"], id="x of rank 5"),
        pytest.param(np.zeros((4, 2)), np.array(1), ["()"], id="one label"),
        pytest.param(np.array([["a"], ["b"]]), np.arange(2), ["'x' has dtype <U1", "astype"], id="x of text"),
        pytest.param(np.array([[{}], [None]]), np.arange(2), ["'x' has dtype object", "astype"], id="x of objects"),
        pytest.param(np.ones((2, 1), complex), np.arange(2), ["dtype complex128", "astype"], id="complex x"),
        pytest.param(np.zeros((4, 2)), LABELS * np.nan, ["begins with [nan, nan, nan]", "finite"], id="labels of NaN"),
        pytest.param(np.zeros((4, 2)), LABELS + 1e300, ["begins with [inf", "finite"], id="label beyond float32"),
        pytest.param(np.zeros((4, 2)), LABELS + 2**31, ["begins with [2147483648, "], id="label beyond int32"),
        pytest.param(
            np.zeros((2, 2)), np.array([["cat", "dog"], ["emu", "cat"]]), ["begins with [['cat'"], id="texts in rows"
        ),
        pytest.param(
            np.zeros((4, 2)),
            np.array([0, None, "a", 1], object),
            ["'y' has dtype object and begins with [0, None, 'a']", "without a label"],
            id="labels of objects",
        ),
        pytest.param(
            np.zeros((2, 2)), np.array([0, 2**63], np.uint64), ["9223372036854775808"], id="label beyond int64"
        ),
    ],
)
def test_unsound_examples_or_labels_are_refused(
    x: np.ndarray, y: np.ndarray, fragments: list[str], refused: Refused
) -> None:
    refused(lambda: Arrays(x, y), *fragments)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 2, 1)])
def test_values_that_are_not_finite_are_counted_and_located(
    bad: float, shape: tuple[int, ...], refused: Refused
) -> None:
    x = np.zeros(shape)
    x[2, 1] = x[4, 0] = bad
    refused(lambda: Arrays(x, np.zeros(5, int)), "in 2 of 5 examples", "example 2", "nan_to_num")


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_integers_that_float32_cannot_tell_apart_are_refused(dtype: str, refused: Refused) -> None:
    """Two customers would become one."""
    largest = 2**24
    assert np.float32(largest) == np.float32(largest + 1)
    assert Arrays(np.array([[largest], [largest - 1]], dtype), np.arange(2)).x.ravel().tolist() == [
        largest,
        largest - 1,
    ]
    numbers = [[largest + 1], [0]]
    refused(lambda: Arrays(np.array(numbers, dtype), np.arange(2)), "to 16777217", "beyond 16,777,216", "numpy.unique")
    if np.dtype(dtype).kind == "i":
        refused(lambda: Arrays(-np.array(numbers, dtype), np.arange(2)), "from -16777217")


@pytest.mark.parametrize("name", ["groups", "mislabelled"])
@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), ()])
def test_columns_of_another_shape_are_refused(name: str, shape: tuple[int, ...], refused: Refused) -> None:
    call = lambda: Arrays(np.zeros((4, 2)), LABELS, **{name: np.zeros(shape, bool)})  # noqa: E731
    refused(call, f"'{name}' has shape {shape}", "4 labels", f"leave '{name}' out")


@pytest.mark.parametrize("huge", [1e300, -1e39])
def test_values_that_overflow_float32_are_refused_as_infinite(huge: float, refused: Refused) -> None:
    x = np.zeros((4, 2))
    x[2, 1] = huge
    refused(lambda: Arrays(x, LABELS), "infinite values in 1 of 4 examples", "example 2")


@pytest.mark.parametrize("marks", [LABELS, LABELS * 1.0, LABELS.astype(str), LABELS.astype(object)])
def test_marks_of_wrong_labels_that_are_no_booleans_are_refused(marks: np.ndarray, refused: Refused) -> None:
    call = lambda: Arrays(np.zeros((4, 2)), LABELS, mislabelled=marks)  # noqa: E731
    refused(call, f"'mislabelled' has dtype {marks.dtype}", "Expected booleans", "mislabelled == 1")


# Split


def test_split_keeps_its_indices_in_order_as_read_only_int64() -> None:
    forget = np.array([2, 0], np.uint8)
    split = Split("mine", 5, forget=forget, retain=np.array([3, 1], np.int32))
    assert (split.name, split.seed) == ("mine", 5)
    assert (split.forget.tolist(), split.retain.tolist()) == ([2, 0], [3, 1])
    for part in (split.forget, split.retain):
        assert part.dtype == np.int64
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1
    assert forget.flags.writeable


def test_split_digest_is_sha256_of_both_lengths_and_lists_in_little_endian_int64() -> None:
    split = Split("mine", 0, forget=np.array([2, 0, 4]), retain=np.array([1, 3]))
    by_hand = hashlib.sha256(struct.pack("<Q3q", 3, 2, 0, 4) + struct.pack("<Q2q", 2, 1, 3)).hexdigest()
    assert split.sha256 == by_hand


@pytest.mark.parametrize(
    ("forget", "retain"),
    [([0, 2], [1, 3]), ([2, 0], [3, 1]), ([2], [0, 1, 3]), ([1, 3], [2, 0])],
)
def test_split_digest_tells_order_and_sides_apart(forget: list[int], retain: list[int]) -> None:
    other = Split("mine", 0, forget=np.array([2, 0]), retain=np.array([1, 3]))
    assert Split("mine", 0, forget=np.array(forget), retain=np.array(retain)).sha256 != other.sha256


def test_split_digest_depends_on_the_indices_alone() -> None:
    split = Split("one", 0, forget=np.array([2, 0]), retain=np.array([1, 3]))
    other = Split("two", 9, forget=np.array([2, 0], np.int32), retain=np.array([1, 3], np.uint16))
    assert split.sha256 == other.sha256


@pytest.mark.parametrize(
    ("forget", "retain", "fragments"),
    [
        ([], [0, 1], ["nothing is to be forgotten", "0 of 2", "Choose another"]),
        ([0, 1], [], ["everything is to be forgotten", "2 of 2", "Choose another"]),
        ([0, 1], [1, 2], ["'mine'", "disjoint", "kit.make_split"]),
        ([0, 0], [1, 2], ["'mine'", "each of 4", "kit.make_split"]),
        ([0], [2, 3], ["'mine'", "0 .. n - 1", "kit.make_split"]),
        ([-1], [0, 1], ["'mine'", "0 .. n - 1", "kit.make_split"]),
    ],
    ids=["empty", "everything", "overlap", "duplicate", "gap", "negative"],
)
def test_split_that_does_not_name_each_example_once_is_refused(
    forget: list[int], retain: list[int], fragments: list[str], refused: Refused
) -> None:
    call = lambda: Split("mine", 0, forget=np.array(forget, int), retain=np.array(retain, int))  # noqa: E731
    refused(call, *fragments)


@pytest.mark.parametrize("part", ["forget", "retain"])
@pytest.mark.parametrize("dtype", ["float64", "bool", "str"])
def test_split_refuses_indices_that_are_no_integers(part: str, dtype: str, refused: Refused) -> None:
    sides = {"forget": np.array([0]), "retain": np.array([1])}
    sides[part] = sides[part].astype(dtype)
    refused(
        lambda: Split("mine", 0, **sides),
        f"The {part} indices of 'mine' have shape (1,) and dtype",
        "numpy.flatnonzero",
    )


# Recipe


@pytest.mark.parametrize("epochs", [1, 2, 7, 30, 50])
@pytest.mark.parametrize("learning_rate", [0.1, 0.003])
def test_cosine_learning_rates_follow_the_formula_of_pytorch(epochs: int, learning_rate: float) -> None:
    """CosineAnnealingLR(T_max=epochs, eta_min=0): eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2."""
    eta_min = 0.0
    expected = [
        eta_min + (learning_rate - eta_min) * (1 + math.cos(math.pi * epoch / epochs)) / 2 for epoch in range(epochs)
    ]
    rates = Recipe(epochs=epochs, learning_rate=learning_rate).learning_rates()
    assert rates.shape == (epochs,)
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_constant_schedule_keeps_the_learning_rate() -> None:
    rates = Recipe(epochs=3, learning_rate=0.25, schedule="constant").learning_rates()
    assert rates.tolist() == [0.25, 0.25, 0.25]


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_no_epoch_has_no_learning_rate(schedule: Any) -> None:
    assert Recipe(epochs=0, schedule=schedule).learning_rates().shape == (0,)


def test_boundary_values_can_be_trained_with() -> None:
    recipe = Recipe(epochs=0, learning_rate=1e-12, momentum=0.0, weight_decay=0.0)
    assert (recipe.momentum, recipe.weight_decay) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("epochs", 2.5),
        ("learning_rate", 0.0),
        ("learning_rate", -0.1),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("momentum", -0.1),
        ("momentum", 1.0),
        ("momentum", math.nan),
        ("weight_decay", -1e-9),
        ("weight_decay", math.nan),
        ("weight_decay", math.inf),
        ("schedule", "linear"),
    ],
)
def test_recipe_that_cannot_be_trained_with_is_refused(name: str, value: Any, refused: Refused) -> None:
    refused(lambda: Recipe(**{name: value}), f"{name}={value!r}", "cannot be trained with", "Correct the value")


# Challenge


@pytest.mark.parametrize("name", ["a", "noisy-digits", "my_faces.v2", "42"])
def test_challenge_accepts_names_that_make_a_folder(name: str) -> None:
    assert Challenge(name, table(), table(), table(), halves(), "mlp", task=CLASSIFICATION).name == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "a b", ".hidden", "a\0b", "a:b", "~"])
def test_challenge_refuses_names_that_leave_or_hide_their_folder(name: str, refused: Refused) -> None:
    call = lambda: Challenge(name, table(), table(), table(), halves(), "mlp", task=CLASSIFICATION)  # noqa: E731
    refused(call, f"'{name}' cannot name a challenge", "folder", "Rename")


@pytest.mark.parametrize("odd", ["train", "validation", "test"])
def test_challenge_refuses_examples_of_two_shapes(odd: str, refused: Refused) -> None:
    parts = {"train": table(), "validation": table(), "test": table()} | {odd: table(features=4)}
    call = lambda: Challenge("a", split=halves(), model="mlp", task=CLASSIFICATION, **parts)  # noqa: E731
    refused(call, "differ: float32 (3,), float32 (4,)", "one dtype and shape", "resize")


@pytest.mark.parametrize("odd", ["train", "validation", "test"])
def test_challenge_refuses_examples_of_two_dtypes(odd: str, refused: Refused) -> None:
    bytes_alone = Arrays(np.zeros((8, 3), np.uint8), np.arange(8) % 2)
    parts = {"train": table(), "validation": table(), "test": table()} | {odd: bytes_alone}
    call = lambda: Challenge("a", split=halves(), model="mlp", task=CLASSIFICATION, **parts)  # noqa: E731
    refused(call, "differ: float32 (3,), uint8 (3,)", "one dtype and shape", "Convert")


@pytest.mark.parametrize("batch_size", [0, -1])
def test_challenge_refuses_batches_of_nothing(batch_size: int, refused: Refused) -> None:
    def call() -> Challenge:
        return Challenge("a", table(), table(), table(), halves(), "mlp", batch_size=batch_size, task=CLASSIFICATION)

    refused(call, f"batch size is {batch_size}", "Try 64")


@pytest.mark.parametrize("examples", [6, 10])
def test_challenge_refuses_the_split_of_another_training_set(examples: int, refused: Refused) -> None:
    call = lambda: Challenge("a", table(8), table(), table(), halves(examples), "mlp", task=CLASSIFICATION)  # noqa: E731
    refused(call, f"covers {examples} training examples", "has 8", "kit.make_split")


def test_challenge_facts_come_from_its_parts() -> None:
    images = [Arrays(np.full((4, 5, 6), part, np.uint8), np.array([0, 1, 0, part])) for part in (1, 2, 3)]
    split = Split("mine", 0, forget=np.array([3, 0]), retain=np.array([2, 1]))
    challenge = Challenge("a", *images, split, "convnet", task=CLASSIFICATION)
    assert challenge.input_shape == (5, 6, 1)
    assert challenge.num_classes == 4  # a class that only the test set has counts too
    assert {part: challenge.labels(part).tolist() for part in ("retain", "forget", "validation", "test")} == {
        "retain": [0, 1],
        "forget": [1, 0],
        "validation": [0, 1, 0, 2],
        "test": [0, 1, 0, 3],
    }


def test_data_digest_changes_with_any_pixel_shape_label_or_division_and_with_nothing_else() -> None:
    def digest(x: np.ndarray, y: np.ndarray, cut: int = 4, split: Split | None = None) -> str:
        parts = [Arrays(x[rows], y[rows]) for rows in (slice(0, 4), slice(4, 4 + cut), slice(4 + cut, None))]
        return Challenge("a", *parts, split or halves(4), "mlp", task=CLASSIFICATION).data_sha256

    x, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2
    other_x, other_y = x.copy(), y.copy()
    other_x[11, 1] += 1
    other_y[5] = 0
    same = digest(x, y)
    assert digest(x.copy(), y.astype(np.uint8), split=Split("other", 1, np.array([3]), np.arange(3))) == same
    as_images = x.reshape(12, 2, 1)  # the same bytes in another shape
    assert len({same, digest(other_x, y), digest(x, other_y), digest(x, y, cut=5), digest(as_images, y)}) == 5


# Outputs


def outputs(logits: np.ndarray, labels: np.ndarray) -> Outputs:
    models = len(logits)
    return Outputs.of_logits(
        "mine", {"test": logits}, {"test": labels}, seconds=np.arange(models) / 2, seeds=np.arange(models) + 10
    )


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_losses_equal_keras_sparse_cross_entropy(scale: float) -> None:
    generator = np.random.default_rng(0)
    logits = (scale * generator.normal(size=(3, 20, 5))).astype(np.float32)
    labels = generator.integers(0, 5, size=20)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None, dtype="float64")
    expected = [keras.ops.convert_to_numpy(cross_entropy(labels, model.astype(np.float64))) for model in logits]
    losses = outputs(logits, labels).losses("test")
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=2e-7, atol=1e-6)


@pytest.mark.parametrize(
    ("logits", "label", "loss"),
    [
        ([1e4, -1e4], 0, 0.0),
        ([1e4, -1e4], 1, 2e4),
        ([-1e4, -1e4], 1, math.log(2)),
        ([1e4, 1e4, 1e4], 2, math.log(3)),
    ],
)
def test_losses_of_extreme_logits_are_exact_and_finite(logits: list[float], label: int, loss: float) -> None:
    assert outputs(np.array([[logits]]), np.array([label])).losses("test")[0, 0] == pytest.approx(loss, abs=1e-7)


def test_losses_leave_the_logits_as_they_were() -> None:
    logits = np.array([[[1.0, 3.0], [2.0, 0.0]]], np.float32)
    model = outputs(logits, np.array([0, 1]))
    assert np.array_equal(model.losses("test"), model.losses("test"))
    assert logits.tolist() == model.logits["test"].tolist() == [[[1.0, 3.0], [2.0, 0.0]]]


def test_correct_says_of_each_model_and_example_whether_the_largest_logit_is_the_label() -> None:
    logits = np.array([[[3, 1, 2], [0, 5, 1]], [[0, 1, 2], [9, 5, 1]]])
    assert outputs(logits, np.array([0, 1])).correct["test"].tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("models", [slice(0, 1), slice(1, 4), slice(None, None, 2)])
def test_select_takes_the_same_models_of_every_field(models: slice) -> None:
    logits = np.arange(4 * 3 * 2).reshape(4, 3, 2)
    everything = outputs(logits, np.array([0, 1, 1]))
    some = everything.select(models)
    assert (some.method, some.num_models) == ("mine", len(range(4)[models]))
    assert some.logits["test"].tolist() == logits.tolist()[models]
    assert some.labels["test"].tolist() == [0, 1, 1]
    assert some.seconds.tolist() == [0.0, 0.5, 1.0, 1.5][models]
    assert some.seeds.tolist() == [10, 11, 12, 13][models]


def test_outputs_are_typed_read_only_and_leave_the_given_arrays_writeable() -> None:
    logits, labels = np.zeros((2, 3, 4), np.float32), np.zeros(3, np.int32)
    given = Outputs.of_logits("mine", {"test": logits}, {"test": labels}, seconds=np.zeros(2), seeds=np.zeros(2, int))
    kinds = (given.logits, given.confidences, given.correct, given.labels)
    kept = (*(kind["test"] for kind in kinds), given.seconds, given.seeds)
    assert [str(array.dtype) for array in kept] == ["float32", "float32", "bool", "int32", "float64", "int64"]
    for array in kept:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert logits.flags.writeable
    assert labels.flags.writeable


def given_arrays(**changes: Any) -> dict[str, Any]:
    """What `Outputs` takes, of two models and three examples, with some of it replaced."""
    arrays: dict[str, Any] = {
        "confidences": {"test": np.zeros((2, 3))},
        "correct": {"test": np.zeros((2, 3), bool)},
        "labels": {"test": np.zeros(3, int)},
        "seconds": np.zeros(2),
        "seeds": np.arange(2),
        "logits": {"test": np.zeros((1, 3, 4))},
    }
    return arrays | changes


@pytest.mark.parametrize("kind", ["confidences", "correct"])
@pytest.mark.parametrize("shape", [(2,), (1, 3), (2, 2), (2, 3, 4)])
def test_outputs_refuse_arrays_that_are_not_models_by_examples(kind: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"2 models and 3 examples"):
        Outputs("mine", **given_arrays(**{kind: {"test": np.zeros(shape)}}))


@pytest.mark.parametrize("shape", [(2, 3), (3, 3, 4), (2, 2, 4), (2, 3, 4, 1)])
def test_outputs_refuse_logits_that_are_not_models_by_examples_by_classes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"at most 2 models and 3 examples"):
        Outputs("mine", **given_arrays(logits={"test": np.zeros(shape)}))


@pytest.mark.parametrize("label", [-1, 4])
def test_outputs_refuse_labels_outside_the_classes(label: int) -> None:
    with pytest.raises(ValueError, match=r"Labels of 'test' lie between .* Expected 0 \.\. 3, .* 4 classes"):
        Outputs("mine", **given_arrays(labels={"test": np.array([1, label, 2])}))


@pytest.mark.parametrize("parts", [[], ["retain"], ["test", "retain"]])
def test_outputs_refuse_labels_of_other_parts(parts: list[str]) -> None:
    labels = {part: np.zeros(3, int) for part in parts}
    with pytest.raises(ValueError, match=r"confidences of \['test'\], .* Expected labels for each part"):
        Outputs("mine", **given_arrays(labels=labels, logits={}))


@pytest.mark.parametrize("seeds", [0, 1, 3])
def test_outputs_refuse_seeds_of_another_length(seeds: int) -> None:
    with pytest.raises(ValueError, match=f"2 durations and {seeds} seeds. Expected .* a seed for each model"):
        Outputs("mine", **given_arrays(seeds=np.arange(seeds)))


def test_only_the_first_models_of_a_population_keep_their_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(NUM_WITH_LOGITS + 4, 5, 3))
    many = outputs(logits, np.array([0, 1, 2, 0, 1]))
    assert many.num_models == len(many.confidences["test"]) == NUM_WITH_LOGITS + 4
    np.testing.assert_array_equal(many.logits["test"], logits[:NUM_WITH_LOGITS].astype(np.float32))
    odd = many.select(np.arange(1, NUM_WITH_LOGITS + 4, 2))
    np.testing.assert_array_equal(odd.logits["test"], logits[1:NUM_WITH_LOGITS:2].astype(np.float32))
    np.testing.assert_array_equal(odd.confidences["test"], many.confidences["test"][1::2])
    assert many.select(slice(NUM_WITH_LOGITS, None)).logits["test"].shape == (0, 5, 3)


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_confidences_are_the_logit_of_the_labels_probability(scale: float) -> None:
    logits = scale * np.random.default_rng(1).normal(size=(2, 30, 4))
    labels = np.arange(30) % 4
    log_p = log_softmax(logits, axis=-1)
    others = logsumexp(np.where(np.arange(4) == labels[:, np.newaxis], -np.inf, log_p), axis=-1)
    expected = log_p[:, np.arange(30), labels] - others
    np.testing.assert_allclose(outputs(logits, labels).confidences["test"], expected, rtol=1e-6, atol=1e-6)


def test_a_single_class_is_certain() -> None:
    model = outputs(np.zeros((1, 2, 1)), np.zeros(2, int))
    assert model.losses("test").tolist() == [[0.0, 0.0]]
    assert np.isfinite(model.confidences["test"]).all()
