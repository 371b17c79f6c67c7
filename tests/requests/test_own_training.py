"""Training by a function of the user's: what it is handed, what of its errors is said, and that it is the reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from owners import RECORDS, data, model

import kit
from kit.requests import DeletionRequest, Effort, Plan, carry_out, evidence, own_training, prepare, references
from kit.runs.population import Request
from kit.runs.worker import Worker
from kit.submission.entry import Entry
from kit.types import FailedRun, InputError, ModelOptions

ARRAYS, PARTITION = data()


def asked(train: Callable[..., Any] | str, net: keras.Model | None = None) -> DeletionRequest:
    options = ModelOptions(retrain=train)
    return prepare(net or model(), ARRAYS, RECORDS, options, partition=PARTITION)


def to_constant(net: keras.Model, x: Any, y: Any, validation_data: Any) -> None:
    """Trains in no time: the first bias is the mean of the examples' numbers, which tells who was there."""
    arrays = net.get_weights()
    arrays[-1][0] = x[:, 3].mean()
    net.set_weights(arrays)


def test_it_is_handed_the_retained_examples_and_a_compiled_model_of_other_weights() -> None:
    calls: list[Any] = []

    def train(net: keras.Model, x: np.ndarray, y: np.ndarray, validation_data: Any) -> None:
        calls.append((net, x, y, validation_data, np.random.random()))

    request = asked(train)
    references.models(Entry("retrain"), Worker(request.challenge, training=request.training), Request(2))
    (net, x, y, (x_validation, y_validation), drawn), (second, *_, drawn_again) = calls
    retained = np.setdiff1d(np.arange(160), RECORDS)
    np.testing.assert_array_equal(x, ARRAYS.x[retained])
    np.testing.assert_array_equal(y, ARRAYS.y[retained])
    np.testing.assert_array_equal(x_validation, ARRAYS.x[PARTITION == 1])
    np.testing.assert_array_equal(y_validation, ARRAYS.y[PARTITION == 1])
    assert net.get_compile_config() == model().get_compile_config()
    assert net.get_config() == model().get_config()
    kernels = [each.get_weights()[0] for each in (net, second, request.net)]
    assert all(not np.array_equal(kernels[first], kernels[other]) for first, other in ((0, 1), (0, 2), (1, 2)))
    assert drawn != drawn_again


def test_models_are_those_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the records and without them, and in rehearsals on other examples than the records."""
    request = asked(to_constant)
    worker = Worker(request.challenge, training=request.training)
    retained = np.setdiff1d(np.arange(160), RECORDS)
    start = request.challenge.original
    assert request.training is not None
    assert start is not None
    assert request.training(start, np.array([2, 5]), 0)[-1][0] == pytest.approx(ARRAYS.x[[2, 5], 3].mean())
    among = request.training.among(retained)(start, np.array([2, 3]), 0)
    assert among[-1][0] == pytest.approx(ARRAYS.x[retained[[2, 3]], 3].mean())
    places: list[np.ndarray] = []
    real = own_training.OwnTraining.__call__

    def noted(self: own_training.OwnTraining, start: Any, chosen: np.ndarray, seed: int) -> Any:
        places.append(self.rows[chosen])
        return real(self, start, chosen, seed)

    monkeypatch.setattr(own_training.OwnTraining, "__call__", noted)
    references.learnt(worker, Request(1))
    assert len(places[-1]) == 159
    assert set(RECORDS) <= {*places[-1]}


def test_another_model_may_be_returned() -> None:
    def train(net: keras.Model, x: Any, y: Any, validation_data: Any) -> keras.Model:
        other = model()
        other.set_weights([np.full_like(array, 7) for array in other.get_weights()])
        return other

    request = asked(train)
    assert request.training is not None
    weights = request.training(request.challenge.original or (), np.arange(9), 0)
    assert all((array == 7).all() for array in weights)


def wrong_architecture(*_: Any, **__: Any) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])


def nothing_useful(*_: Any, **__: Any) -> int:
    return 3


def broken(net: keras.Model, x: Any, y: Any, validation_data: Any) -> None:
    raise ZeroDivisionError("a learning rate of 1 / 0")


@pytest.mark.parametrize(
    ("train", "fragments"),
    [
        (wrong_architecture, ("another architecture", "handed over")),
        (nothing_useful, ("returned a int", "Return the model")),
        (broken, ("'broken' failed in line", "test_own_training.py", "ZeroDivisionError", "1 / 0")),
    ],
)
def test_what_it_does_wrong_is_said_in_a_paragraph(train: Callable[..., Any], fragments: tuple[str, ...]) -> None:
    request = asked(train)
    worker = Worker(request.challenge, training=request.training)
    with pytest.raises(FailedRun) as caught:
        references.models(Entry("retrain"), worker, Request(1))
    assert "\n" not in str(caught.value)
    assert all(fragment in str(caught.value) for fragment in fragments)


def test_layers_that_were_adapted_anew_are_refused() -> None:
    normalisation = keras.layers.Normalization(axis=-1)
    normalisation.adapt(ARRAYS.x)
    net = keras.Sequential([keras.Input((4,)), normalisation, keras.layers.Dense(3, activation="softmax")])

    def train(net: keras.Model, x: Any, y: Any, validation_data: Any) -> None:
        net.layers[0].adapt(x)

    request = asked(train, net)
    assert request.training is not None
    with pytest.raises(FailedRun, match=r"called adapt\(\) on preprocessing layers.*remove adapt"):
        request.training(request.challenge.original or (), np.arange(40), 0)
    request = asked(to_constant, net)
    assert request.training is not None
    assert len(request.training(request.challenge.original or (), np.arange(40), 0)) == 2


def test_texts_are_tensors_that_the_model_is_called_with() -> None:
    job = np.array(["cook", "clerk", "nurse"])[np.arange(60) % 3]
    age = np.arange(60, dtype="float32")
    inputs = {"age": keras.Input((1,), name="age"), "job": keras.Input((1,), dtype="string", name="job")}
    lookup = keras.layers.StringLookup(vocabulary=["cook", "clerk", "nurse"], output_mode="one_hot")
    parts = keras.layers.Concatenate()([keras.layers.Rescaling(0.01)(inputs["age"]), lookup(inputs["job"])])
    net = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(parts))
    net.compile("adam", "binary_crossentropy")
    losses: list[float] = []

    def train(net: keras.Model, x: Any, y: Any, validation_data: Any) -> keras.Model:
        net.compile("adam", "binary_crossentropy", run_eagerly=True)
        history = net.fit(x, y, validation_data=validation_data, epochs=1, verbose=0)
        losses.append(history.history["val_loss"][0])
        return net

    table, partition = kit.Table({"age": age, "job": job}, np.arange(60) % 2), np.repeat([0, 1, 2], 20)
    request = prepare(net, table, [1, 2], ModelOptions(retrain=train), partition=partition)
    assert request.training is not None
    weights = request.training(request.challenge.original or (), np.arange(18), 0)
    again = request.training(request.challenge.original or (), np.arange(18), 0)
    np.testing.assert_equal(weights, again)
    assert np.isfinite(losses).all()


def test_it_is_handed_weights_of_examples_where_there_are_some() -> None:
    weights = np.arange(240, dtype="float32")
    handed: list[np.ndarray] = []

    def train(net: keras.Model, x: Any, y: Any, validation_data: Any, sample_weight: np.ndarray) -> None:
        handed.append(sample_weight)

    arrays = kit.Arrays(ARRAYS.x, ARRAYS.y, sample_weight=weights)
    request = prepare(model(), arrays, RECORDS, ModelOptions(retrain=train), partition=PARTITION)
    assert request.training is not None
    request.training(request.challenge.original or (), np.array([7, 2]), 0)
    np.testing.assert_array_equal(handed[0], [7, 2])


def test_a_file_is_read_once_the_request_is_made(tmp_path: Path) -> None:
    path = tmp_path / "training.py"
    path.write_text(
        "def train(model, x, y, validation_data):\n    model.set_weights([w * 0 for w in model.get_weights()])\n"
    )
    request = asked(f"{path}:train")
    assert request.training is not None
    assert all(not array.any() for array in request.training(request.challenge.original or (), np.arange(3), 0))
    assert len(request.training.described["sha256"]) == 64
    with pytest.raises(InputError, match="no function 'fit'"):
        asked(f"{path}:fit")
    with pytest.raises(InputError, match="training function is"):
        asked(f"{path}")
    with pytest.raises(InputError, match="no file"):
        asked(f"{path}x:train")


@pytest.mark.slow
def test_a_whole_request_is_held_against_models_of_the_function(tmp_path: Path) -> None:
    """Of `auto`, the function is the candidate `retrain`, and the unit of all times; no recipe is asked."""
    calls: list[int] = []

    def train(net: keras.Model, x: Any, y: Any, validation_data: Any) -> None:
        calls.append(len(x))
        net.set_weights([array + 0.1 * np.random.normal(size=array.shape) for array in model().get_weights()])

    request = asked(train)
    effort = Effort(retrained=3, rehearsal=Plan(rehearsals=2, retrained=3))
    outcome = carry_out(request, "auto", effort, candidates=["weight_noise"])
    assert "retrain" in {each.method for each in outcome.choice.tried}
    # With the records, without them, in two rehearsals an original and three models each, and maybe the winner.
    delivered = [154] if outcome.method == "retrain" else []
    assert sorted(calls) == [148] * 6 + [154] * 5 + delivered + [159] * 3
    report = outcome.evaluation.reports[0]
    assert report.recipe == {"function": "train"}
    assert report.reference_seconds is not None
    assert report.reference_seconds > 0
    evidence.write(tmp_path, outcome)
    assert json.loads((tmp_path / "request.json").read_text())["recipe"] == {"function": "train"}
    assert "trained by the function train" in (tmp_path / "statement.md").read_text()
