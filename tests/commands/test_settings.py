"""Hyper-parameters that are given for one evaluation: by `--set` and as keywords in Python."""

from __future__ import annotations

import dataclasses

import pytest

import kit
from kit.commands import settings
from kit.reports import phrases
from kit.runs.settings import require_given, with_given
from kit.submission.entry import resolve
from kit.types import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("1e-3", 1e-3), ("true", True), ("cosine", "cosine"), ("-2", -2), ("1.2.3", "1.2.3")],
)
def test_values_are_read_as_what_they_look_like(text: str, value: object) -> None:
    (read,) = settings.parse([f"method.name={text}"])["method"].values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", ["alpha=1", "scrub.alpha", "scrub.=1", ".alpha=1", "scrub.alpha=", "scrub.al pha=1", "", "scrub.alpha=nan"]
)
def test_what_is_no_hyperparameter_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="Expected"):
        settings.parse([text])


def test_a_hyperparameter_is_set_once() -> None:
    with pytest.raises(InputError, match="twice"):
        settings.parse(["scrub.alpha=1", "scrub.alpha=1"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scrub": {"alfa": 0.9}}, "'alfa', which it does not take"),
        ({"scrub": {"alfa": 0.9}}, "Did you mean alpha"),
        ({"scrub": {"epochs": 0.5}}, "epochs = 0.5, where its default is"),
        ({"scrub": {"alpha": True}}, "alpha = True"),
        ({"scrab": {"alpha": 0.9}}, "Did you mean scrub?"),
    ],
)
def test_what_a_method_does_not_take_is_refused_before_it_runs(
    given: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(InputError) as error:
        require_given([resolve("scrub")], given)
    assert message in str(error.value)


def test_a_function_with_the_name_of_a_built_in_method_gets_none_of_its_hyperparameters() -> None:
    def scrub(net: object, retain: object, forget: object, validation: object, *, alpha: float = 0.5) -> object:
        return net

    with pytest.raises(InputError, match="Rename it"):
        require_given([resolve(scrub)], {"scrub": {"alpha": 0.9}})


def test_what_is_given_stands_over_what_the_challenge_has(small_challenge: kit.Challenge) -> None:
    has = dataclasses.replace(small_challenge, hyperparameters={"finetune": {"epochs": 3, "momentum": 0.5}, "ssd": {}})
    merged = with_given(has, [resolve("finetune")], {"finetune": {"epochs": 1}}).hyperparameters
    assert merged == {"finetune": {"epochs": 1, "momentum": 0.5}, "ssd": {}}
    assert has.hyperparameters["finetune"]["epochs"] == 3


@pytest.mark.slow
def test_keywords_reach_the_method_and_the_report(small_challenge: kit.Challenge) -> None:
    """No epoch leaves the original as it is; the command in the report says so."""
    original = kit.evaluate("original", small_challenge)
    still = kit.evaluate("finetune", small_challenge, epochs=0, momentum=0.5)
    assert still.scores["test_accuracy"].value == original.scores["test_accuracy"].value
    assert still.hyperparameters == {"epochs": 0, "momentum": 0.5}
    assert "--set finetune.epochs=0 --set finetune.momentum=0.5" in phrases.commands([original, still])[0]
    with pytest.raises(InputError, match="'num_model', which it does not take"):
        kit.evaluate("finetune", small_challenge, num_model=3)
