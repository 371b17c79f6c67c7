"""A user's own model: which forms are taken as they are, which are refused with advice, and the whole way of one."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked_guests
import guests
import keras
import numpy as np
import processes
import pytest
from retrainings import taking

import kit
from kit import models
from kit.models import user
from kit.runs import originals, timing
from kit.runs.run import unlearn
from kit.runs.worker import Worker
from kit.submission.entry import resolve
from kit.toolbox import blocks, compiled
from kit.types import Arrays, Challenge, Recipe

Refused = Callable[..., str]
Net = keras.Model
layers = keras.layers

TABLE = Arrays(np.random.default_rng(0).normal(size=(60, 6)), np.arange(60) % 3)
IMAGES = Arrays(np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8), np.arange(60) % 3)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No retraining is timed: what that makes of a user's model, the command's test shows."""
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))


# What is taken


def sequential(*parts: keras.Layer, shape: tuple[int, ...] = (6,)) -> Net:
    return keras.Sequential([keras.Input(shape), *parts], name="scorecard")


def functional(end: Callable[[Any], Any], wrap: Callable[[Any], Any] = lambda outputs: outputs) -> Net:
    inputs = keras.Input((6,), name="features")
    features = layers.Dense(8, activation="relu", name="hidden")(inputs)
    return keras.Model(wrap(inputs), wrap(end(features)), name="scorecard")


def images_end(*parts: keras.Layer) -> Net:
    return sequential(layers.Conv2D(4, 3, strides=2), layers.Flatten(), *parts, shape=(8, 8, 1))


def nested() -> Net:
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.BatchNormalization()])
    return sequential(inner, layers.Dense(3, activation="softmax"))


def with_a_shortcut() -> Net:
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(layers.Add()([inputs, layers.Dense(6, activation="tanh")(inputs)])))


def with_a_shared_layer() -> Net:
    inputs, shared = keras.Input((6,)), layers.Dense(6, activation="relu")
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(shared(shared(inputs))))


def with_operations() -> Net:
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(keras.ops.tanh(inputs) + 2 * inputs))


def adapted() -> Net:
    normalisation = layers.Normalization(name="standardise")
    normalisation.adapt(TABLE.x)
    return sequential(normalisation, layers.Dense(3))


def softmax_of_operations() -> Net:
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.ops.softmax(layers.Dense(3)(inputs)), name="scorecard")


def softmax_within() -> Net:
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
    return sequential(inner)


def shares() -> Net:
    inputs = keras.Input((6,))
    weights = layers.Dense(3, activation="softplus")(inputs)
    return keras.Model(inputs, weights / keras.ops.sum(weights, axis=-1, keepdims=True), name="scorecard")


FORMS: dict[str, tuple[Arrays, Callable[[], Net]]] = {
    "sequential, logits": (TABLE, lambda: sequential(layers.Dense(8, activation="relu"), layers.Dense(3))),
    "sequential, softmax": (TABLE, lambda: sequential(layers.Dense(8), layers.Dense(3, activation="softmax"))),
    "sequential, softmax layer": (TABLE, lambda: sequential(layers.Dense(3), layers.Softmax())),
    "sequential, activation": (TABLE, lambda: sequential(layers.Dense(3), layers.Activation("softmax"))),
    "functional, logits": (TABLE, lambda: functional(layers.Dense(3))),
    "functional, softmax": (TABLE, lambda: functional(layers.Dense(3, activation="softmax"))),
    "functional, softmax layer": (TABLE, lambda: functional(lambda x: layers.Softmax()(layers.Dense(3)(x)))),
    "functional, activation": (TABLE, lambda: functional(lambda x: layers.Activation("softmax")(layers.Dense(3)(x)))),
    "in lists of one": (TABLE, lambda: functional(layers.Dense(3, activation="softmax"), lambda outputs: [outputs])),
    "in dictionaries": (TABLE, lambda: functional(layers.Dense(3), lambda x: {"features": x})),
    "more classes than labels": (TABLE, lambda: functional(layers.Dense(5, activation="softmax"))),
    "nested": (TABLE, nested),
    "with a shortcut": (TABLE, with_a_shortcut),
    "with a shared layer": (TABLE, with_a_shared_layer),
    "with operations": (TABLE, with_operations),
    "adapted": (TABLE, adapted),
    "probabilities from operations": (TABLE, softmax_of_operations),
    "probabilities from within": (TABLE, softmax_within),
    "probabilities of a division": (TABLE, shares),
    "batch statistics": (TABLE, lambda: sequential(layers.BatchNormalization(), layers.Dense(3))),
    "dropout": (TABLE, lambda: sequential(layers.Dropout(0.5), layers.Dense(8), layers.Dense(3))),
    "fixed normalisation": (TABLE, lambda: sequential(layers.Normalization(mean=1.0, variance=4.0), layers.Dense(3))),
    "regularised": (TABLE, lambda: sequential(layers.Dense(3, kernel_regularizer="l2", activation="softmax"))),
    "recurrent": (TABLE, lambda: sequential(layers.Reshape((6, 1)), layers.LSTM(4), layers.Dense(3))),
    "half precision": (TABLE, lambda: sequential(layers.Dense(8, dtype="mixed_bfloat16"), layers.Dense(3))),
    "8-bit images": (IMAGES, lambda: images_end(layers.Dense(3, activation="softmax"))),
    "8-bit images, batch statistics": (IMAGES, lambda: images_end(layers.BatchNormalization(), layers.Dense(3))),
    "the kit's own": (IMAGES, lambda: models.build("resnet20", (8, 8, 1), 3)),
}


def perturbed(net: Net) -> Net:
    """Weights of which none is at its initial value: statistics and biases too."""
    generator = np.random.default_rng(5)
    net.set_weights([array + np.abs(generator.normal(scale=0.3, size=array.shape)) for array in net.get_weights()])
    return net


def probabilities(net: Net, x: np.ndarray) -> np.ndarray:
    """Of a model whatever it ends in and however it wraps it."""
    predicted = np.asarray(keras.tree.flatten(net(x, training=False))[0]).astype(np.float64)
    if np.allclose(predicted.sum(axis=1), 1, atol=1e-3) and (predicted >= 0).all():
        return predicted
    predicted = np.exp(predicted - predicted.max(axis=1, keepdims=True))
    return predicted / predicted.sum(axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore:.*structure of `inputs`:UserWarning")  # of the user's own model, in a list
@pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=pytest.mark.half_precision if form == "half precision" else ()) for form in FORMS],
)
def test_a_model_is_taken_with_its_weights_and_says_the_same(form: str) -> None:
    arrays, make = FORMS[form]
    net = perturbed(make())
    before, config = [array.tobytes() for array in net.get_weights()], json.dumps(net.get_config(), default=str)
    text, weights, _ = user.adopt(net, arrays)
    assert json.loads(text)["config"]["name"] == net.name

    rebuilt = models.build_described(text)
    rebuilt.set_weights(weights)
    x = arrays.x / np.float32(255) if arrays.x.dtype == np.uint8 else arrays.x
    logits = np.asarray(rebuilt(x, training=False)).astype(np.float64)
    assert not np.allclose(logits.sum(axis=1), 1)
    tolerance = 0.02 if form == "half precision" else 2e-3
    np.testing.assert_allclose(probabilities(rebuilt, x), probabilities(net, x), rtol=0, atol=tolerance)
    # A softmax at the end has become logits: they tell apart what probabilities near 1 do not.
    assert abs(logits.max(axis=1) - logits.min(axis=1)).max() > 0.1

    assert [array.tobytes() for array in net.get_weights()] == before
    assert json.dumps(net.get_config(), default=str) == config


def test_a_model_becomes_the_original_of_its_challenge() -> None:
    net = perturbed(functional(layers.Dense(3, activation="softmax")))
    challenge = kit.make_challenge("mine", TABLE, model=net, recipe=Recipe(epochs=1))
    loaded = originals.load(challenge)
    assert all(map(np.array_equal, loaded.weights, net.get_weights()))
    unlearned = unlearn("original", challenge, seed=0, worker=Worker(challenge))
    predicted = np.asarray(unlearned.net(challenge.test.x, training=False)).argmax(axis=1)
    np.testing.assert_array_equal(predicted, probabilities(net, challenge.test.x).argmax(axis=1))
    assert unlearned.net.name == "scorecard"


def test_another_model_or_other_weights_have_other_digests() -> None:
    def digests(net: Net) -> tuple[str, str]:
        challenge = kit.make_challenge("mine", TABLE, model=net)
        return originals.fingerprint(challenge), originals.load(challenge).sha256

    keras.utils.set_random_seed(0)
    net = functional(layers.Dense(3))
    first = digests(net)
    assert digests(net) == first
    net.set_weights([array + 1 for array in net.get_weights()])
    again = digests(net)
    assert again[0] == first[0]
    assert again[1] != first[1]
    assert digests(functional(layers.Dense(4)))[0] != first[0]


def trained(net: Net, x: np.ndarray, y: np.ndarray, loss: str = "sparse_categorical_crossentropy") -> Net:
    keras.utils.set_random_seed(0)
    net.compile(keras.optimizers.Adam(0.05), loss, jit_compile=False)
    rows = np.tile(np.arange(len(x)), 30)  # thirty epochs at once: each costs more to begin than its steps
    net.fit(x[rows], y[rows], batch_size=30, verbose=0)
    return net


# Labels that can be read off the images: the brightness of a corner.
BRIGHT = Arrays(IMAGES.x, (IMAGES.x[:, 0, 0, 0] > 127).astype(int))


@pytest.mark.parametrize("shape", [(8, 8), (None, 8, 1), (None, None, 1)])
def test_images_without_channels_and_open_sizes_are_taken(shape: tuple[int | None, ...]) -> None:
    end = layers.Flatten() if None not in shape else layers.GlobalAveragePooling2D()
    net = perturbed(sequential(end, layers.Dense(3, activation="softmax"), shape=shape))
    challenge = kit.make_challenge("mine", IMAGES, model=net, recipe=Recipe(epochs=1))
    unlearned = unlearn("original", challenge, worker=Worker(challenge)).net
    assert not any(isinstance(layer, keras.Model) for layer in unlearned.layers)  # methods look for the last ones
    x = IMAGES.x[:20] / np.float32(255)
    own = x[..., 0] if len(shape) == 2 else x
    np.testing.assert_allclose(probabilities(unlearned, x), probabilities(net, own), rtol=0, atol=2e-3)
    unlearn("retrain", challenge, worker=Worker(challenge))


@pytest.mark.parametrize("end", ["activation", "layer"])
def test_a_sigmoid_becomes_two_logits(end: str, unmeasured: None) -> None:
    parts = (
        [layers.Dense(1, activation="sigmoid")]
        if end == "activation"
        else [layers.Dense(1), layers.Activation("sigmoid")]
    )
    arrays = Arrays(TABLE.x, (TABLE.x[:, 0] > 0).astype(int))
    net = trained(sequential(layers.Dense(8, activation="relu"), *parts), arrays.x, arrays.y, "binary_crossentropy")
    challenge = kit.make_challenge("mine", arrays, model=net, recipe=Recipe(epochs=2))
    unlearned = unlearn("original", challenge, worker=Worker(challenge)).net
    assert unlearned.output_shape == (None, 2)
    predicted = np.asarray(net(arrays.x))[:, 0]
    np.testing.assert_allclose(probabilities(unlearned, arrays.x)[:, 1], predicted, rtol=0, atol=1e-4)
    report = kit.evaluate("finetune", challenge, num_retrained=3)
    assert report.scores["retain_accuracy"].value > 0.7


@pytest.mark.slow
def test_a_model_that_scales_its_images_itself_is_not_scaled_for(refused: Refused) -> None:
    net = sequential(
        layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2, activation="softmax"), shape=(8, 8, 1)
    )
    trained(net, BRIGHT.x.astype("float32"), BRIGHT.y)
    refused(lambda: kit.make_challenge("mine", BRIGHT, model=net), "it scales them itself", "x.astype('float32')")
    unscaled = Arrays(BRIGHT.x.astype("float32"), BRIGHT.y)
    kit.make_challenge("mine", unscaled, model=net)
    plain = sequential(layers.Flatten(), layers.Dense(2, activation="softmax"), shape=(8, 8, 1))
    kit.make_challenge("mine", BRIGHT, model=trained(plain, BRIGHT.x / np.float32(255), BRIGHT.y))


def test_an_example_for_which_a_model_gives_no_number_is_named(refused: Refused) -> None:
    """Whichever row it is: one of the first, on which a rebuilt model is compared with the user's, or any other."""
    inputs = keras.Input((6,))
    total = keras.ops.sum(keras.ops.abs(inputs), axis=-1, keepdims=True)
    net = keras.Model(inputs, layers.Dense(3)(inputs / total), name="shares")
    partition = np.repeat([0, 1, 2], [70, 20, 30])
    for row, where in ((5, "example 5"), (100, "1 of 30 test examples (the first is number 10 of them)")):
        x = np.tile(TABLE.x, (2, 1))
        x[row] = 0
        arrays = Arrays(x, np.arange(120) % 3)

        def outputs(arrays: Arrays = arrays) -> Any:
            challenge = kit.make_challenge("mine", arrays, partition=partition, model=net, recipe=Recipe(epochs=1))
            worker = Worker(challenge)
            return worker.outputs(challenge.original, "original")

        message = refused(outputs, "'shares'", "NaN", where)
        assert "learning rate" not in message
        assert "rebuilt" not in message


def test_words_in_bytes_are_refused(refused: Refused) -> None:
    """Scaled to [0, 1], they would be words 0 and 1."""
    words = np.random.default_rng(0).integers(0, 256, (60, 5))
    net = sequential(layers.Embedding(256, 4), layers.Flatten(), layers.Dense(3), shape=(5,))
    for own in (net, sequential(net, shape=(5,))):
        as_bytes = Arrays(words.astype("uint8"), TABLE.y)
        refused(lambda own=own, given=as_bytes: user.adopt(own, given), "an embedding", "x.astype('int32')")
    user.adopt(net, Arrays(words, TABLE.y))


@pytest.mark.half_precision
def test_mixed_precision_becomes_float32() -> None:
    """Losses in 16 bits would coincide, and a retraining in float16 would need its loss scaled."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        net = perturbed(functional(layers.Dense(3, activation="softmax")))
    finally:
        keras.config.set_dtype_policy(policy)
    challenge = kit.make_challenge("mine", TABLE, model=net, recipe=Recipe(epochs=1))
    built = originals.build(challenge)
    assert {layer.compute_dtype for layer in built.layers} == {"float32"}


# Retraining


def seeded() -> Net:
    """Every initialiser with a seed of its own, one of them inside a nested model."""

    def dense(units: int, seed: int) -> keras.Layer:
        return layers.Dense(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            bias_initializer=keras.initializers.RandomNormal(seed=seed + 1),
        )

    inner = keras.Sequential([keras.Input((6,)), dense(8, 1), dense(8, 2)])
    return sequential(inner, layers.Reshape((8, 1)), layers.Bidirectional(recurrent(3)), dense(3, 4))


def recurrent(seed: int) -> keras.Layer:
    return layers.LSTM(
        3,
        kernel_initializer=keras.initializers.HeNormal(seed=seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
    )


def test_seeded_initialisers_draw_anew_for_each_retrained_model() -> None:
    """Otherwise all retrained models would begin alike, and differ less than retrained models do."""
    net = seeded()
    challenge = kit.make_challenge("mine", TABLE, model=net, recipe=Recipe(epochs=0))
    worker = Worker(challenge)
    models_made = [unlearn("retrain", challenge, seed=seed, worker=worker).net.get_weights() for seed in (0, 1, 0)]
    random = [len(np.unique(array)) > 2 for array in net.get_weights()]
    assert sum(random) == 3 * 2 + 2 * 2  # kernels and biases of three layers; what either direction has but its bias
    for first, second, again, drawn in zip(*models_made, random, strict=True):
        np.testing.assert_array_equal(first, again)
        if drawn:
            assert not np.array_equal(first, second)


@pytest.mark.parametrize("method", ["retrain", pytest.param("sisa", marks=pytest.mark.slow), "exact_unlearning_k"])
def test_frozen_layers_are_the_same_in_every_model_that_is_trained_anew(method: str) -> None:
    """A published embedding that nobody trains would be noise if it were drawn anew."""
    inner = perturbed(keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.BatchNormalization()]))
    inner.trainable = False
    challenge = kit.make_challenge("mine", TABLE, model=sequential(inner, layers.Dense(3)), recipe=Recipe(epochs=1))
    worker = Worker.for_entry(resolve(method), challenge)
    unlearned = unlearn(method, challenge, worker=worker).net
    frozen = [array.tobytes() for array in inner.get_weights()]
    kept = [
        array.tobytes() for layer in blocks.leaves(unlearned) if not layer.trainable for array in layer.get_weights()
    ]
    assert kept
    assert kept == frozen * (len(kept) // len(frozen))
    assert not any(np.array_equal(array, challenge.original[-2]) for array in unlearned.get_weights())


@pytest.mark.parametrize("make", [lambda: layers.Dense(3, trainable=False), layers.Flatten], ids=["frozen", "none"])
def test_a_model_without_anything_to_train_is_refused(make: Callable[[], keras.Layer], refused: Refused) -> None:
    """Else it would be its own retrained model, and perfectly unlearned."""
    refused(lambda: user.adopt(sequential(make()), TABLE), "no weights that training would change")


@pytest.mark.parametrize("form", ["nested", "dropout", "8-bit images, batch statistics", "in lists of one"])
def test_a_model_is_trained_anew_and_unlearned(form: str) -> None:
    arrays, make = FORMS[form]
    net = perturbed(make())
    challenge = kit.make_challenge("mine", arrays, model=net, recipe=Recipe(epochs=2), batch_size=16)
    worker = Worker(challenge)
    for method in ("retrain", "finetune"):
        unlearned = unlearn(method, challenge, seed=3, worker=worker).net.get_weights()
        again = unlearn(method, challenge, seed=3, worker=worker).net.get_weights()
        assert all(map(np.array_equal, unlearned, again))
        assert not any(
            np.array_equal(*pair) for pair in zip(unlearned, net.get_weights(), strict=True) if pair[0].ndim > 1
        )
        worker.outputs(unlearned, method)


def test_runs_use_one_network_whatever_the_model_was_compiled_with() -> None:
    net = perturbed(nested())
    challenges = [kit.make_challenge("mine", TABLE, model=net, recipe=Recipe(epochs=1), batch_size=16)]
    net.compile("adam", "sparse_categorical_crossentropy")
    challenges.append(kit.make_challenge("mine", TABLE, model=net, recipe=Recipe(epochs=1), batch_size=16))
    assert originals.fingerprint(challenges[0]) == originals.fingerprint(challenges[1])
    worker = Worker(challenges[1])
    nets = [unlearn("retrain", challenges[1], seed=seed, worker=worker).net for seed in range(2)]
    assert nets[0] is nets[1]
    assert compiled.traces(nets[0]) == 1


@pytest.mark.slow
def test_worker_processes_know_the_model_from_its_description(monkeypatch: pytest.MonkeyPatch) -> None:
    processes.fork_workers(monkeypatch)
    challenge = kit.make_challenge("mine", TABLE, model=perturbed(nested()), recipe=Recipe(epochs=2), batch_size=16)
    models_made = [
        kit.run_population("retrain", challenge, num_models=2, engine=engine, workers=workers)
        for engine, workers in (("serial", None), ("processes", 1))
    ]
    for part in ("retain", "test"):
        np.testing.assert_array_equal(models_made[0].confidences[part], models_made[1].confidences[part])


# What is refused


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="scorecard")
        self.dense = layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


class OwnLayer(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * 2


def doubled(x: Any) -> Any:
    return x * 2


def called(net: Net) -> Net:
    net(np.zeros((1, 6), np.float32))
    return net


def two_inputs() -> Net:
    inputs = [keras.Input((6,)), keras.Input((6,))]
    return keras.Model(inputs, layers.Dense(3)(layers.Add()(inputs)), name="scorecard")


def two_outputs() -> Net:
    inputs = keras.Input((6,))
    return keras.Model(inputs, [layers.Dense(3)(inputs), layers.Dense(3)(inputs)], name="scorecard")


class TenthOfTheSum(keras.regularizers.Regularizer):
    def __call__(self, x: Any) -> Any:
        return 0.1 * keras.ops.sum(x)

    def get_config(self) -> dict[str, Any]:
        return {}


def with_weights_that_are_no_numbers() -> Net:
    net = sequential(layers.Dense(3))
    net.set_weights([array * np.nan for array in net.get_weights()])
    return net


def lambda_within() -> Net:
    inner = keras.Sequential([keras.Input((6,)), layers.Lambda(doubled, name="twice", output_shape=(6,))])
    return sequential(inner, layers.Dense(3))


REFUSED: dict[str, tuple[Callable[[], Net], list[str]]] = {
    "subclassed": (lambda: called(Subclassed()), ["'scorecard'", "subclassed", "--builder FILE.py:function"]),
    "subclassed within": (lambda: sequential(called(Subclassed())), ["'scorecard'", "Subclassed"]),
    "not built": (lambda: keras.Sequential([layers.Dense(3)]), ["not built yet"]),
    "two inputs": (two_inputs, ["one array 'x'", "'x_", "kit.Table"]),
    "two outputs": (two_outputs, ["[(None, 3), (None, 3)]", "the name of one", "--output-name"]),
    "a number for each pixel": (
        lambda: sequential(layers.Reshape((6, 1)), layers.Dense(3)),
        ["(6, 3)", "several numbers for each place"],
    ),
    "sigmoid": (lambda: sequential(layers.Dense(1, activation="sigmoid")), ["1 outputs", "labels go up to 2"]),
    "one number": (lambda: sequential(layers.Dense(1)), ["1 outputs", "labels go up to 2"]),
    "no model": (lambda: TABLE, ["is a Arrays", "keras.saving.load_model"]),
    "not a number": (with_weights_that_are_no_numbers, ["NaN or infinite", "Train it again"]),
    "tanh": (lambda: sequential(layers.Dense(3, activation="tanh", name="end")), ["'tanh'", "'end'", "'regression'"]),
    "too few classes": (lambda: sequential(layers.Dense(2)), ["2 outputs", "labels go up to 2"]),
    "lambda": (lambda: sequential(layers.Lambda(doubled, name="twice"), layers.Dense(3)), ["'twice'", "Lambda"]),
    "lambda within": (lambda_within, ["'twice'", "Lambda"]),
    "layer of its own": (lambda: sequential(OwnLayer(name="twice"), layers.Dense(3)), ["'twice'", "OwnLayer"]),
    "activation of its own": (lambda: sequential(layers.Dense(8, activation=doubled), layers.Dense(3)), ["function"]),
    "ends in its own": (lambda: sequential(layers.Dense(3, activation=doubled)), ["function of your own"]),
    "nameless activation": (
        lambda: sequential(layers.Dense(8, activation=lambda x: x * 2), layers.Dense(3)),
        ["function of your own"],
    ),
    "regulariser of its own": (
        lambda: sequential(layers.Dense(3, kernel_regularizer=TenthOfTheSum())),
        ["function of your own"],
    ),
    "other examples": (lambda: sequential(layers.Dense(3), shape=(7,)), ["(7,)", "(6,)"]),
    "images": (lambda: images_end(layers.Dense(3)), ["(8, 8, 1)", "(6,)"]),
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_with_advice(case: str, refused: Refused) -> None:
    make, fragments = REFUSED[case]
    net = make()
    message = refused(lambda: kit.make_challenge("mine", TABLE, model=net), *fragments)
    assert len(message) < 600
    assert message.endswith(".")


def test_half_precision_is_refused_for_a_model_of_ones_own(refused: Refused) -> None:
    net = functional(layers.Dense(3))
    refused(lambda: kit.make_challenge("mine", TABLE, model=net, precision="bfloat16"), "bfloat16", "float32")


# Files


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Net]:
    net = perturbed(functional(layers.Dense(3, activation="softmax")))
    net.save(tmp_path / "model.keras")
    np.savez(tmp_path / "table.npz", x=TABLE.x, y=TABLE.y)
    return tmp_path / "model.keras", net


def challenge_of(folder: Path, **options: Any) -> Challenge:
    return kit.load_challenge(folder / "table.npz", **options)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_saved_model_is_that_model(saved: tuple[Path, Net], kind: Callable[[Path], Any]) -> None:
    path, net = saved
    challenge = challenge_of(path.parent, model=kind(path))
    assert challenge.original is not None
    assert all(map(np.array_equal, challenge.original, net.get_weights()))
    assert challenge.model == "scorecard"


@pytest.mark.parametrize("name", ["other.weights.h5", "other.npz"])
def test_other_weights_for_a_saved_model(saved: tuple[Path, Net], name: str) -> None:
    path, net = saved
    net.set_weights([array - 0.5 for array in net.get_weights()])
    save_weights(net, path.with_name(name))
    challenge = challenge_of(path.parent, model=path, weights=path.with_name(name))
    assert challenge.original is not None
    assert all(map(np.array_equal, challenge.original, net.get_weights()))


def save_weights(net: Net, path: Path) -> None:
    if path.suffix == ".npz":
        np.savez(path, **{str(number): array for number, array in enumerate(net.get_weights())})
    else:
        net.save_weights(path)


def test_weights_in_the_order_of_the_model_need_no_names(saved: tuple[Path, Net]) -> None:
    path, net = saved
    net.set_weights([array - 0.5 for array in net.get_weights()])
    np.savez(path.with_name("other.npz"), *net.get_weights())
    challenge = challenge_of(path.parent, model=path, weights=path.with_name("other.npz"))
    assert challenge.original is not None
    assert all(map(np.array_equal, challenge.original, net.get_weights()))


def test_weights_without_a_model_say_what_they_were_tried_on(saved: tuple[Path, Net], refused: Refused) -> None:
    path, net = saved
    save_weights(net, path.with_name("other.weights.h5"))
    given = {"weights": path.with_name("other.weights.h5")}
    refused(lambda: challenge_of(path.parent, **given), "the kit's model 'mlp', for want of --model")


@pytest.mark.parametrize("name", ["its.weights.h5", "its.npz"])
@pytest.mark.parametrize("model", ["mlp", None])
def test_weights_of_a_model_of_the_zoo(tmp_path: Path, name: str, model: str | None) -> None:
    np.savez(tmp_path / "table.npz", x=TABLE.x, y=TABLE.y)
    net = perturbed(models.mlp((6,), 3))
    save_weights(net, tmp_path / name)
    challenge = challenge_of(tmp_path, model=model, weights=tmp_path / name)
    assert challenge.original is not None
    assert all(map(np.array_equal, challenge.original, net.get_weights()))
    assert challenge.model == "mlp"


def overwrite(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


def edit_config(change: Callable[[str], str]) -> Callable[[Path], None]:
    """Rewrites the description in a .keras file, as somebody with bad intentions would."""

    def edit(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = change(members["config.json"].decode()).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return edit


FILES: dict[str, Callable[[Path], Any]] = {
    "missing": Path.unlink,
    "empty": overwrite(b""),
    "text": overwrite(b"no model"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-500]),
    "no archive of a model": lambda path: np.savez(path.open("wb"), x=TABLE.x),
    "no description": edit_config(lambda text: "{"),
    "an unknown layer": edit_config(lambda text: text.replace('"Dense"', '"Danse"')),
    "a function of another module": edit_config(
        lambda text: text.replace(
            '"module": "keras.layers", "class_name": "Dense"', '"module": "os", "class_name": "system"'
        )
    ),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # zipfile's own, on an archive that it cannot read
@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_model_is_refused(saved: tuple[Path, Net], refused: Refused, case: str) -> None:
    path, _ = saved
    FILES[case](path)
    message = refused(lambda: challenge_of(path.parent, model=path), f"'{path}'")
    assert len(message) < 1000


@pytest.mark.parametrize(("version", "names_version"), [("3.99.0", True), (keras.__version__, False), (None, False)])
def test_a_model_of_another_version_of_keras_is_told_from_one_with_code(
    saved: tuple[Path, Net], refused: Refused, version: str | None, names_version: bool
) -> None:
    """A later one writes options that this one does not know."""
    path, _ = saved
    edit_config(lambda text: text.replace('"units":', '"option_of_a_later_version": null, "units":'))(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = json.dumps({"keras_version": version} if version else {}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    message = refused(lambda: challenge_of(path.parent, model=path), f"'{path}'")
    assert (f"was written by Keras 3.99.0, and Keras {keras.__version__}" in message) is names_version
    assert ("without running its code" in message) is not names_version


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
def test_code_in_a_model_is_refused_and_not_run(saved: tuple[Path, Net], refused: Refused) -> None:
    path, _ = saved
    marker = str(path.with_name("was here"))
    sequential(layers.Lambda(lambda x: (open(marker, "w").close(), x)[1]), layers.Dense(3)).save(path)
    os.unlink(marker)  # building it has run the function
    refused(
        lambda: challenge_of(path.parent, model=path),
        "model.keras",
        "it holds a 'Lambda' of 'keras.layers'",
        "--custom-objects FILE.py",
    )
    assert not os.path.exists(marker)
    keras.saving.load_model(path, safe_mode=False)
    assert os.path.exists(marker)  # it is as bad as it was meant to be


def test_a_layer_that_only_its_own_process_knows_is_refused(saved: tuple[Path, Net], refused: Refused) -> None:
    path, _ = saved
    sequential(OwnLayer(), layers.Dense(3)).save(path)
    refused(lambda: challenge_of(path.parent, model=path), "model.keras", "it holds a 'OwnLayer'", "class of yours")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
@pytest.mark.parametrize("name", ["old.h5", "old.hdf5", "model.onnx", "net.pt"])
def test_another_format_is_refused(saved: tuple[Path, Net], refused: Refused, name: str) -> None:
    path, net = saved
    if name == "old.h5":
        net.save(path.with_name(name))
    else:
        path.with_name(name).write_bytes(b"")
    other = path.with_name(name)
    refused(lambda: challenge_of(path.parent, model=other), f"'{other}'", "no .keras file", "model.save('model.keras')")


@pytest.mark.parametrize("name", ["other.weights.h5", "other.npz"])
def test_weights_of_another_model_are_refused(saved: tuple[Path, Net], refused: Refused, name: str) -> None:
    path, _ = saved
    save_weights(models.mlp((9,), 3), path.with_name(name))
    given = {"model": path, "weights": path.with_name(name)}
    refused(
        lambda: challenge_of(path.parent, **given), name, "do not fit the model 'scorecard'", "4 arrays", "with --model"
    )


@pytest.mark.parametrize("name", ["larger.weights.h5", "larger.npz"])
@pytest.mark.parametrize(
    "parts",
    [
        [layers.Dense(128), layers.Dense(3), layers.Dense(3)],
        [layers.Dense(128), layers.BatchNormalization(), layers.Dense(3)],
        [layers.Dense(128), layers.Dense(3), layers.Embedding(5, 2), layers.Flatten()],
        [keras.Sequential([layers.Dense(128), layers.Dense(4)]), layers.Dense(128), layers.Dense(3)],
    ],
    ids=["one layer more", "batch normalisation", "a layer that no namesake has", "a model inside"],
)
def test_weights_of_a_larger_network_are_no_weights_of_its_part(
    saved: tuple[Path, Net], refused: Refused, name: str, parts: list[keras.Layer]
) -> None:
    """Keras loads what has a namesake in the model, and passes over the rest."""
    path = saved[0].with_name(name)
    net = sequential(*parts)
    save_weights(net, path)
    refused(lambda: challenge_of(path.parent, model="mlp", weights=path), name, "do not fit the kit's model 'mlp'")


def test_what_a_trained_model_keeps_beside_its_weights_is_passed_over(saved: tuple[Path, Net]) -> None:
    """The optimizer's state and the metrics' counts; where layers with noise keep a state, that too."""
    path = saved[0].with_name("trained.weights.h5")
    net = sequential(
        layers.Dropout(0.5), layers.Dense(128, activation="relu"), layers.GaussianNoise(0.1), layers.Dense(3)
    )
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    net.optimizer.build(net.trainable_variables)
    net.save_weights(path)
    challenge = challenge_of(path.parent, model="mlp", weights=path)
    assert challenge.original is not None
    assert all(map(np.array_equal, challenge.original, net.get_weights()))


@pytest.mark.parametrize("name", ["none.weights.h5", "none.npz", "damaged.weights.h5", "damaged.npz", "model.bin"])
def test_a_file_that_holds_no_weights_is_refused(saved: tuple[Path, Net], refused: Refused, name: str) -> None:
    path, _ = saved
    if not name.startswith("none"):
        path.with_name(name).write_bytes(b"no weights")
    given = {"model": path, "weights": path.with_name(name)}
    refused(
        lambda: challenge_of(path.parent, **given), name, "NAME.weights.h5", "numpy.savez(path, *net.get_weights())"
    )


# The whole way: a person asks to be deleted, from a model that was trained elsewhere

TRAINING = """
import sys
import keras
import numpy as np

keras.utils.set_random_seed(0)
generator = np.random.default_rng(0)
labels = generator.integers(0, 3, 900)
x = generator.normal(size=(900, 20)) + 0.4 * np.eye(3, 20)[labels]
people = np.array([f"person {number // 6:03d}" for number in range(900)])
partition = np.repeat([0, 1, 2], [500, 150, 250])[generator.permutation(900)]
np.savez("data.npz", x=x, y=labels, groups=people, partition=partition)

net = keras.Sequential(
    [
        keras.Input((20,)),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(3, activation="softmax"),
    ],
    name="scorecard",
)
net.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
train = partition == 0
net.fit(x[train], labels[train], epochs=60, batch_size=50, verbose=0)
net.save("model.keras")

asked = [f"person {number:03d}" for number in range(0, 150, 10)]
rows = np.flatnonzero(np.isin(people, asked) & train)
with open("requests.csv", "w") as stream:
    stream.write("index,person\\n" + "".join(f"{row},{people[row]}\\n" for row in rows))

parts = {"validation": partition == 1, "test": partition == 2}
forget = np.isin(np.flatnonzero(train), rows)
accuracies = {name: net.evaluate(x[where], labels[where], verbose=0)[1] for name, where in parts.items()}
accuracies["forget"] = net.evaluate(x[train][forget], labels[train][forget], verbose=0)[1]
accuracies["retain"] = net.evaluate(x[train][~forget], labels[train][~forget], verbose=0)[1]
import json
json.dump(accuracies, open("accuracies.json", "w"))
"""
RECIPE = "epochs = 100\nlearning_rate = 0.05\nweight_decay = 0.0\nbatch_size = 50\n"
DELETES = """
from kit.toolbox import training
from kit.types import Recipe

def unlearning(net, retain, forget, validation):
    return training.fit(net, retain, Recipe(epochs=1, learning_rate=0.01))
"""
# Colours and widths of the terminal, and what a test run sets for TensorFlow, are none of a user's.
KEPT = {
    name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_", "PYTEST", "PYTHONW"))
}


@pytest.fixture(scope="module")
def engineers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engineer")
    (folder / "training.py").write_text(TRAINING)
    done = processes.run(folder / "training.py", folder=folder, env=KEPT)
    assert done.returncode == 0, done.stderr
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "deletes.py").write_text(DELETES)
    return folder


def check_the_request(reports: dict[str, dict[str, Any]], folder: Path) -> None:
    """The model's own accuracies in the row `original`, a trace of the forgotten there, and none after retraining."""
    expected = json.loads((folder / "accuracies.json").read_text())
    scores = {name: report["scores"] for name, report in reports.items()}
    for part, accuracy in expected.items():
        assert scores["original"][f"{part}_accuracy"]["value"] == pytest.approx(accuracy, abs=1e-6), part
    gap = scores["original"]["mia_gap"]
    assert gap["value"] > 2 * gap["stderr"]
    low, high = scores["original"]["mia_auc"]["null_band"]
    assert scores["original"]["mia_auc"]["value"] > high
    assert low < scores["retrain"]["mia_auc"]["value"] < high
    assert {report["split"] for report in reports.values()} == {str(folder / "requests.csv")}


@pytest.mark.slow
def test_a_request_on_the_command_line_ends_with_a_report(engineers_folder: Path, tmp_path: Path) -> None:
    """From an empty folder, with a built-in method and with a file, which runs contained."""
    given = {"model": "model.keras", "challenge": "data.npz", "forget": "requests.csv", "recipe": "recipe.toml"}
    options = [text for name, file in given.items() for text in (f"--{name}", str(engineers_folder / file))]
    command = ["run", "finetune", engineers_folder / "deletes.py", *options, "--json", "out.json"]
    done = forked_guests.run("kit", *command, folder=tmp_path, env=KEPT)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["failures"] == []
    reports = {report["method"]: report for report in content["reports"]}
    assert list(reports) == ["original", "finetune", "deletes", "retrain"]
    check_the_request(reports, engineers_folder)
    assert reports["deletes"]["scores"]["retain_accuracy"]["value"] > 0.9
    assert "there is something to unlearn" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_the_same_request_in_python(engineers_folder: Path, unmeasured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a model that was trained in this session, its arrays, and a file of a method."""
    guests.fork_them(monkeypatch)
    net = keras.saving.load_model(engineers_folder / "model.keras")
    with np.load(engineers_folder / "data.npz") as stored:
        columns = {name: stored[name] for name in stored.files}
    partition = columns.pop("partition")
    challenge = kit.make_challenge(
        "requests",
        Arrays(**columns),
        partition=partition,
        forget=str(engineers_folder / "requests.csv"),
        model=net,
        recipe=Recipe(epochs=100, learning_rate=0.05, weight_decay=0.0),
        batch_size=50,
    )
    evaluation = kit.evaluate_all([engineers_folder / "deletes.py"], challenge)
    reports = {first["method"]: first for first in kit.report.to_json(evaluation.reports)["reports"]}
    assert list(reports) == ["original", "deletes", "retrain"]
    check_the_request(json.loads(json.dumps(reports)), engineers_folder)
    # Without a model the kit trains one of its own, which is another.
    second = kit.make_challenge("requests", challenge.train, recipe=Recipe(epochs=1))
    assert second.original is None
