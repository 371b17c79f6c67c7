"""One rule for what a method may return: a function, a file of a population and an examined file are held to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import guests
import pytest
from retrainings import taking

import kit
from kit.contest import validate
from kit.runs.worker import Worker
from kit.submission.contained import Limits
from kit.types import BrokenSubmission, Challenge

TEXT = """
import keras
import numpy as np

class Wrapper(keras.Model):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def call(self, x, training=False):
        return self.net(x, training=training)

class Subclass(type(keras.Sequential())):
    def note(self):
        return "of my own"

def wrapper(net):
    wrapped = Wrapper(net)
    wrapped(np.zeros((1, *net.input_shape[1:]), "float32"))
    return wrapped

def subclass(net):
    other = Subclass([keras.Input(net.input_shape[1:]), *(type(layer).from_config(layer.get_config())
                      for layer in net.layers if layer.__class__.__name__ != "InputLayer")])
    other.set_weights(net.get_weights())
    return other

def as_bfloat16(layer):
    return type(layer).from_config(layer.get_config() | {"dtype": "mixed_bfloat16"})

def bfloat16_layers(net):
    other = keras.models.clone_model(net, clone_function=as_bfloat16)
    other.set_weights(net.get_weights())
    return other

def policy(net):
    keras.config.set_dtype_policy("mixed_bfloat16")
    return net

def softmax(net):
    return keras.Sequential([net, keras.layers.Softmax()])

def in_dtype(net, dtype):
    other = keras.models.clone_model(net, clone_function=lambda layer: type(layer).from_config(
        layer.get_config() | {"dtype": dtype}))
    other.set_weights(net.get_weights())
    return other

def float16_weights(net):
    return in_dtype(net, "float16")

def bfloat16_weights(net):
    return in_dtype(net, "bfloat16")

def float64_weights(net):
    return in_dtype(net, "float64")

def not_finite(net):
    net.set_weights([array * np.nan for array in net.get_weights()])
    return net

def nothing(net):
    return None

def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.02, array.shape) for array in net.get_weights()])
    return RETURNED(net)
"""
LEGAL = [
    "wrapper", "subclass", "bfloat16_layers", "policy", "float16_weights", "bfloat16_weights", "float64_weights"
]  # fmt: skip
ILLEGAL = {"softmax": "architecture", "not_finite": "weights", "nothing": "returns_model"}


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    guests.fork_them(monkeypatch)

    def write(name: str) -> Path:
        (tmp_path / "mine.py").write_text(TEXT.replace("RETURNED", name))
        return tmp_path / "mine.py"

    return write


def examined(path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> dict[str, validate.Checked]:
    monkeypatch.setattr(validate, "Worker", lambda _: worker)
    monkeypatch.setattr(validate.timing, "reference", lambda _: taking(1000.0))
    return {outcome.name: outcome for outcome in validate.examine(path, worker.challenge, limits=Limits(60.0))}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEGAL)
def test_how_a_model_is_built_is_the_methods_business(
    name: str, written: Callable[[str], Path], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(name)
    here = kit.unlearn(kit.load_method(path), worker.challenge, seed=3, worker=worker).net.get_weights()
    there = kit.unlearn(path, worker.challenge, seed=3, worker=worker).net.get_weights()
    assert all((mine == theirs).all() for mine, theirs in zip(here, there, strict=True))
    outcomes = examined(path, worker, monkeypatch)
    assert {check.name: check.message for check in outcomes.values() if check.status == "FAIL"} == {}
    assert outcomes["repeatable"].status == "PASS"


@pytest.mark.slow
@pytest.mark.parametrize("name", ILLEGAL)
def test_what_is_no_legal_model_is_one_nowhere(
    name: str, written: Callable[[str], Path], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, messages = written(name), set()
    for method in (kit.load_method(path), path):
        with pytest.raises(BrokenSubmission) as caught:
            kit.unlearn(method, worker.challenge, seed=3, worker=worker)
        assert caught.value.check == ILLEGAL[name]
        messages.add(str(caught.value).replace("'unlearning'", "'mine'"))
    outcome = examined(path, worker, monkeypatch)[ILLEGAL[name]]
    assert outcome.status == "FAIL"
    assert len({message.partition("Expected")[2] for message in (*messages, outcome.message)}) == 1
