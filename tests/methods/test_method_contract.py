"""What every method in the folder promises, on a small convnet and on a model with batch normalisation and dropout."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable

import keras
import numpy as np
import pytest

import kit
from kit import datasets, methods
from kit.methods import _facts
from kit.runs.run import unlearn
from kit.runs.settings import hyperparameters
from kit.runs.worker import Worker
from kit.submission.entry import Entry, resolve
from kit.toolbox import blocks, compiled, costs
from kit.types import Challenge, Recipe

# Two runs of these differ by rounding at most; all others draw something.
DETERMINISTIC = {"original", "influence", "ssd", "certified_removal"}


def normalised(num_classes: int) -> keras.Model:
    layers = keras.layers
    images = keras.Input((8, 8, 1))
    features = layers.Conv2D(6, 3, strides=2, use_bias=False, name="first")(images)
    features = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(features))
    features = layers.Dropout(0.2, name="dropout")(layers.Flatten(name="flatten")(features))
    return keras.Model(images, layers.Dense(num_classes, name="logits")(features), name="normalised")


@pytest.fixture(scope="module")
def challenges() -> dict[str, Challenge]:
    """Both with an odd last batch, and recipes of few epochs: what is trained anew need not be good."""
    noisy = dataclasses.replace(kit.load_challenge("noisy-digits"), recipe=Recipe(epochs=5))
    digits = datasets.digits()
    rows = np.flatnonzero(digits.y < 4)[:330]
    some = kit.Arrays((255 * digits.x[rows]).astype(np.uint8), digits.y[rows])
    keras.utils.set_random_seed(0)
    own = kit.make_challenge("normalised", some, model=normalised(4), recipe=Recipe(epochs=3), batch_size=32)
    # Of four classes no weight matters ten times as much to the forget set as to all, which SSD wants to see.
    return {"noisy-digits": noisy, "normalised": dataclasses.replace(own, hyperparameters={"ssd": {"alpha": 2.0}})}


@pytest.fixture(scope="module")
def worker_of(challenges: dict[str, Challenge]) -> Callable[[str, Entry], Worker]:
    """Returns one worker for all methods that start from the same original: what is traced for one serves the next."""
    workers: dict[tuple[str, str], Worker] = {}

    def find(where: str, entry: Entry) -> Worker:
        key = where, entry.pretraining
        if key not in workers:
            workers[key] = Worker.for_entry(entry, challenges[where])
        return workers[key]

    return find


def architecture(net: keras.Model) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(layer.name, weight.name, tuple(weight.shape)) for layer in net.layers for weight in layer.weights]


def bits(net: keras.Model) -> list[bytes]:
    return [array.tobytes() for array in net.get_weights()]


def state(challenge: Challenge) -> list[bytes]:
    return [array.tobytes() for part in (challenge.train, challenge.validation) for array in (part.x, part.y)]


def compiled_so_far(net: keras.Model) -> tuple[int, int]:
    """How much the kit has compiled for a model, and how often that was traced."""
    return len(compiled.functions(net)), compiled.traces(net)


@pytest.mark.parametrize("name", methods.names())
def test_signature_and_docstring(name: str) -> None:
    parameters = list(inspect.signature(methods.get(name)).parameters.values())
    assert [parameter.name for parameter in parameters[:4]] == ["net", "retain", "forget", "validation"]
    for parameter in parameters[4:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter
        assert (parameter.default is inspect.Parameter.empty) == (parameter.name == "folder"), parameter
    assert ("folder" in [parameter.name for parameter in parameters]) == methods.trains_its_own(name)
    first_line = inspect.getdoc(methods.get(name)).splitlines()[0]
    assert methods.summary(name) == first_line != ""
    assert first_line.endswith(".")
    facts = _facts.of_method(name)
    assert all([facts.kind, facts.cost, facts.data, facts.source, facts.differences]), facts
    lines = inspect.getsource(methods.get(name)).splitlines()
    assert len(lines) <= 60


@pytest.mark.parametrize("where", [pytest.param("noisy-digits", marks=pytest.mark.slow), "normalised"])
@pytest.mark.parametrize("name", methods.names())
def test_contract(
    name: str, where: str, challenges: dict[str, Challenge], worker_of: Callable[[str, Entry], Worker]
) -> None:
    challenge, entry = challenges[where], resolve(name)
    before = state(challenge)
    worker = worker_of(where, entry)
    expected = architecture(worker.net_with(worker.original.weights))
    with costs.counted() as counter:
        unlearned = unlearn(name, challenge, seed=1, worker=worker)
    returned = unlearned.net
    defaults = inspect.signature(methods.get(name)).parameters
    settings = {key: parameter.default for key, parameter in defaults.items()} | hyperparameters(entry, challenge)
    stated = _facts.passes(name, challenge, settings)
    # A formula knows nothing of short last batches, and SISA's of where its hash has put the examples.
    assert counter.passes <= 1.02 * stated + 1e-6, "costs more than it says"
    # Which slices SISA trains again depends on the examples.
    assert name == "sisa" or counter.passes >= 0.95 * stated - 1e-6, "costs less than it says"

    assert isinstance(returned, keras.Model)
    assert architecture(returned) == expected
    first = bits(returned)
    assert all(np.isfinite(array).all() for array in returned.get_weights())
    assert all(np.isfinite(array).all() for array in worker.outputs(returned.get_weights(), name).logits.values())
    assert state(challenge) == before
    assert (first == [array.tobytes() for array in worker.original.weights]) == (name == "original")

    other = unlearn(name, challenge, seed=2, worker=worker).net
    compiled_by_then, second = compiled_so_far(other), bits(other)
    if name in DETERMINISTIC and not unlearned.facts.get("retrained"):
        largest = max(np.abs(array).max() for array in other.get_weights())
        other.set_weights(
            [parameter - two for parameter, two in zip(other.get_weights(), from_bits(first, other), strict=True)]
        )
        assert max(np.abs(array).max() for array in other.get_weights()) < 1e-3 * largest
    else:
        assert second != first

    # A third run compiles nothing that the second one lacked, and is the first one, whatever was run in between.
    again = unlearn(name, challenge, seed=1, worker=worker).net
    assert compiled_so_far(again) == compiled_by_then
    assert bits(again) == first
    # The second seed met what was compiled for the first and for other methods; a model that is compiled for it alone
    # makes the same bits.
    if where == "normalised":
        assert bits(unlearn(name, challenge, seed=2, worker=Worker.for_entry(entry, challenge)).net) == second


def from_bits(stored: list[bytes], like: keras.Model) -> list[np.ndarray]:
    pairs = zip(stored, like.get_weights(), strict=True)
    return [np.frombuffer(content, array.dtype).reshape(array.shape) for content, array in pairs]


@pytest.fixture(scope="module")
def tiny_challenge() -> Challenge:
    """40 examples: a run is over in a few hundredths of a second."""
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    arrays = kit.Arrays(generator.normal(size=(40, 3)) + labels[:, np.newaxis], labels)
    return kit.make_challenge("tiny", arrays, recipe=Recipe(epochs=2), batch_size=16)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["influence", "fisher_forgetting", "ssd", "scrub", "bad_teacher", "salun", "sisa"])
def test_a_population_traces_nothing_after_the_first_runs(name: str, tiny_challenge: Challenge) -> None:
    worker = Worker.for_entry(resolve(name), tiny_challenge)
    counts = [compiled_so_far(unlearn(name, tiny_challenge, seed=seed, worker=worker).net) for seed in range(24)]
    assert counts[1][0] > 0
    assert len(set(counts[1:])) == 1


def test_trainable_flags_are_as_they_were(
    challenges: dict[str, Challenge], worker_of: Callable[[str, Entry], Worker]
) -> None:
    for name in ("catastrophic_forgetting_k", "exact_unlearning_k"):
        worker = worker_of("normalised", resolve(name))
        net = unlearn(name, challenges["normalised"], worker=worker).net
        assert all(layer.trainable for layer in blocks.leaves(net))
