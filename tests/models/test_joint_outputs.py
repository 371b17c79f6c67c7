"""All outputs of a model at once: their losses summed, against closed forms and Keras's own training."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from retrainings import taking
from scipy.special import expit, log_softmax, softmax

import kit
from kit.challenges import loading
from kit.requests import Outcome, prepare
from kit.runs import originals, timing
from kit.tasks import CLASSIFICATION, MULTILABEL, Head, Joint, Regression
from kit.toolbox import training
from kit.toolbox.examples import batches
from kit.toolbox.inference import predict_logits
from kit.toolbox.losses import TaskLoss
from kit.types import Challenge, ModelOptions

layers = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype("float32")
LABELS = {
    "kind": (X[:, 1] > 0).astype(int) + (X[:, 1] > 1),
    "ill": (X[:, 2] > 0).astype(int),
    "price": X[:, 0] * 2,
}
PARTS = np.repeat([0, 1, 2], [80, 20, 20])
WEIGHTS = {"price": 0.5, "ill": 2.0, "kind": 1.0}
LOSSES = {"price": "mse", "ill": "binary_crossentropy", "kind": "sparse_categorical_crossentropy"}


def model(names: tuple[str, ...] = ("price", "ill", "kind"), *, rate: float = 0.1) -> keras.Model:
    """A trunk, a number, a probability of 0 or 1 at the end of a longer branch, and classes."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4,), name="x")
    trunk = layers.Dense(6, activation="relu", name="trunk")(x)
    ends = {
        "price": layers.Dense(1, name="price")(trunk),
        "ill": layers.Dense(1, activation="sigmoid", name="ill")(layers.Dense(5, activation="tanh")(trunk)),
        "kind": layers.Softmax(name="kind")(layers.Dense(3)(trunk)),
    }
    net = keras.Model(x, [ends[name] for name in names], name="all_of_them")
    chosen = [{name: each[name] for name in names} for each in (LOSSES, WEIGHTS)]
    net.compile(keras.optimizers.SGD(rate), chosen[0], loss_weights=chosen[1], jit_compile=False)
    return net


def saved(folder: Path, net: keras.Model) -> dict[str, Path]:
    net.save(folder / "model.keras")
    np.savez(folder / "data.npz", x=X, partition=PARTS, **{f"y_{name}": y for name, y in LABELS.items()})
    return {"model": folder / "model.keras", "data": folder / "data.npz"}


def challenge_of(folder: Path, net: keras.Model) -> Challenge:
    files = saved(folder, net)
    options = ModelOptions(kit.Recipe(epochs=1), output="all")
    return loading.load(files["data"], model=files["model"], forget=[3, 7], options=options)


def outputs_and_labels() -> tuple[Joint, np.ndarray, np.ndarray]:
    task = Joint(
        (Head("kind", CLASSIFICATION, 3), Head("ill", MULTILABEL, 1, 2.0), Head("price", Regression(0.5), 2, 0.5))
    )
    y = np.column_stack([np.arange(50) % 3, np.arange(50) % 2, RNG.normal(size=(50, 2))])
    return task, RNG.normal(size=(50, 6)).astype("float32"), task.check(y)


def test_the_loss_is_the_weighted_sum_in_closed_form() -> None:
    task, outputs, y = outputs_and_labels()
    classes = -log_softmax(outputs[:, :3].astype(float), axis=1)[np.arange(50), y[:, 0].astype(int)]
    probability = expit(outputs[:, 3].astype(float))
    binary = -np.log(np.where(y[:, 1] == 1, probability, 1 - probability))
    squared = ((outputs[:, 4:].astype(float) - y[:, 2:]) ** 2).mean(axis=1)
    expected = classes + 2 * binary + 0.5 * squared
    np.testing.assert_allclose(np.asarray(task.loss(outputs, y)), expected, rtol=1e-5)
    np.testing.assert_allclose(np.logaddexp(0, -task.statistic(outputs, y).astype(float)), expected, rtol=1e-5)
    right = (outputs[:, :3].argmax(axis=1) == y[:, 0]) & ((outputs[:, 3] > 0) == y[:, 1])
    np.testing.assert_array_equal(
        task.correct(outputs, y), right & (np.abs(outputs[:, 4:] - y[:, 2:]) < 0.5).all(axis=1)
    )
    np.testing.assert_array_equal(task.strata(y), y[:, 0])
    assert task.constant_accuracy(y) <= 17 / 50


def test_labels_that_do_not_fit_are_refused(refused: Callable[..., str]) -> None:
    task, _, y = outputs_and_labels()
    refused(lambda: task.check(y[:, :3]), "'kind' 1, 'ill' 1, 'price' 2")
    refused(lambda: task.check(y * [1, 3, 1, 1]), "0 and 1")


@pytest.mark.parametrize("names", [("kind", "price"), ("price", "ill", "kind")])
def test_all_outputs_say_what_they_said(names: tuple[str, ...], tmp_path: Path) -> None:
    net = model(names)
    challenge = challenge_of(tmp_path, net)
    assert [(head.name, head.weight) for head in challenge.task.heads] == [(name, WEIGHTS[name]) for name in names]
    rebuilt = originals.build(challenge)
    rebuilt.set_weights(challenge.original)
    parts = challenge.task.outputs(predict_logits(rebuilt, challenge.test.x))
    ends = {"price": np.asarray, "ill": expit, "kind": lambda logits: softmax(logits, axis=1)}
    for name, part, expected in zip(names, parts, net.predict(X[PARTS == 2], verbose=0), strict=True):
        np.testing.assert_allclose(ends[name](part), expected, atol=1e-5)
    for name, (_, y) in zip(names, challenge.task.labels(challenge.test.y), strict=True):
        np.testing.assert_allclose(np.ravel(y), LABELS[name][PARTS == 2], rtol=1e-6)


def test_probabilities_from_within_become_log_odds(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    members = [layers.Dense(3, activation="softmax")(x) for _ in range(2)]
    net = keras.Model(x, [layers.Average(name="kind")(members), layers.Dense(1, name="price")(x)])
    net.compile("sgd", {name: LOSSES[name] for name in ("kind", "price")})
    challenge = challenge_of(tmp_path, net)
    rebuilt = originals.build(challenge)
    rebuilt.set_weights(challenge.original)
    kind, price = challenge.task.outputs(predict_logits(rebuilt, challenge.test.x))
    expected = net.predict(X[PARTS == 2], verbose=0)
    np.testing.assert_allclose(softmax(kind, axis=1), expected[0], atol=1e-5)
    np.testing.assert_allclose(price, expected[1], atol=1e-5)


def test_training_is_that_of_fit(tmp_path: Path) -> None:
    net = model()
    challenge = challenge_of(tmp_path, net)
    rebuilt = originals.build(challenge)
    rebuilt.set_weights(challenge.original)
    rows = challenge.split.retain
    recipe = kit.Recipe(epochs=5, learning_rate=0.1, schedule="constant", momentum=0.0, weight_decay=0.0)
    data = batches(challenge.train, rows, len(rows))
    training.fit(rebuilt, data, recipe, loss=TaskLoss(challenge.task), seed=0)
    x, y = X[PARTS == 0][rows], {name: labels[PARTS == 0][rows] for name, labels in LABELS.items()}
    net.fit(x, y, batch_size=len(rows), epochs=5, verbose=0)
    for ours, theirs in zip(rebuilt.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_an_output_without_a_loss_or_labels_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    net = model()
    net.compile("sgd", {"price": "mse", "kind": LOSSES["kind"]})
    refused(lambda: challenge_of(tmp_path, net), "'ill'", "Compile it with loss=")
    net.compile("sgd", LOSSES)
    path = saved(tmp_path, net)["data"]
    np.savez(path, x=X, partition=PARTS, y_price=LABELS["price"], y_ill=LABELS["ill"])
    options = ModelOptions(output="all")
    refused(lambda: loading.load(path, model=net, forget=[3], options=options), "no labels of 'kind'")
    options = ModelOptions(output="all", task="regression")
    refused(
        lambda: prepare(net, kit.Arrays(X, np.zeros((120, 3))), [3], options, partition=PARTS), "Leave the task out"
    )


@pytest.mark.parametrize("name", ["all", "price"])
def test_a_challenge_is_the_same_from_files_and_from_arrays(name: str, tmp_path: Path) -> None:
    net = model()
    files = saved(tmp_path, net)
    loaded = kit.load_challenge(files["data"], model=files["model"], forget=[3, 7], output_name=name)
    y = np.column_stack([LABELS[each] for each in net.output_names]) if name == "all" else LABELS[name]
    challenge = kit.make_challenge(
        "mine", kit.Arrays(X, y), partition=PARTS, model=net, forget=[3, 7], output_name=name
    )
    assert challenge.task == loaded.task
    assert challenge.data_sha256 == loaded.data_sha256
    for ours, theirs in zip(challenge.original, loaded.original, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_request_about_all_outputs_delivers_the_model_with_them(tmp_path: Path) -> None:
    net = model()
    trained(net)
    files = saved(tmp_path, net)
    outcome = kit.unlearn_model(
        files["model"],
        files["data"],
        [3, 7],
        method="retrain",
        recipe=kit.Recipe(epochs=30, learning_rate=0.1, schedule="constant", momentum=0.0, weight_decay=0.0),
        batch_size=32,
        output_name="all",
        effort=kit.requests.Effort(retrained=3),
    )
    kit.requests.publish(outcome, files["model"], tmp_path / "unlearned.keras", tmp_path / "evidence")
    delivered = keras.models.load_model(tmp_path / "unlearned.keras")
    assert delivered.get_config() == keras.models.load_model(files["model"]).get_config()
    assert delivered.get_compile_config()["loss_weights"] == WEIGHTS
    before, after = (each.predict(X[PARTS == 2], verbose=0) for each in (net, delivered))
    for name, old, new in zip(net.output_names, before, after, strict=True):
        assert not np.allclose(old, new, atol=1e-3), name
    right = {
        "kind": after[2].argmax(axis=1) == LABELS["kind"][PARTS == 2],
        "ill": (after[1][:, 0] > 0.5) == LABELS["ill"][PARTS == 2],
    }
    assert right["kind"].mean() > 0.5
    price = (
        np.abs(after[0][:, 0] - LABELS["price"][PARTS == 2]) < outcome.request.challenge.task.heads[0].task.tolerance
    )
    assert (right["kind"] & right["ill"] & price).mean() == pytest.approx(outcome.findings.harm[0].after)
    script = (
        "import sys, keras, numpy; net = keras.models.load_model(sys.argv[1]); numpy.savez(sys.argv[2], *net.predict("
    )
    script += "numpy.load(sys.argv[3])['x'], verbose=0)); assert 'kit' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, "unlearned.keras", "said.npz", "data.npz"], cwd=tmp_path, check=True)
    for name, expected in zip(np.load(tmp_path / "said.npz").values(), delivered.predict(X, verbose=0), strict=True):
        np.testing.assert_allclose(name, expected, atol=1e-6)


def outcome_of(net: keras.Model, method: str, **settings: Any) -> Outcome:
    """A request about all outputs of two records, held against three models."""
    y = np.column_stack([LABELS[name] for name in net.output_names])
    effort = kit.requests.Effort(retrained=3, rehearsal=kit.requests.Plan(rehearsals=2, retrained=3))
    return kit.unlearn_model(
        net, kit.Arrays(X, y), [3, 7], partition=PARTS, method=method, output_name="all", effort=effort, **settings
    )


def trained(net: keras.Model) -> keras.Model:
    rows = np.tile(np.flatnonzero(PARTS == 0), 30)  # thirty epochs at once: each costs more to begin than its steps
    net.fit(X[rows], {name: y[rows] for name, y in LABELS.items()}, verbose=0)
    return net


@pytest.mark.slow
@pytest.mark.parametrize("keyed", [False, True])
def test_the_users_own_training_is_given_the_labels_of_each_output(
    keyed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(10.0))
    net, noted = model(), []
    if keyed:
        net = keras.Model(net.input, dict(zip(net.output_names, net.outputs, strict=True)))
        net.compile(keras.optimizers.SGD(0.1), LOSSES, loss_weights=WEIGHTS, jit_compile=False)
    trained(net)

    def train(fresh: keras.Model, x: np.ndarray, y: Any, validation_data: Any) -> None:
        by_name = y if keyed else dict(zip(("price", "ill", "kind"), y, strict=True))
        noted.append((x, by_name))
        losses = LOSSES if keyed else list(LOSSES.values())
        fresh.compile(keras.optimizers.SGD(0.1), losses, run_eagerly=True)
        fresh.fit(x, y, batch_size=len(x), validation_data=validation_data, verbose=0)

    outcome = outcome_of(net, "retrain", retrain=train)
    assert len(noted) == 7  # the delivered model, three without the records, three with them
    known = []
    for x, by_name in noted:
        rows = [int(np.flatnonzero((example == X).all(axis=1))[0]) for example in x]
        for name, labels in by_name.items():
            np.testing.assert_allclose(np.ravel(labels), LABELS[name][rows], rtol=1e-6)
        known.append({3, 7} <= {*rows})
    assert sorted(known) == [False] * 4 + [True] * 3
    assert {each.output for each in outcome.findings.outputs} == {*LABELS}
    assert outcome.model.get_config() == net.get_config()


@pytest.mark.slow
def test_auto_rehearses_on_all_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(10.0))
    net = trained(model())
    outcome = outcome_of(net, "auto", recipe=kit.Recipe(epochs=30, learning_rate=0.1), candidates=["finetune"])
    assert outcome.choice.kind
    assert "finetune" not in outcome.choice.failures
    assert {each.method for each in outcome.choice.tried} | {*outcome.choice.left_out} == {"finetune", "retrain"}
    right = outcome.model.predict(X[PARTS == 2], verbose=0)[2].argmax(axis=1) == LABELS["kind"][PARTS == 2]
    accuracy = next(each for each in outcome.findings.outputs if (each.output, each.measure) == ("kind", "accuracy"))
    assert accuracy.after == pytest.approx(right.mean())
