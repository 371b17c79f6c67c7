"""The user's model comes back: nothing but the weights is another, in memory and in a file."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import processes
import pytest

import kit
from kit.requests import delivery

layers = keras.layers
DATA = kit.Arrays(np.eye(6), np.arange(6) % 3)


def compiled(net: keras.Model, optimizer: str = "adam") -> keras.Model:
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    return net


def chain(*parts: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((6,), name="table"), *parts], name="mine")


def graph() -> keras.Model:
    table = keras.Input((6,), name="table")
    hidden = layers.Dense(5, activation="relu", kernel_regularizer="l2", name="hidden")(table)
    hidden = layers.Dropout(0.3, name="dropout")(layers.BatchNormalization(name="norm")(hidden))
    return keras.Model(table, layers.Dense(3, activation="softmax", name="out")(hidden), name="graph")


def frozen() -> keras.Model:
    net = chain(layers.Dense(5, name="base"), layers.Dense(3, activation="softmax", name="head"))
    net.layers[0].trainable = False
    return net


MODELS: dict[str, Callable[[], keras.Model]] = {
    "softmax": lambda: compiled(chain(layers.Dense(3, activation="softmax", name="out"))),
    "sigmoid": lambda: compiled(chain(layers.Dense(1, activation="sigmoid", name="out")), "rmsprop"),
    "logits": lambda: compiled(chain(layers.Dense(3, name="out"))),
    "softmax layer": lambda: compiled(chain(layers.Dense(3), layers.Softmax())),
    "functional": lambda: compiled(graph(), "adagrad"),
    "frozen": lambda: compiled(frozen(), "sgd"),
    "mixed precision": lambda: compiled(chain(layers.Dense(3, activation="softmax", dtype="mixed_bfloat16"))),
    "not compiled": graph,
    "a schedule": lambda: compiled(
        graph(), keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100), 0.9)
    ),
    "averaged weights": lambda: compiled(graph(), keras.optimizers.Adam(use_ema=True)),
}


def trained(name: str) -> keras.Model:
    """Returns a model of which the optimizer remembers something."""
    net = MODELS[name]()
    if net.compiled:
        net.optimizer.build(net.trainable_variables)
        for variable in net.optimizer.variables[2:]:
            variable.assign(variable + keras.ops.cast(0.5, variable.dtype))
        net.optimizer.iterations.assign(7)
    return net


def other_weights(net: keras.Model) -> list[np.ndarray]:
    return [array + 1 for array in net.get_weights()]


@pytest.mark.parametrize("name", MODELS)
def test_a_copy_has_the_models_description_and_weights_and_shares_nothing(name: str) -> None:
    net = trained(name)
    before = [array.copy() for array in net.get_weights()]
    copy = delivery.copy_of(net, DATA)
    assert type(copy) is type(net)
    assert copy.get_config() == net.get_config()
    assert copy.get_compile_config() == net.get_compile_config()
    assert [variable.name for variable in copy.weights] == [variable.name for variable in net.weights]
    assert [layer.trainable for layer in copy.layers] == [layer.trainable for layer in net.layers]
    np.testing.assert_equal(copy.get_weights(), before)
    copy.set_weights(other_weights(copy))
    np.testing.assert_equal(net.get_weights(), before)


def test_a_copy_remembers_nothing_of_the_training() -> None:
    copy = delivery.copy_of(trained("functional"), DATA)
    fresh = MODELS["functional"]()
    fresh.optimizer.build(fresh.trainable_variables)
    values = [[keras.ops.convert_to_numpy(v.value) for v in net.optimizer.variables] for net in (copy, fresh)]
    np.testing.assert_equal(*values)


def test_a_copy_knows_the_words_and_the_scales_of_the_model() -> None:
    words, numbers = np.array(["cook", "judge", "cook"]), np.array([[1.0], [5.0], [9.0]])
    texts, values = keras.Input((1,), dtype="string", name="job"), keras.Input((1,), name="age")
    lookup, text = layers.StringLookup(output_mode="one_hot"), layers.TextVectorization(output_mode="multi_hot")
    scale = layers.Normalization()
    for layer, column in ((lookup, words), (text, words), (scale, numbers)):
        layer.adapt(column)
    joined = layers.Concatenate()([*(layers.Flatten()(layer(texts)) for layer in (lookup, text)), scale(values)])
    net = keras.Model({"job": texts, "age": values}, layers.Dense(2)(joined))
    examples = {
        "job": keras.ops.convert_to_tensor(words[:, np.newaxis]),
        "age": keras.ops.convert_to_tensor(numbers, "float32"),
    }
    np.testing.assert_equal(
        *(keras.ops.convert_to_numpy(each(examples)) for each in (net, delivery.copy_of(net, DATA)))
    )


def test_a_loss_of_the_users_own_is_kept() -> None:
    def own_loss(truth: object, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.mean(outputs, axis=-1)

    net = graph()
    net.compile("sgd", own_loss)
    assert delivery.copy_of(net, DATA).loss is own_loss


def test_what_cannot_be_built_again_is_refused(refused: Callable[..., str]) -> None:
    class Odd(keras.layers.Layer):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.size = size

        def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
            return x

    refused(lambda: delivery.copy_of(chain(Odd(3), layers.Dense(2)), DATA), "cannot be rebuilt", "get_config")


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def loaded(path: Path) -> keras.Model:
    """Returns a model as `user_files.load` does, without its process that inspects a stranger's file."""
    return keras.models.load_model(path, compile=False)


def written(name: str, folder: Path) -> tuple[Path, Path, list[np.ndarray]]:
    """Returns the user's file, the one that is delivered, and the weights that were put there."""
    source, path = folder / "mine.keras", folder / "unlearned.keras"
    trained(name).save(source)
    net = loaded(source)
    weights = other_weights(net)
    net.set_weights(weights)
    delivery.write(net, source, path)
    return source, path, weights


@pytest.mark.parametrize("name", MODELS)
def test_a_file_is_the_users_but_for_the_weights(name: str, tmp_path: Path) -> None:
    source, path, weights = written(name, tmp_path)
    theirs, ours = parts_of(source), parts_of(path)
    assert list(theirs) == list(ours)
    assert {part for part in theirs if theirs[part] != ours[part]} == {"model.weights.h5"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Keras's, of states that do not fit
        net, original = keras.models.load_model(path), keras.models.load_model(source)
    np.testing.assert_equal(net.get_weights(), weights)
    assert net.get_config() == original.get_config()
    assert net.get_compile_config() == original.get_compile_config()


@pytest.mark.parametrize("name", ["functional", "a schedule", "averaged weights"])
def test_a_file_holds_the_optimizers_state_of_a_model_that_was_never_trained(name: str, tmp_path: Path) -> None:
    _, path, weights = written(name, tmp_path)
    fresh = MODELS[name]()
    fresh.set_weights(weights)
    fresh.optimizer.build(fresh.trainable_variables)
    fresh.save(tmp_path / "fresh.keras")
    states = []
    for file in (path, tmp_path / "fresh.keras"):
        with h5py.File(io.BytesIO(parts_of(file)["model.weights.h5"]), "r") as stored:
            state = stored["optimizer"]["vars"]
            states.append({key: state[key][()] for key in state})
    np.testing.assert_equal(*states)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "again").mkdir()
    source, path, _ = written("functional", tmp_path)
    net = loaded(path)
    monkeypatch.setattr("time.localtime", lambda *_: (2001, 2, 3, 4, 5, 6, 0, 0, 0))
    delivery.write(net, source, tmp_path / "again" / "unlearned.keras")
    assert (tmp_path / "again" / "unlearned.keras").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("part", [{"module": "os"}, {"registered_name": "mine>Adam"}])
def test_an_optimizer_of_the_users_own_is_refused(
    part: dict[str, str], tmp_path: Path, refused: Callable[..., str]
) -> None:
    compiled(graph()).save(tmp_path / "mine.keras")
    parts = parts_of(tmp_path / "mine.keras")
    described = json.loads(parts["config.json"])
    delivery.require_known_optimizer(tmp_path / "mine.keras")
    described["compile_config"]["optimizer"] |= part
    with zipfile.ZipFile(tmp_path / "mine.keras", "w") as archive:
        for name, content in (parts | {"config.json": json.dumps(described).encode()}).items():
            archive.writestr(name, content)
    refused(lambda: delivery.require_known_optimizer(tmp_path / "mine.keras"), "'Adam'", "save it again")


@pytest.mark.slow
def test_files_load_where_there_is_no_kit(tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(MODELS):
        (tmp_path / str(number)).mkdir()
        paths.append(str(written(name, tmp_path / str(number))[1]))
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'kit']\n"
        "sys.modules['kit'] = None\n"
        "import keras, numpy\n"
        "for path in sys.argv[1:]:\n"
        "    net = keras.models.load_model(path)\n"
        "    net(numpy.zeros((2, 6)))\n"
        "print(len(sys.argv[1:]))"
    )
    done = processes.run(program, *paths, folder=tmp_path)
    assert done.stdout.split() == [str(len(MODELS))], done.stderr
