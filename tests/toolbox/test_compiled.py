"""What is compiled for a model is compiled once, goes with it, and can be looked at."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest

from kit.models import mlp
from kit.toolbox import compiled
from kit.toolbox.inference import predict_logits


def images(number: int) -> np.ndarray:
    return np.zeros((number, 4), np.float32)


def test_what_is_built_is_built_once_a_model_and_key() -> None:
    net, other = mlp((4,), 3), mlp((4,), 3)
    built: list[str] = []

    def build() -> object:
        built.append("")
        return object()

    first = compiled.once(net, ("a", 1), build)
    assert compiled.once(net, ("a", 1), build) is first
    assert compiled.once(net, ("a", 2), build) is not first
    assert compiled.once(other, ("a", 1), build) is not first
    assert len(built) == 3
    assert compiled.functions(net) == []  # neither is a function


def test_a_failure_is_not_kept() -> None:
    net = mlp((4,), 3)
    with pytest.raises(ZeroDivisionError):
        compiled.once(net, "a", lambda: 1 / 0)
    assert compiled.once(net, "a", lambda: 5) == 5


def test_functions_and_traces_are_those_of_the_model_of_its_parts_and_of_what_was_made_with_it() -> None:
    inner = mlp((4,), 3)
    inputs = keras.Input((4,))
    net = keras.Model(inputs, inner(inputs))
    made_with_it = compiled.once(net, "twin", lambda: keras.models.clone_model(inner))
    assert (compiled.functions(net), compiled.traces(net)) == ([], 0)
    for count, model in enumerate((net, inner, made_with_it), start=1):
        for number in (2, 5):  # the number of examples is open
            predict_logits(model, images(number))
        assert (len(compiled.functions(net)), compiled.traces(net)) == (count, count)
    predict_logits(net, images(2).astype(np.uint8))
    assert (len(compiled.functions(net)), compiled.traces(net)) == (4, 4)
    assert len(compiled.functions(inner)) == 1


def test_it_is_no_part_of_the_model_and_goes_with_it() -> None:
    net = mlp((4,), 3)
    variables = len(net.variables)
    compiled.once(net, "more", lambda: keras.layers.Dense(2))
    predict_logits(net, images(2))
    assert len(net.variables) == variables
    assert net.get_config() == keras.Model.from_config(net.get_config()).get_config()
    reference = weakref.ref(net)
    del net
    gc.collect()
    assert reference() is None
