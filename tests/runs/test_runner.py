"""Runs and populations: the same seed gives the same bits, whatever ran before and whatever was interrupted."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf

import kit
from kit import models
from kit.runs import timing
from kit.runs.outputs import compute_outputs
from kit.runs.population import run_population
from kit.runs.run import unlearn
from kit.runs.seeds import run_seed
from kit.runs.settings import hyperparameters
from kit.runs.worker import Worker
from kit.submission.entry import Entry, resolve
from kit.submission.source import Source
from kit.toolbox import compiled, setup, training
from kit.types import PARTS, Challenge, FailedRun, InputError, ModelOutputs, Recipe

Net = keras.Model


def digest(net: Net) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in net.get_weights())).hexdigest()


# The same seed, the same bits: a model with noise and batch statistics, and users who leave a mess behind


def noisy_model(input_shape: tuple[int, ...], num_classes: int) -> Net:
    images = keras.Input(input_shape, name="images")
    features = keras.layers.BatchNormalization(name="norm")(images)
    features = keras.layers.Dropout(0.3, name="dropout")(features)
    return keras.Model(images, keras.layers.Dense(num_classes, name="logits")(features), name="noisy")


def noisy_challenge() -> Challenge:
    labels = np.arange(120) % 3
    features = np.random.default_rng(0).normal(size=(120, 6)) + labels[:, np.newaxis]
    settings = {"finetune": {"epochs": 1}}
    arrays, recipe = kit.Arrays(features, labels), Recipe(epochs=1)
    challenge = kit.make_challenge("noisy", arrays, recipe=recipe, batch_size=16, hyperparameters=settings)
    return replace(challenge, model="noisy")


def freezes_and_fits(net: Net, retain: tf.data.Dataset, forget: tf.data.Dataset, validation: tf.data.Dataset) -> Net:
    net.get_layer("norm").trainable = False
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, jit_compile=False)
    net.fit(retain, epochs=1, shuffle=False, verbose=0)
    return net


def leaves_a_mess(net: Net, retain: tf.data.Dataset, forget: tf.data.Dataset, validation: tf.data.Dataset) -> Net:
    """Keeps every weight, but freezes the model and fills the buffers of its optimizer."""
    net.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    net.optimizer.build(net.trainable_variables)
    for variable in net.optimizer.variables:
        variable.assign(variable.value + 1)
    net.trainable = False
    return net


def changes_layers(net: Net, retain: tf.data.Dataset, forget: tf.data.Dataset, validation: tf.data.Dataset) -> Net:
    net.get_layer("dropout").rate = 0.6
    net.get_layer("norm").momentum = 0.5
    draws = random.random() + np.random.random() + tf.random.normal([])
    net.set_weights([array * (1 + 0.1 * draws) for array in net.get_weights()])
    return training.fit(net, forget, Recipe(epochs=1))


def changes_settings(net: Net, retain: tf.data.Dataset, forget: tf.data.Dataset, validation: tf.data.Dataset) -> Net:
    """Leaves Keras with half precision and everything that is compiled executed step by step."""
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_floatx("float64")
    keras.config.set_epsilon(0.1)
    keras.config.set_image_data_format("channels_first")
    tf.config.run_functions_eagerly(True)
    return net


KINDS: dict[str, Any] = {
    **{name: name for name in ("retrain", "finetune", "original")},
    **{kind.__name__: kind for kind in (freezes_and_fits, leaves_a_mess, changes_layers, changes_settings)},
}


def digests_alone(challenge: Challenge) -> dict[str, str]:
    """Each kind of method by itself, in a worker of its own."""
    return {
        name: digest(unlearn(kind, challenge, seed=4, worker=Worker(challenge)).net) for name, kind in KINDS.items()
    }


@pytest.fixture(scope="module")
def noisy() -> Iterator[Challenge]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "noisy", noisy_model)
        yield noisy_challenge()


# TensorFlow may be imported before the kit, as long as it has computed nothing.
MAKES_MODELS = """
import tensorflow
import json, kit, test_runner
kit.models.MODELS["noisy"] = test_runner.noisy_model
print(json.dumps(test_runner.digests_alone(test_runner.noisy_challenge())))
"""
COMPUTES_FIRST = """
import tensorflow
tensorflow.ones(2) + 1
from kit.toolbox import setup
import warnings
with warnings.catch_warnings(record=True) as caught:  # of its own: a process that was forked from a test has the test's
    warnings.simplefilter("always")
    setup.prepare()
print(*(warning.message for warning in caught))
from kit.machine import environment
print(environment.machine()["threads"])
"""


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory) -> dict[str, processes.Forked]:
    """New processes, at work while this one is: they know nothing of its threads, and their caches are empty."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TF_NUM_")}
    started = {}
    for code in (MAKES_MODELS, COMPUTES_FIRST):
        folder = tmp_path_factory.mktemp("child")
        (folder / "script.py").write_text(code)
        environment = inherited | {"KIT_HOME": str(folder / "home")}
        started[code] = processes.Forked(folder / "script.py", [], folder, environment)
    return started


@pytest.fixture(scope="module")
def alone(children: dict[str, processes.Forked]) -> dict[str, str]:
    """Of a process of its own."""
    finished = children[MAKES_MODELS].finish()
    assert finished.returncode == 0, finished.stderr
    digests: dict[str, str] = json.loads(finished.stdout.splitlines()[-1])
    return digests


@pytest.fixture(scope="module")
def after(children: dict[str, processes.Forked], noisy: Challenge) -> dict[tuple[str, str], str]:
    """(first, second) -> weights of the second right after the first, in one worker and as few runs as there can be."""
    names = list(KINDS)
    # A sequence in which every pair, also of a kind with itself, stands side by side once (de Bruijn).
    pairs = [[first, *(name for other in names[at + 1 :] for name in (first, other))] for at, first in enumerate(names)]
    sequence = [*itertools.chain.from_iterable(pairs), names[0]]
    worker = Worker(noisy)
    digests = [digest(unlearn(KINDS[name], noisy, seed=4, worker=worker).net) for name in sequence]
    return dict(zip(itertools.pairwise(sequence), digests[1:], strict=True))


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
@pytest.mark.slow
def test_a_run_has_the_bits_that_it_has_alone_and_in_another_process(
    after: dict[tuple[str, str], str], alone: dict[str, str], first: str, second: str
) -> None:
    assert after[first, second] == alone[second]


@pytest.mark.slow
def test_the_kinds_differ(alone: dict[str, str]) -> None:
    """Otherwise the test above would compare nothing; three of them keep the original's weights."""
    assert alone["leaves_a_mess"] == alone["changes_settings"] == alone["original"]
    assert len(set(alone.values())) == len(KINDS) - 2


@pytest.mark.slow
def test_tensorflow_that_has_computed_with_several_threads_is_warned_of(children: dict[str, processes.Forked]) -> None:
    finished = children[COMPUTES_FIRST].finish()
    assert finished.returncode == 0, finished.stderr
    assert "TensorFlow computed something with another number of threads before" in finished.stdout
    assert "restart the session" in finished.stdout
    assert "import kit in the first cell" in finished.stdout
    assert finished.stdout.split()[-1:] == ["kit"]  # of 'not set by the kit', which reports say


def test_a_users_function_is_handed_a_model_of_its_own_and_the_kits_methods_keep_theirs(worker: Worker) -> None:
    kept = worker.fresh_net(0, reuse=True)
    nets: list[Net] = [kept]

    def look(net: Net, *_: tf.data.Dataset) -> Net:
        nets.append(net)
        return net

    for _ in range(2):
        unlearn(look, worker.challenge, worker=worker)
    assert len({id(net) for net in nets}) == 3
    assert worker.fresh_net(0, reuse=True) is kept


@pytest.mark.parametrize("method", ["finetune", "retrain"])
def test_a_second_run_traces_nothing(small_challenge: Challenge, method: str) -> None:
    worker = Worker(small_challenge)
    counts = []
    for seed in range(3):
        net = unlearn(method, small_challenge, seed=seed, worker=worker).net
        worker.outputs(net.get_weights(), method)
        counts.append((id(net), compiled.traces(net), compiled.traces(worker.net_with(net.get_weights()))))
    assert len(set(counts)) == 1
    assert counts[0][1:] == (1, 1)  # the training loop; the forward pass


# Seeds


@pytest.mark.parametrize("method", ["retrain", "finetune", "a user's"])
@pytest.mark.parametrize(("seed", "number"), [(0, 0), (0, 1), (7, 1023), (2**40, 3)])
def test_the_seed_of_a_run_is_that_of_numpys_seed_sequence(seed: int, method: str, number: int) -> None:
    sequence = np.random.SeedSequence([seed, zlib.crc32(method.encode()), number])
    assert run_seed(seed, method, number) == sequence.generate_state(1)[0]


def test_the_seeds_of_runs_never_change() -> None:
    assert [run_seed(0, "retrain", number) for number in range(3)] == [3274232732, 1916837856, 3711177725]


def test_no_two_runs_share_a_seed() -> None:
    seeds = [
        run_seed(seed, method, number)
        for seed, method, number in itertools.product(range(3), ("retrain", "finetune", "original"), range(50))
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)  # what keras.utils.set_random_seed takes


@pytest.mark.parametrize("method", ["retrain", "finetune"])
@pytest.mark.parametrize("seeds", [(0, 1), (2**31 - 1, 2**32 - 1)])
def test_two_seeds_give_two_models(
    small_challenge: Challenge, builtin_worker: Worker, method: str, seeds: tuple[int, int]
) -> None:
    digests = {digest(unlearn(method, small_challenge, seed=seed, worker=builtin_worker).net) for seed in seeds}
    assert len(digests) == 2


def test_two_runs_of_retrain_shuffle_differently(
    small_challenge: Challenge, builtin_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same first weights, so that it is the order of the examples that differs."""
    monkeypatch.setattr(keras.models, "clone_model", lambda net: net)
    digests = [digest(unlearn("retrain", small_challenge, seed=seed, worker=builtin_worker).net) for seed in (0, 1, 0)]
    assert digests[0] == digests[2] != digests[1]


# What a method is handed


class Spy:
    """A method that writes down what it is given."""

    __name__ = "spy"

    def __call__(self, *arguments: Any, **settings: Any) -> Net:
        self.drawn = random.random(), np.random.random()
        self.net, *self.sets = arguments
        self.settings = settings
        self.first_weights = self.net.get_weights()
        self.passes = [[list(dataset.as_numpy_iterator()) for dataset in self.sets] for _ in range(2)]
        return self.net


def spied(challenge: Challenge, worker: Worker, seed: int = 0) -> Spy:
    spy = Spy()
    unlearn(spy, challenge, seed=seed, worker=worker)
    return spy


def rows(batches: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[float, ...]]:
    """The examples of all batches in their order, label last."""
    return [(*features.tolist(), int(label)) for x, y in batches for features, label in zip(x, y, strict=True)]


def test_a_method_is_handed_retain_forget_and_validation_and_no_test_set(
    small_challenge: Challenge, worker: Worker
) -> None:
    spy = spied(small_challenge, worker)
    train, split = small_challenge.train, small_challenge.split
    expected = [train.take(split.retain), train.take(split.forget), small_challenge.validation]
    for batches in spy.passes:
        assert len(batches) == 3
        for actual, arrays in zip(batches, expected, strict=True):
            assert sorted(rows(actual)) == sorted(rows([(arrays.x, arrays.y)]))
            sizes = [len(y) for _, y in actual]
            assert sizes == [32] * (len(arrays) // 32) + [len(arrays) % 32] * (len(arrays) % 32 > 0)
            assert {(x.dtype.name, y.dtype.name) for x, y in actual} == {("float32", "int32")}
    tested = set(rows([(small_challenge.test.x, small_challenge.test.y)]))
    assert not tested & set(rows([batch for batches in spy.passes for actual in batches for batch in actual]))


def test_retain_is_shuffled_at_each_pass_and_by_the_seed(small_challenge: Challenge, worker: Worker) -> None:
    def orders(seed: int) -> list[list[tuple[float, ...]]]:
        return [rows(batches[0]) for batches in spied(small_challenge, worker, seed).passes]

    first = orders(0)
    assert first[0] != first[1]
    assert orders(0) == first
    assert orders(1)[0] != first[0]


def test_forget_and_validation_keep_their_order(small_challenge: Challenge, worker: Worker) -> None:
    forget = small_challenge.train.take(small_challenge.split.forget)
    validation = small_challenge.validation
    for batches in spied(small_challenge, worker).passes:
        assert rows(batches[1]) == rows([(forget.x, forget.y)])
        assert rows(batches[2]) == rows([(validation.x, validation.y)])


def test_a_method_starts_from_the_original_and_from_seeded_generators(
    small_challenge: Challenge, worker: Worker
) -> None:
    spy = spied(small_challenge, worker, seed=2**32 - 1)
    assert all(map(np.array_equal, spy.first_weights, worker.original.weights))
    expected = random.Random(2**32 - 1).random(), np.random.RandomState(2**32 - 1).random()
    assert spy.drawn == expected
    assert not spy.net.compiled


def test_hyperparameters_of_the_challenge_reach_the_method(
    small_challenge: Challenge, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spied(small_challenge, worker).settings == {}
    challenge = replace(small_challenge, hyperparameters={"spy": {"strength": 3}, "finetune": {"epochs": 4}})
    assert spied(challenge, worker).settings == {"strength": 3}

    recipes = []
    monkeypatch.setattr(training, "fit", lambda net, dataset, recipe, **_: recipes.append(recipe) or net)
    for method in ("retrain", "finetune"):
        unlearn(method, challenge, worker=worker)
    assert recipes == [challenge.recipe, Recipe(epochs=4)]


def test_those_of_a_built_in_method_are_not_handed_to_a_users_one_of_its_name(
    small_challenge: Challenge, worker: Worker
) -> None:
    challenge = replace(small_challenge, hyperparameters={"scrub": {"alpha": 0.1}, "mine": {"alpha": 0.2}})

    def scrub(net: Net, *datasets: tf.data.Dataset) -> Net:
        return net

    assert hyperparameters(resolve("scrub"), challenge) == {"alpha": 0.1}
    file, mine = (Entry(name, source=Source(name, f"{name}.py", {})) for name in ("scrub", "mine"))
    for users in (resolve(scrub), file):
        assert hyperparameters(users, challenge) == {}
    assert hyperparameters(mine, challenge) == {"alpha": 0.2}
    assert unlearn(scrub, challenge, worker=worker).net is not None
    there = Worker(challenge)
    assert there.inputs(file).hyperparameters == {}
    assert there.inputs(mine).hyperparameters == {"alpha": 0.2}


def test_only_the_call_is_timed(small_challenge: Challenge, worker: Worker) -> None:
    def sleeps(net: Net, *datasets: tf.data.Dataset) -> Net:
        time.sleep(0.1)
        return net

    start = time.perf_counter()
    unlearned = unlearn(sleeps, small_challenge, seed=3, worker=worker)
    assert 0.1 <= unlearned.seconds < time.perf_counter() - start
    assert unlearned.seed == 3


# What a method may not return


def other_weights(value: float) -> Callable[..., Net]:
    def diverges(net: Net, *datasets: tf.data.Dataset) -> Net:
        net.set_weights([np.full_like(array, value) for array in net.get_weights()])
        return net

    return diverges


def returns(returned: Any) -> Callable[..., Any]:
    return lambda net, retain, forget, validation: returned(net) if callable(returned) else returned


def dense(*units: int) -> Net:
    return keras.Sequential([keras.Input((6,)), *(keras.layers.Dense(number) for number in units)])


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (returns(None), "returned nothing. Expected the unlearned keras.Model"),
        (
            returns(keras.callbacks.History()),
            "returned a History (net.fit returns a History, not the model). Expected the unlearned",
        ),
        (returns(lambda net: net.get_weights()), "returned a list. Expected the unlearned keras.Model"),
        (returns(lambda net: keras.Model), "Expected the unlearned keras.Model"),
        (returns(lambda net: dense(3)), "there are 2 arrays, not 4"),
        (returns(lambda net: dense(64, 3)), "array 0 has shape (6, 64) and dtype float32, expected (6, 128)"),
        (returns(lambda net: keras.Sequential()), "there are 0 arrays, not 4"),
        (other_weights(np.nan), "array 0 holds NaN or infinite values"),
        (other_weights(np.inf), "array 0 holds NaN or infinite values"),
    ],
)
def test_a_broken_method_is_told_what_is_expected(
    small_challenge: Challenge, worker: Worker, method: Callable[..., Any], says: str
) -> None:
    with pytest.raises(FailedRun) as caught:
        run_population(method, small_challenge, num_models=1, worker=worker)
    message = str(caught.value)
    assert says in message
    assert f"'{method.__name__.strip('<>')}' returned" in message
    assert message.endswith(".")
    assert "\n" not in message


def divides_by_zero(net: Net, *datasets: tf.data.Dataset) -> Net:
    return 1 / 0


def takes_one_argument(net: Net) -> Net:
    return net


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (
            divides_by_zero,
            f"in test_runner.py, line {divides_by_zero.__code__.co_firstlineno + 1}, with ZeroDivisionError: division "
            "by zero. Expected",
        ),
        (takes_one_argument, "when called, with TypeError: takes_one_argument() takes 1 positional argument"),
    ],
)
def test_a_method_that_raises_an_error_is_told_where(
    small_challenge: Challenge, worker: Worker, method: Callable[..., Any], says: str
) -> None:
    with pytest.raises(FailedRun) as caught:
        unlearn(method, small_challenge, worker=worker)
    assert f"'{method.__name__}' failed {says}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, (ZeroDivisionError, TypeError))


def test_ctrl_c_is_no_failure_of_the_method(small_challenge: Challenge, worker: Worker) -> None:
    def interrupted(net: Net, *datasets: tf.data.Dataset) -> Net:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unlearn(interrupted, small_challenge, worker=worker)


def test_a_method_of_the_kit_that_ends_in_nan_has_failed(small_challenge: Challenge, builtin_worker: Worker) -> None:
    challenge = replace(small_challenge, hyperparameters={"negative_gradient_plus": {"learning_rate": 1e30}})
    with pytest.raises(FailedRun, match="NaN"):
        unlearn("negative_gradient_plus", challenge, worker=builtin_worker)


def test_a_failed_run_leaves_the_worker_sound(small_challenge: Challenge, worker: Worker) -> None:
    before = run_population("original", small_challenge, num_models=1, worker=worker)
    with pytest.raises(FailedRun):
        run_population(other_weights(np.nan), small_challenge, num_models=1, worker=worker)
    after = run_population("original", small_challenge, num_models=1, worker=worker)
    for part in PARTS:
        np.testing.assert_array_equal(after.confidences[part], before.confidences[part])


# The duration that methods are compared with


# Keras's LearningRateScheduler hands NumPy a variable without the keyword that NumPy 2.4 asks for.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_reference_is_measured_once(
    small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    trained = []
    fit = keras.Model.fit

    def follow(net: Net, data: tf.data.Dataset, **options: Any) -> Any:
        trained.append((sum(len(y) for _, y in data), options["epochs"]))
        return fit(net, data, **options)

    setup.warm_up()
    monkeypatch.setattr(setup, "warm_up", lambda: None)
    monkeypatch.setattr(keras.Model, "fit", follow)
    retraining = timing.reference(small_challenge)
    assert trained == [(len(small_challenge.split.retain), small_challenge.recipe.epochs)]
    assert timing.reference(small_challenge) == retraining
    assert len(trained) == 1
    timing.reference(replace(small_challenge, recipe=Recipe(epochs=1)))
    assert trained[1:] == [(len(small_challenge.split.retain), 1)]


# What the original says is computed once


def test_what_a_model_says_is_computed_anew_unless_it_is_the_original(
    small_challenge: Challenge, builtin_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []

    def compute(net: Net, challenge: Challenge, method: str) -> ModelOutputs:
        computed.append(method)
        return compute_outputs(net, challenge, method)

    monkeypatch.setattr("kit.runs.worker.compute_outputs", compute)
    worker, original = Worker(small_challenge, builtin_worker.original), builtin_worker.original.weights
    other = [array + np.float32(0.1) for array in original]
    outputs = [worker.outputs(weights, name) for name, weights in zip("abcd", (original, other) * 2, strict=True)]
    assert computed == ["a", "b", "d"]
    by_itself = compute_outputs(worker.net_with(original), small_challenge)
    for part in PARTS:
        np.testing.assert_array_equal(outputs[2].logits[part], by_itself.logits[part])
        assert (outputs[3].logits[part] != by_itself.logits[part]).any()
    split = small_challenge.split
    worker.challenge = replace(
        small_challenge, split=replace(split, retain=split.retain[1:], forget=np.append(split.forget, split.retain[0]))
    )
    assert len(worker.outputs(original, "e").correct["forget"]) == len(split.forget) + 1


# One worker for several forget sets


def test_a_worker_goes_on_to_another_forget_set(small_challenge: Challenge, builtin_worker: Worker) -> None:
    """With the sets that the method is handed, not with those of the challenge that it was made for."""
    split = small_challenge.split
    smaller = replace(split, retain=split.retain[:64], forget=np.concatenate([split.forget, split.retain[64:]]))
    other = replace(small_challenge, split=smaller)
    alone = unlearn("finetune", other, seed=3, worker=Worker(other)).net.get_weights()
    for challenge in (small_challenge, other):
        net = unlearn("finetune", challenge, seed=3, worker=builtin_worker).net
        sizes = {part: len(selection.indices) for part, selection in builtin_worker.selections.items()}
        assert sizes["retain"] == len(challenge.split.retain)
        assert sizes["forget"] == len(challenge.split.forget)
    assert [array.tobytes() for array in net.get_weights()] == [array.tobytes() for array in alone]


def test_hyperparameters_are_given_by_keyword(small_challenge: Challenge) -> None:
    passes = [unlearn("finetune", small_challenge, epochs=epochs).cost.passes for epochs in (1, 2)]
    assert passes[1] == 2 * passes[0] > 0
    with pytest.raises(InputError, match="'epoch', which it does not take"):
        unlearn("finetune", small_challenge, epoch=1)
