"""A whole request: the model, what is found, the evidence, and that all of it comes to its place or none."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import pytest
from owners import RECIPE, RECORDS, data, model

import kit
from kit import reports
from kit.reports import page
from kit.requests import DeletionRequest, Effort, Outcome, carry_out, delivery, evidence, publish, statement
from kit.requests import outcome as outcomes
from kit.requests.rehearsal import Choice
from kit.storage import files as file_digests
from kit.storage import seals
from kit.submission.entry import Entry
from kit.types import FailedRun

NAMES = {"statement.md", "request.json", "report.json", "report.html", "people.csv", "harm.csv"}


@pytest.mark.slow
def test_a_whole_request(whole_outcome: Outcome) -> None:
    outcome = whole_outcome
    # The user's model is as it was, and the outcome's is the same but for its weights.
    np.testing.assert_equal(outcome.request.net.get_weights(), model().get_weights())
    assert outcome.model.get_config() == model().get_config()
    assert outcome.model.get_compile_config() == model().get_compile_config()
    pairs = zip(outcome.model.get_weights(), model().get_weights(), strict=True)
    assert any(not np.array_equal(*pair) for pair in pairs)
    # The delivered weights are those that were compared.
    arrays, partition = data()
    right = outcome.model.predict(arrays.x[partition == 2], verbose=0).argmax(axis=-1) == arrays.y[partition == 2]
    np.testing.assert_equal(outcome.evaluation.outputs["finetune"].correct["test"][0], right)
    assert outcome.findings.harm[0].after == pytest.approx(right.mean())
    losses = outcome.evaluation.outputs["finetune"].losses("forget")[0]
    np.testing.assert_allclose([person["loss_after"] for person in outcome.findings.people], losses, rtol=1e-5)
    # They stand between the landmarks.
    assert [report.method for report in outcome.evaluation.reports] == ["original", "finetune", "retrain"]
    assert outcome.evaluation.reports[1].num_retrained == 3


def test_models_that_learnt_the_records_are_asked_about_these(
    request_of_six: DeletionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model's statistic is made its examples' numbers: those of the records must come out."""
    from kit.requests import references
    from kit.types import Outputs

    class Held:
        challenge, original, training = request_of_six.challenge, None, None

    def numbers(_: object, worker: Any, __: object) -> Outputs:
        challenge = worker.challenge
        parts = {part: challenge.train.x[getattr(challenge.split, part)][:, 3] for part in ("retain", "forget")}
        parts |= {"test": challenge.test.x[:, 3]}
        both = {part: np.stack([values, values]) for part, values in parts.items()}
        labels = {part: np.zeros(len(values), int) for part, values in parts.items()}
        return Outputs(
            "retrain", both, {part: each > 0 for part, each in both.items()}, labels, np.ones(2), np.arange(2)
        )

    def held(challenge: kit.Challenge, *_: object, **__: object) -> Any:
        worker = Held()
        worker.challenge = challenge
        return worker

    monkeypatch.setattr(references, "models", numbers)
    monkeypatch.setattr(references, "Worker", held)
    observations = references.learnt(Held(), references.Request(2))
    np.testing.assert_allclose(observations.statistic, np.tile(np.array(RECORDS) / 1000, (2, 1)), rtol=1e-6)


def test_weights_that_are_not_finite_are_a_failure_of_the_method(
    request_of_six: DeletionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_learnt", lambda *_: None)

    def broken(net: keras.Model, retain: Any, forget: Any, validation: Any) -> keras.Model:
        net.set_weights([array * np.nan for array in net.get_weights()])
        return net

    with pytest.raises(FailedRun, match="NaN"):
        carry_out(request_of_six, broken, Effort(retrained=3))


def test_where_the_chosen_method_fails_on_the_records_the_model_is_retrained(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []

    def unlearned(_: object, entry: Entry, *__: object) -> str:
        run.append(entry.name)
        if entry.name != "retrain":
            raise FailedRun("NaN on the records")
        return "a retrained model"

    monkeypatch.setattr(outcomes, "_unlearned", unlearned)
    worker, choice = object(), Choice("scrub", "It was the nearest.")
    entry, choice, delivered = outcomes._unlearned_or_retrained(worker, Entry("scrub"), choice, Effort(), print)
    assert (entry, delivered, run) == (Entry("retrain"), "a retrained model", ["scrub", "retrain"])
    assert choice.method == "retrain"
    assert choice.failures == {"scrub": "NaN on the records"}
    monkeypatch.setattr(outcomes, "_unlearned", lambda *_: (_ for _ in ()).throw(FailedRun("of the recipe")))
    with pytest.raises(FailedRun, match="of the recipe"):
        outcomes._unlearned_or_retrained(worker, Entry("retrain"), choice, Effort(), print)


def test_public_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    noted: list[tuple[Any, ...]] = []

    def note(request: DeletionRequest, *settings: Any, **others: Any) -> Outcome:
        noted.append((request, settings))
        return outcome

    monkeypatch.setattr(kit.requests, "carry_out", note)
    arrays, partition = data()
    result = kit.unlearn_model(
        model(), arrays, RECORDS, partition=partition, recipe=RECIPE, method="scrub", evidence=tmp_path / "evidence"
    )
    assert result is outcome
    assert noted[0][1][0] == "scrub"
    np.testing.assert_equal(noted[0][0].rows, RECORDS)
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == NAMES


# Evidence


@pytest.fixture
def folder(outcome: Outcome, tmp_path: Path) -> Path:
    evidence.write(tmp_path / "evidence", outcome, "0f" * 32)
    return tmp_path / "evidence"


def test_the_record_of_a_request_says_who_what_when_and_why(folder: Path, outcome: Outcome) -> None:
    record = seals.without_digest(json.loads((folder / "request.json").read_text()))
    assert [each["row"] for each in record["records"]] == RECORDS
    assert len({each["sha256"] for each in record["records"]}) == len(RECORDS)
    assert record["model"]["unlearned_sha256"] == "0f" * 32
    assert (record["method"], record["verdict"]) == ("finetune", outcome.verdict)
    assert record["when"].endswith("+00:00")
    assert record["recipe"]["epochs"] == 2


def test_a_changed_record_is_found_out(folder: Path) -> None:
    record = json.loads((folder / "request.json").read_text())
    record["records"][0]["row"] = 9
    with pytest.raises(ValueError, match="sha256"):
        seals.without_digest(record)


def test_the_report_is_the_kits_own(folder: Path, outcome: Outcome) -> None:
    assert reports.read_json(folder / "report.json").reports == outcome.evaluation.reports


def test_the_page_of_the_report_is_the_kits_own(folder: Path, outcome: Outcome) -> None:
    assert (folder / "report.html").read_text() == page.render(page.Stored(outcome.evaluation.reports))


@pytest.mark.slow
def test_the_page_shows_what_the_models_say(whole_outcome: Outcome, tmp_path: Path) -> None:
    evidence.write(tmp_path, whole_outcome)
    text = (tmp_path / "report.html").read_text()
    bare = page.render(page.Stored(whole_outcome.evaluation.reports, whole_outcome.evaluation.failures))
    assert text.count("<svg") > bare.count("<svg")
    assert "finetune" in text


def test_there_is_a_line_for_each_of_the_people(folder: Path, outcome: Outcome) -> None:
    with (folder / "people.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["row"]) for row in rows] == RECORDS
    for row, person in zip(rows, outcome.findings.people, strict=True):
        assert {name: float(row[name]) for name in person} == pytest.approx(person, rel=1e-5)


def test_the_page_says_what_is_not_covered(folder: Path) -> None:
    page = (folder / "statement.md").read_text()
    for word in ("copies", "backups", "embeddings", "Other models", "no proof"):
        assert word in page


def test_what_comes_from_outside_is_no_markdown_and_no_formula(outcome: Outcome, tmp_path: Path) -> None:
    choice = dataclasses.replace(outcome.choice, reason="<script>alert(1)</script> | [a](http://b)")
    groups = np.full(160, "=cmd()")
    request = outcome.request
    challenge = dataclasses.replace(
        request.challenge, train=dataclasses.replace(request.challenge.train, groups=groups)
    )
    odd = dataclasses.replace(outcome, choice=choice, request=dataclasses.replace(request, challenge=challenge))
    evidence.write(tmp_path, odd)
    page = (tmp_path / "statement.md").read_text()
    assert "<script>" not in page
    assert "[a](" not in page
    with (tmp_path / "people.csv").open(newline="") as stream:
        assert {row["owner"] for row in csv.DictReader(stream)} == {"'=cmd()"}


@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize("verdict", ["forgotten", "cannot tell", "remembered", "over-forgotten", "doubtful reference"])
def test_every_verdict_has_its_sentences(
    outcome: Outcome, verdict: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(outcome.findings), "verdict", property(lambda _: verdict))
    request = dataclasses.replace(outcome.request, rows=np.arange(number))
    text = statement.verdict(dataclasses.replace(outcome, request=request))
    assert ("the record " in text or "the record;" in text or "the record:" in text) is (number == 1)
    assert "{" not in text


# All or nothing


def full(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


def moved_after(number: int, end: Callable[..., NoReturn]) -> Callable[..., None]:
    """Returns an `os.replace` that ends badly after so many moves out of the hidden folders."""
    moves: list[object] = []
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(source).parent.name.startswith("."):
            moves.append(target)
            if len(moves) > number:
                end()
        real(source, target)

    return replace


@pytest.fixture
def outcome_of_file(outcome: Outcome, files: dict[str, Path]) -> Outcome:
    """Of a request whose model is the file."""
    request = dataclasses.replace(outcome.request, model_sha256=file_digests.sha256_of(files["model"]))
    return dataclasses.replace(outcome, request=request)


@pytest.mark.parametrize("end", [full, interrupted])
@pytest.mark.parametrize("place", ["saving", "repacking", "page", "table", "first move", "second move"])
def test_what_ends_badly_leaves_nothing_behind(
    outcome_of_file: Outcome,
    files: dict[str, Path],
    place: str,
    end: Callable[..., NoReturn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = files["output"].parent
    before = {path: path.read_bytes() for path in folder.iterdir()}
    targets: dict[str, tuple[Any, str, Any]] = {
        "saving": (keras.Model, "save", end),
        "repacking": (delivery.zipfile, "ZipInfo", end),
        "page": (statement, "page", end),
        "table": (evidence, "_csv", end),
        "first move": (os, "replace", moved_after(0, end)),
        "second move": (os, "replace", moved_after(1, end)),
    }
    monkeypatch.setattr(*targets[place])
    with pytest.raises((FailedRun, KeyboardInterrupt)) as caught:
        publish(outcome_of_file, files["model"], files["output"], folder / "evidence")
    monkeypatch.undo()
    if end is full:
        assert "No space left" in str(caught.value)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_both_come_to_their_places(outcome_of_file: Outcome, files: dict[str, Path]) -> None:
    folder = files["output"].parent
    digest = publish(outcome_of_file, files["model"], files["output"], folder / "evidence")
    assert {path.name for path in (folder / "evidence").iterdir()} == NAMES
    np.testing.assert_equal(keras.models.load_model(files["output"]).get_weights(), outcome_of_file.model.get_weights())
    record = json.loads((folder / "evidence" / "request.json").read_text())
    assert record["model"]["unlearned_sha256"] == digest
