"""Training as one XLA computation: the same steps as by TensorFlow's operations, compiled once for all sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf

from kit.machine import environment, xla, xla_code
from kit.models import convnet, mlp, resnet20
from kit.models.layers import Columns
from kit.runs import process
from kit.toolbox import compiled, training
from kit.toolbox._tensorflow import form
from kit.toolbox._tensorflow.fused import FusedSteps
from kit.toolbox.examples import Examples
from kit.toolbox.losses import Difference, Distillation, cross_entropy
from kit.toolbox.optimizers import Adam, AdamW, RMSprop, Sgd
from kit.types import InputError

layers = keras.layers


@pytest.fixture(autouse=True)
def _by_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(xla.VARIABLE, "auto")


def examples(count: int, batch_size: int, seed: int = 0) -> Examples:
    """Of 4 classes, with a teacher's logits beside them."""
    draw = np.random.default_rng(seed)
    arrays = draw.normal(size=(count, 6)), draw.integers(0, 4, count), draw.normal(size=(count, 4))
    x, y, targets = (
        tf.constant(array, dtype) for array, dtype in zip(arrays, ("float32", "int32", "float32"), strict=True)
    )
    return Examples(x, y, batch_size, targets)


def trained(
    net: keras.Model, monkeypatch: pytest.MonkeyPatch, wish: str, *arguments: object, **settings: object
) -> list:
    """Returns the weights of a copy of a net after some epochs, in one form."""
    optimizer, scale = settings.pop("optimizer", Sgd(0.9, 1e-3)), settings.pop("scale", None)
    with monkeypatch.context() as patched:
        patched.setenv(xla.VARIABLE, wish)
        copy = keras.models.clone_model(net)
        copy.set_weights(net.get_weights())
        descent = training.Descent(copy, optimizer, scale=scale, seed=3)
        descent.train(*arguments, **settings)
        parts = compiled.functions(copy)
        assert {isinstance(part, FusedSteps) for part in parts} == {wish == "auto"}
    return [*copy.get_weights(), *(variable.numpy() for variable in descent._state.memory)]


def assert_same(net: keras.Model, monkeypatch: pytest.MonkeyPatch, *arguments: object, **settings: object) -> None:
    fused, plain = (trained(net, monkeypatch, wish, *arguments, **settings) for wish in ("auto", "never"))
    for first, second in zip(fused, plain, strict=True):
        # RMSprop divides by the size of a gradient, and so makes rounding of the smallest ones as large as a step is.
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    "optimizer",
    [Sgd(0.9, 1e-3), *(pytest.param(each, marks=pytest.mark.slow) for each in (Adam(1e-3), AdamW(), RMSprop()))],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_steps_are_those_of_the_operations_with_a_short_last_batch(
    optimizer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = np.array([0.05, 0.02, 0.01]) * (1.0 if isinstance(optimizer, Sgd) else 0.01)
    assert_same(mlp((6,), 4), monkeypatch, examples(37, 8), rates, cross_entropy, optimizer=optimizer)


def test_a_table_with_its_preprocessing_inside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user's model of columns becomes one of the kit's: taken apart, normalised, one logit made two."""
    columns = keras.Input((6,), name="columns")
    age = Columns(0, 1, (1,), "float32", name="age")(columns)
    job = Columns(1, 6, (5,), "float32", name="job")(columns)
    scaled = layers.Normalization(axis=None, mean=0.3, variance=2.0)(age)
    hidden = layers.Dense(5, activation="relu")(layers.Concatenate()([scaled, job]))
    logit = layers.Reshape((1, 1))(layers.Dense(1)(hidden))
    net = keras.Model(columns, layers.Flatten()(layers.ZeroPadding1D((1, 0))(logit)))
    data = examples(37, 8)
    binary = Examples(data.x, data.y % 2, 8)
    assert form.is_fused(net)
    assert_same(net, monkeypatch, binary, [0.05, 0.02])


@pytest.mark.slow
@pytest.mark.parametrize(("count", "batch_size"), [(3, 1), (1, 1), (5, 8), (16, 8), (17, 8), (2, 2)])
def test_batches_of_one_and_larger_ones_than_the_data_too(
    count: int, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_same(mlp((6,), 4), monkeypatch, examples(count, batch_size), [0.05, 0.02])


@pytest.mark.slow
def test_pairs_of_batches_l1_and_scaled_weights_too(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mlp((6,), 4)
    scale = [np.random.default_rng(5).uniform(size=weight.shape) for weight in net.get_weights()]
    settings = {"paired": examples(5, 4, seed=1), "l1": [1e-3, 0.0], "scale": scale}
    assert_same(net, monkeypatch, examples(21, 8), [0.05, 0.02], Difference(0.7), **settings)


@pytest.mark.slow
def test_targets_and_convolutions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data, draw = examples(19, 8), np.random.default_rng(2)
    images = Examples(tf.constant(draw.integers(0, 256, (19, 8, 8, 2)), tf.uint8), data.y, 8, data.targets)
    net = convnet((8, 8, 2), 4)
    assert_same(net, monkeypatch, images, [0.05], Distillation(0.5, 0.5, 2.0))


def test_a_training_in_parts_of_an_epoch_is_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mlp((6,), 4)
    data = examples(37, 8), [0.05, 0.02]
    whole = trained(net, monkeypatch, "auto", *data)
    monkeypatch.setattr(training, "_FIRST_CALL", 1)
    monkeypatch.setattr(training, "_LONGEST_CALL", 1)
    parts = trained(net, monkeypatch, "auto", *data)
    assert all(map(np.array_equal, whole, parts))


def test_data_sets_of_nearly_the_same_size_and_any_number_of_epochs_share_a_compilation() -> None:
    net = mlp((6,), 4)
    descent = training.Descent(net, Sgd(), seed=0)
    for count, epochs in ((37, 1), (40, 3), (48, 300)):
        descent.train(examples(count, 8), [0.01] * epochs)
    assert compiled.traces(net) == 1
    descent.train(examples(49, 8), [0.01])
    assert compiled.traces(net) == 2


@pytest.mark.slow
def test_what_runs_step_by_step_for_debugging_does_so_here(monkeypatch: pytest.MonkeyPatch) -> None:
    net, data = mlp((6,), 4), (examples(11, 8), [0.05])
    whole = trained(net, monkeypatch, "auto", *data)
    tf.config.run_functions_eagerly(True)
    try:
        eager = trained(net, monkeypatch, "auto", *data)
    finally:
        tf.config.run_functions_eagerly(False)
    for first, second in zip(whole, eager, strict=True):
        # RMSprop divides by the size of a gradient, and so makes rounding of the smallest ones as large as a step is.
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=2e-5)


@pytest.mark.slow
def test_dropout_draws_anew_at_each_step_and_the_same_for_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    net = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5, seed=1), layers.Dense(4)])
    first, second = (trained(net, monkeypatch, "auto", examples(12, 4), [0.1, 0.1]) for _ in range(2))
    assert all(map(np.array_equal, first, second))
    still = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    still.set_weights(net.get_weights()[:2])
    assert not np.allclose(first[0], trained(still, monkeypatch, "auto", examples(12, 4), [0.1, 0.1])[0])


# Which form


def sequential(*parts: keras.layers.Layer, shape: tuple[int | None, ...] = (6,)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *parts])


class Own(keras.Model):
    """A model that treats its layers as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, inputs: object) -> object:
        """Returns the logits, less their mean over the batch."""
        logits = self.dense(inputs)
        return logits - keras.ops.mean(logits, axis=0)


@pytest.mark.parametrize(
    ("net", "fused"),
    [
        (lambda: convnet((8, 8, 1), 10), True),
        (lambda: convnet((28, 28, 1), 10), True),
        (lambda: convnet((32, 32, 3), 10), False),
        (lambda: mlp((784,), 10), True),
        (lambda: resnet20((32, 32, 3), 10), False),
        (lambda: sequential(layers.Dense(4), layers.BatchNormalization(), layers.Dense(4)), False),
        (lambda: sequential(layers.Dense(4, activity_regularizer="l2"), layers.Dense(4)), False),
        (lambda: sequential(layers.Dense(4, dtype="float64")), False),
        (lambda: sequential(layers.Dense(4, dtype="mixed_bfloat16")), False),
        (lambda: sequential(layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), shape=(None, None, 1)), False),
        (lambda: sequential(layers.Conv2D(2, 3, groups=2), layers.Flatten(), shape=(6, 6, 2)), False),
        (lambda: sequential(sequential(layers.Dense(4)), layers.Dense(4)), True),
        (Own, False),
    ],
    ids=[
        "convnet of 8 pixels",
        "convnet of 28 pixels",
        "convnet of 32 pixels in colour",
        "mlp",
        "resnet20",
        "statistics of a batch",
        "a penalty on what a batch activates",
        "float64",
        "bfloat16",
        "images of any size",
        "groups",
        "nested",
        "a model of one's own",
    ],
)
def test_the_form_depends_on_the_network(net: object, fused: bool) -> None:
    assert form.is_fused(net()) == fused


def test_the_form_is_said() -> None:
    small = "one XLA computation (720 numbers in patches, of 10,000 at most)"
    assert compiled.described(convnet((8, 8, 1), 10)) == small
    assert compiled.described(resnet20((32, 32, 3), 10)) == "TensorFlow's operations"


def test_the_variable_chooses_operations_or_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mlp((6,), 4)
    monkeypatch.setenv(xla.VARIABLE, "never")
    assert not form.is_fused(net)
    monkeypatch.setenv(xla.VARIABLE, "always")
    for use in (lambda: form.is_fused(net), environment.machine, process.prepare):
        with pytest.raises(InputError, match=r"KIT_XLA is 'always'\. Expected 'auto'"):
            use()


# What is kept


@pytest.fixture
def _flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_XLA_FLAGS", "--of_the_user")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / f"tensorflow-{tf.__version__}-machine"
    path.mkdir()
    return path


@pytest.mark.usefixtures("_flags")
@pytest.mark.parametrize("damage", ["flipped", "cut", "no digest", "no code"])
def test_damaged_code_is_removed_before_tensorflow_looks_for_it(folder: Path, damage: str) -> None:
    whole, damaged = folder / "whole.pb", folder / "damaged.pb"
    for code in (whole, damaged):
        code.write_bytes(b"0123456789")
    xla_code.keep(lambda _: folder)
    assert list(folder.iterdir()) == []  # nobody has said what they are
    for code in (whole, damaged):
        code.write_bytes(b"0123456789")
    xla_code.record()
    digest = damaged.with_suffix(".seal")
    match damage:
        case "flipped":
            damaged.write_bytes(b"0123456780")
        case "cut":
            damaged.write_bytes(b"01234")
        case "no digest":
            digest.unlink()
        case "no code":
            damaged.unlink()
    xla_code.remove_damaged(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["whole.pb", "whole.seal"]


@pytest.mark.usefixtures("_flags")
def test_to_look_whether_code_is_whole_is_no_use_of_it(folder: Path) -> None:
    """What nobody uses is swept, by the time at which it was last read."""
    xla_code.keep(lambda _: folder)
    code = folder / "old.pb"
    code.write_bytes(b"0123456789")
    xla_code.record()
    os.utime(code, (1e9, 2e9))
    xla_code.remove_damaged(folder)
    assert (code.stat().st_atime, code.stat().st_mtime) == (1e9, 2e9)


@pytest.mark.usefixtures("_flags")
def test_the_users_own_folder_and_flags_stay(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    xla_code.keep(lambda compiler: folder if compiler == f"tensorflow-{tf.__version__}" else None)
    flags = os.environ["TF_XLA_FLAGS"].split()
    assert flags[0] == "--of_the_user"
    assert f"--tf_xla_persistent_cache_directory={folder}" in flags
    own = f"--tf_xla_persistent_cache_directory={tmp_path}"
    monkeypatch.setenv("TF_XLA_FLAGS", own)
    xla_code.keep(lambda _: folder)
    assert os.environ["TF_XLA_FLAGS"] == own
    (tmp_path / "their.pb").write_bytes(b"1")
    xla_code.record()
    assert not (tmp_path / "their.seal").exists()


@pytest.mark.usefixtures("_flags")
@pytest.mark.parametrize("path", [None, Path("/a folder")])
def test_no_folder_no_cache(path: Path | None) -> None:
    xla_code.keep(lambda _: path)
    assert os.environ["TF_XLA_FLAGS"] == "--of_the_user"


SCRIPT = """
import sys
from pathlib import Path
import keras, numpy as np
from kit.models import mlp
from kit.toolbox import setup, training
from kit.toolbox.examples import batches
from kit.types import Arrays, Recipe

folder, result, more = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
setup.prepare()
setup.keep_compiled(lambda _: folder)
keras.utils.set_random_seed(0)
data = batches(Arrays(np.eye(6, dtype="float32"), np.arange(6) % 4), np.arange(6), 4)
if more:
    training.fit(mlp((6,), 5), data, Recipe(epochs=1), seed=0)
    keras.utils.set_random_seed(0)
net = training.fit(mlp((6,), 4), data, Recipe(epochs=3), seed=0)
np.savez(result, *net.get_weights())
"""


@pytest.mark.slow
def test_another_process_takes_what_is_compiled_to_the_same_bits_whatever_it_did_before(
    folder: Path, tmp_path: Path
) -> None:
    """TensorFlow reads its variable at a process's first operation."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}

    def weights(name: str, *more: str) -> tuple[list[np.ndarray], set[str]]:
        finished = processes.run(script, folder, tmp_path / name, *more, folder=tmp_path, env=environment)
        assert finished.returncode == 0, finished.stderr
        with np.load(tmp_path / f"{name}.npz") as stored:
            return [stored[key] for key in stored.files], {path.name for path in folder.iterdir()}

    cold, compiled_once = weights("cold")
    assert len(compiled_once) == 2  # one computation, and its digest
    warm, compiled_since = weights("after-another-network", "more")
    assert len(compiled_since) == 4  # the other network's
    assert compiled_once < compiled_since
    assert all(map(np.array_equal, warm, cold))
    next(folder.glob("*.pb")).write_bytes(b"damaged")
    assert all(map(np.array_equal, weights("mended")[0], cold))
