"""Hyper-parameters that come with the kit: edited ones are used and told, and what is none is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from retrainings import taking

import kit
from kit import evaluation
from kit.challenges import hyperparameters
from kit.runs import timing
from kit.runs.settings import hyperparameters as of_method
from kit.storage import files
from kit.submission.entry import resolve
from kit.types import Challenge

Refused = Callable[..., str]
HEAD = (
    "# A comment that stays.\n\n[small.finetune]\nepochs = 1\nlearning_rate = 0.05\n\n[small.scrub]\nmax_epochs = 2\n"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the challenge 'small', as the kit writes it."""
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    path = hyperparameters.file()
    path.write_text(HEAD)
    hyperparameters.write(hyperparameters.read())
    return path


def loaded(challenge: Challenge) -> Challenge:
    return dataclasses.replace(challenge, hyperparameters=hyperparameters.of_challenge("small"))


def test_what_comes_with_the_kit_is_as_it_was_recorded() -> None:
    """Who edits it on purpose runs 'kit tune METHOD --write', or `kit.challenges.hyperparameters.write(read())`."""
    for name in kit.challenges.names():
        challenge: Any = dataclasses.make_dataclass("Challenge", ["name", "hyperparameters"])
        assert hyperparameters.doubt(challenge(name, hyperparameters.of_challenge(name)), "finetune") == ""


def test_what_is_written_is_read_and_the_comment_stays(file: Path) -> None:
    assert file.read_text().startswith(HEAD)
    assert hyperparameters.read() == {
        "small": {"finetune": {"epochs": 1, "learning_rate": 0.05}, "scrub": {"max_epochs": 2}}
    }
    before = file.read_bytes()
    hyperparameters.write(hyperparameters.read())
    assert file.read_bytes() == before
    file.write_text(HEAD.partition("\n\n")[2])
    hyperparameters.write(hyperparameters.read())
    assert set(hyperparameters.read()["small"]) == {"finetune", "scrub"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.05", "0.06"), ("epochs = 1\n", ""), ("[small.finetune]", "[small.finetunf]"), ('small = "', 'smell = "')],
)
def test_a_changed_one_is_told(file: Path, small_challenge: Challenge, old: str, new: str) -> None:
    assert hyperparameters.doubt(loaded(small_challenge), "finetune") == ""
    file.write_text(file.read_text().replace(old, new))
    warning = hyperparameters.doubt(loaded(small_challenge), "finetune")
    assert warning.startswith("hyperparameters.toml was changed since those of small were recorded: finetune ran with ")
    for name, value in loaded(small_challenge).hyperparameters.get("finetune", {}).items():
        assert f"{name} = {value}" in warning


def test_others_than_those_of_the_file_are_nobodys_doubt(file: Path, small_challenge: Challenge) -> None:
    file.write_text(file.read_text().replace("0.05", "0.06"))
    for given in ({}, {"finetune": {"epochs": 9}}):
        assert hyperparameters.doubt(dataclasses.replace(small_challenge, hyperparameters=given), "finetune") == ""


def test_a_report_tells_it(
    file: Path, small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(1.0))
    file.write_text(file.read_text().replace("epochs = 1", "epochs = 2"))
    result = evaluation.evaluate_all(["finetune"], loaded(small_challenge), num_models=1, root=tmp_path / "runs")
    warnings_of = {report.method: [text for text in report.warnings if "toml" in text] for report in result.reports}
    assert warnings_of["original"] == []
    assert "finetune ran with epochs = 2, learning_rate = 0.05" in warnings_of["finetune"][0]
    assert "retrain ran with its defaults" in warnings_of["retrain"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[small.finetune]\nepochs = 2026-01-01\n", "'epochs' of [small.finetune] is a date"),
        ("[small.finetune]\nepochs = 12:00:00\n", "is a time"),
        ("[small.finetune]\nepochs = nan\n", "is nan"),
        ("[small.finetune]\nepochs = inf\n", "is inf"),
        ("[small.finetune]\nepochs = [1]\n", "is a list"),
        ("[small.finetune]\nepochs.of = 1\n", "is a table"),
        ("[small]\nfinetune = 1\n", "'small' in it holds something else than tables"),
        ("small = 1\n", "'small' in it holds something else than tables"),
        ("[small.finetune]\nepochs = 1\nepochs = 2\n", "cannot be read"),
        ("[small.finetune", "cannot be read"),
        ("\udcff", "cannot be read"),
        ("\0", "cannot be read"),
    ],
)
def test_what_holds_no_settings_is_refused(file: Path, text: str, words: str, refused: Refused) -> None:
    file.write_bytes(text.encode(errors="surrogateescape"))
    refused(lambda: hyperparameters.of_challenge("small"), words)


def test_where_no_file_is_shipped_methods_have_their_defaults(file: Path) -> None:
    file.unlink()
    assert hyperparameters.of_challenge("small") == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epocht": 1}, "'epocht', which it does not take"),
        ({"epochs": 1.5}, "epochs = 1.5, where its default is"),
        ({"epochs": "1"}, "epochs = '1', where its default is"),
        ({"learning_rate": True}, "learning_rate = True, where its default is"),
    ],
)
def test_what_a_method_does_not_take_is_refused(
    small_challenge: Challenge, settings: dict[str, Any], words: str, refused: Refused
) -> None:
    challenge = dataclasses.replace(small_challenge, hyperparameters={"finetune": settings})
    refused(lambda: of_method(resolve("finetune"), challenge), words, "Expected some of epochs, learning_rate")
