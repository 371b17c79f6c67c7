"""Models of two outputs, of which one is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from retrainings import taking

import kit
from kit.challenges import loading
from kit.models import compiled, named_outputs, user
from kit.models.user import Own
from kit.requests import prepare, statement
from kit.runs import originals, timing
from kit.tasks import Regression
from kit.toolbox.inference import predict_logits
from kit.types import ModelOptions

layers = keras.layers
X = np.random.default_rng(0).normal(size=(120, 4)).astype("float32")
KIND, PRICE = np.arange(120) % 3, X[:, 0] * 2
PARTS = np.repeat([0, 1, 2], [80, 20, 20])


def model(*, keyed: bool = False, loss: Any = None, shared: bool = True) -> keras.Model:
    """A class and a price, from one trunk or from two."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4,), name="x")
    first = layers.Dense(6, activation="relu", name="trunk")(x)
    second = first if shared else layers.Dense(5, name="other_trunk")(x)
    price = layers.Dense(1, name="price")(second)
    kind = layers.Dense(3, activation="softmax", name="kind")(first)
    net = keras.Model(x, {"a_kind": kind, "a_price": price} if keyed else [price, kind], name="both")
    losses = {"price": "mae", "kind": "sparse_categorical_crossentropy"}
    net.compile("sgd", loss or ({f"a_{name}": part for name, part in losses.items()} if keyed else losses))
    return net


def data(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "data.npz", x=X, partition=PARTS, **arrays)
    return folder / "data.npz"


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_the_named_output_says_what_it_said(keyed: bool, saved: bool, tmp_path: Path) -> None:
    net, prefix = model(keyed=keyed), "a_" if keyed else ""
    net.save(tmp_path / "model.keras")
    path = data(tmp_path, **{f"y_{prefix}kind": KIND, f"y_{prefix}price": PRICE})
    given = {"model": tmp_path / "model.keras" if saved else net, "forget": [3, 7]}
    challenges = [loading.load(path, options=ModelOptions(output=prefix + name), **given) for name in ("kind", "price")]
    predictions = net.predict(X[PARTS == 2], verbose=0)
    kind, price = (predictions["a_kind"], predictions["a_price"]) if keyed else (predictions[1], predictions[0])
    logits = []
    for challenge in challenges:
        rebuilt = originals.build(challenge)
        rebuilt.set_weights(challenge.original)
        logits.append(predict_logits(rebuilt, challenge.test.x))
    odds = np.exp(logits[0])
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), kind, atol=1e-5)
    np.testing.assert_allclose(logits[1], price, atol=1e-5)
    assert challenges[0].task.name == "classification"
    assert isinstance(challenges[1].task, Regression)
    assert challenges[1].task.error == "absolute"
    np.testing.assert_array_equal(challenges[0].test.y, KIND[PARTS == 2])


def test_weights_go_back_into_the_whole_model() -> None:
    net, own = model(), Own(output="kind")
    arrays = kit.Arrays(X, KIND)
    weights = user.adopt(net, arrays, own=own).weights
    before = {variable.path: np.array(variable) for variable in net.weights}
    user.put_back(net, [2 * array + 1 for array in weights], arrays, own)
    for variable in net.weights:
        changed = 2 * before[variable.path] + 1
        expected = before[variable.path] if variable.path.startswith("price") else changed
        np.testing.assert_allclose(np.array(variable), expected)


def test_losses_in_a_list_are_in_the_order_of_the_outputs(tmp_path: Path) -> None:
    net = model(loss=["mse", "sparse_categorical_crossentropy"])
    net.save(tmp_path / "model.keras")
    for name, loss in (("price", "mse"), ("kind", "sparse_categorical_crossentropy")):
        at = compiled.Output(name, list(named_outputs.of(net)))
        assert compiled.of(net, at).loss == compiled.of_file(tmp_path / "model.keras", at).loss == loss


def test_what_changes_with_the_named_output_is_told(tmp_path: Path) -> None:
    assert named_outputs.affected(model(), "kind") == ["price"]
    assert named_outputs.affected(model(shared=False), "kind") == []
    frozen = model()
    frozen.get_layer("trunk").trainable = False
    assert named_outputs.affected(frozen, "kind") == []
    options = ModelOptions(kit.Recipe(epochs=1), output="kind")
    for net, others in ((model(), ["price"]), (model(shared=False), [])):
        request = prepare(net, kit.Arrays(X, KIND), [3, 7], options, partition=PARTS)
        assert request.changed_outputs == others
        assert ["`price`" in line for line in statement._other_outputs(request)] == [True] * len(others)


def test_names_that_are_none_are_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    net, path = model(), data(tmp_path, y=KIND)
    refused(lambda: loading.load(path, model=net, forget=[3]), "'price', 'kind'", "--output-name")
    refused(
        lambda: loading.load(path, model=net, forget=[3], options=ModelOptions(output="kinds")), "Did you mean kind?"
    )
    source = "import keras\n\nclass Own(keras.Model):\n    pass\n"
    own = keras.Model()
    refused(lambda: user.graph_of(own, kit.Arrays(X, KIND), Own(source, output="kind")), "no functional model")


@pytest.mark.slow
def test_a_request_about_one_output_delivers_the_model_with_both(tmp_path: Path) -> None:
    net = model(shared=False)
    losses = {"price": "mse", "kind": "sparse_categorical_crossentropy"}
    net.compile(keras.optimizers.SGD(0.1), losses, jit_compile=False)
    kinds = (X[:, 1] > 0).astype(int) + (X[:, 1] > 1)
    rows = np.tile(np.flatnonzero(PARTS == 0), 30)  # thirty epochs at once
    net.fit(X[rows], {"price": PRICE[rows], "kind": kinds[rows]}, verbose=0)
    outcome = kit.unlearn_model(
        net,
        kit.Arrays(X, kinds),
        [3, 7],
        partition=PARTS,
        method="retrain",
        recipe=kit.Recipe(epochs=30, schedule="constant", momentum=0.0, weight_decay=0.0),
        batch_size=32,
        output_name="kind",
        effort=kit.requests.Effort(retrained=3),
    )
    price, kind = outcome.model.predict(X, verbose=0)
    np.testing.assert_allclose(price, net.predict(X, verbose=0)[0], atol=1e-6)
    assert not np.allclose(kind, net.predict(X, verbose=0)[1], atol=1e-3)
    assert outcome.model.get_config() == net.get_config()
    assert (kind.argmax(axis=1) == kinds)[PARTS == 2].mean() == pytest.approx(outcome.findings.harm[0].after)


@pytest.mark.slow
def test_the_users_own_training_trains_the_output_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(10.0))
    net, kinds = model(shared=False), (X[:, 1] > 0).astype(int) + (X[:, 1] > 1)

    def train(whole: keras.Model, x: Any, y: Any, validation_data: Any) -> None:
        part = keras.Model(whole.input, whole.get_layer("kind").output)
        part.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", run_eagerly=True)
        rows = np.tile(np.arange(len(x)), 20)  # twenty epochs at once: each costs more to begin than its steps
        part.fit(x[rows], y[rows], batch_size=128, verbose=0)

    train(net, X[PARTS == 0], kinds[PARTS == 0], None)
    effort = kit.requests.Effort(retrained=3)
    data = kit.Arrays(X, kinds)
    given = {"partition": PARTS, "method": "retrain", "retrain": train, "output_name": "kind", "effort": effort}
    outcome = kit.unlearn_model(net, data, [3, 7], **given)
    price, kind = outcome.model.predict(X, verbose=0)
    np.testing.assert_allclose(price, net.predict(X, verbose=0)[0], atol=1e-6)
    right = (kind.argmax(axis=1) == kinds)[PARTS == 2].mean()
    assert right > 0.5
    assert right == pytest.approx(outcome.findings.harm[0].after)
