"""What methods say of themselves: costs that can be computed, a list, an explanation."""

from __future__ import annotations

import dataclasses
import inspect
import json

import pytest
from cli_helpers import call, one_paragraph

from kit import methods
from kit.methods import _facts
from kit.types import Challenge, Recipe


@pytest.mark.parametrize("name", methods.names())
def test_every_cost_can_be_computed(name: str, small_challenge: Challenge) -> None:
    settings = _facts.hyperparameters(name)
    assert (_facts.passes(name, small_challenge, settings) > 0) == (name != "original")


def test_a_cost_is_its_formula(small_challenge: Challenge) -> None:
    kept, gone = len(small_challenge.split.retain), len(small_challenge.split.forget)
    assert _facts.passes("finetune", small_challenge, {"epochs": 3}) == 3 * kept
    assert _facts.passes("original", small_challenge, {}) == 0
    longer = dataclasses.replace(small_challenge, recipe=Recipe(epochs=7))
    assert _facts.passes("retrain", longer, {}) == 7 * kept
    assert _facts.passes("fisher_forgetting", small_challenge, {}) == 3 * kept
    batches = -(-kept // small_challenge.batch_size)  # a paired batch is whole to the last
    paired = min(gone, small_challenge.batch_size) * batches
    assert _facts.passes("negative_gradient_plus", small_challenge, {"epochs": 3}) == 3 * (kept + paired)
    settings = {"epochs": 4, "max_epochs": 9, "rewind": False}
    assert _facts.passes("scrub", small_challenge, settings) == pytest.approx((kept + gone) / 3 + 4 * (kept + gone))


@pytest.mark.parametrize("formula", ["epochs ** retain", "open('x')", "unknown * 2", "retain.real", "'text'"])
def test_what_is_no_formula_is_refused(
    formula: str, small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "docstring", lambda _: f"Does something.\n\nKind: any\nCost: {formula}\nData: none\n")
    with pytest.raises(ValueError, match=r"cannot be computed. Expected numbers"):
        _facts.passes("finetune", small_challenge, {"epochs": 2})


def test_a_docstring_in_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Forgets.\n\nThe formula: none.\n\nKind: of a\n    kind\nCost: 2 *\n    retain\nData: all: retain too\n"
    text += "Source: a\nb\n\nDifferences: c\n"
    monkeypatch.setattr(methods, "docstring", lambda _: text)
    facts = _facts.of_method("any")
    assert facts == _facts.MethodFacts("Forgets.", "of a kind", "2 * retain", "all: retain too", "a b", "c")


def test_list_methods_says_what_each_costs() -> None:
    result = call("list", "methods", "--json", "-")
    rows = json.loads(result.out)
    assert list(rows) == list(methods.names())
    assert rows["l1_sparse"]["cost"] == "epochs * retain"
    assert "passes:" not in call("list", "methods").out
    shown = call("list", "methods", "--long").out
    for name in methods.names():
        assert f"{name} " in shown
    assert "passes: epochs * retain data: retain source: Jia et al." in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", methods.names())
def test_explain_shows_the_docstring_and_the_settings(name: str) -> None:
    shown = " ".join(call("explain", name).out.split())
    for word in inspect.cleandoc(methods.docstring(name)).split():
        assert word in shown
    for setting, value in _facts.hyperparameters(name).items():
        assert f"{setting} = {value}" in shown


@pytest.mark.parametrize("name", methods.names())
def test_the_settings_are_those_of_the_function(name: str) -> None:
    functions = [methods.get(name), getattr(methods.module(name), "pretraining", None)]
    expected = {
        parameter.name: parameter.default
        for function in functions
        if function is not None
        for parameter in inspect.signature(function).parameters.values()
        if isinstance(parameter.default, int | float)
    }
    assert _facts.hyperparameters(name) == expected


def test_explain_as_json() -> None:
    content = json.loads(call("explain", "ssd", "--json", "-").out)
    assert content["cost"] == "forget + retain"
    assert content["hyperparameters"] == _facts.hyperparameters("ssd")


def test_an_unknown_method_is_refused_with_near_ones() -> None:
    assert "Did you mean scrub" in one_paragraph(call("explain", "scrubs"))
