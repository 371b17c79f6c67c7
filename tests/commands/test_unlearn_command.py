"""`kit unlearn`: what it writes, what it refuses before any work, and what an end that nobody wanted leaves."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import keras
import numpy as np
import pytest
from cli_helpers import Result, call, one_paragraph
from limits import files_of_at_most
from owners import RECORDS, data, files_in
from processes import Forked
from retrainings import taking
from signals import children_take_interrupts, stop

from kit import requests
from kit.requests import outcome as outcomes
from kit.runs import store, timing
from kit.storage import files


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Path]:
    return files_in(tmp_path)


@pytest.fixture
def nothing_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(*_: object, **__: object) -> NoReturn:
        raise AssertionError("it was to be refused before any work")

    monkeypatch.setattr(outcomes, "Worker", compute)


def unlearn(given: dict[str, Path], *more: str | Path, **changes: str | Path) -> Result:
    options = [part for option, value in (given | changes).items() for part in (f"--{option}", value)]
    return call("unlearn", *options, *more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_a_request_ends_with_the_model_and_its_evidence(
    given: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(1.0))
    before = contents(tmp_path)
    evidence = tmp_path / "evidence"
    result = unlearn(
        given, "--method", "finetune", "--retrained", "3", "--evidence", evidence, "--quiet", "--json", "-"
    )
    assert result.code == 0, result.err
    summary = json.loads(result.out)
    assert summary["records"] == len(RECORDS)
    assert summary["verdict"] in result.err
    assert "·" not in result.err  # nothing of the work, as --quiet says
    assert (evidence / "statement.md").is_file()
    net, original = keras.models.load_model(given["output"]), keras.models.load_model(given["model"])
    assert net.get_config() == original.get_config()
    assert any(not np.array_equal(*pair) for pair in zip(net.get_weights(), original.get_weights(), strict=True))
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    arrays, partition = data()
    accuracy = (net.predict(arrays.x[partition == 2], verbose=0).argmax(axis=-1) == arrays.y[partition == 2]).mean()
    assert summary["test_accuracy"]["after"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("option", "value", "fragment"),
    [
        ("--model", "nothing.keras", "no file 'nothing.keras'"),
        ("--model", "model.h5", "no .keras file"),
        ("--data", "nothing.npz", "no file 'nothing.npz'"),
        ("--forget", "nothing.csv", "nothing.csv"),
        ("--forget", "clas:1", "clas:1"),
        ("--method", "finetun", "finetune"),
        ("--recipe", "nothing.toml", "no file 'nothing.toml'"),
        ("--retrain", "nothing.py:train", "no file 'nothing.py'"),
        ("--retrain", "training.py", "FILE.py:function"),
        ("--output", "unlearned.h5", "no name of a .keras file"),
        ("--evidence", "full", "is not empty"),
        ("--json", "full", "is a folder"),
    ],
)
@pytest.mark.usefixtures("nothing_computed")
def test_wrong_names_are_refused_in_a_paragraph(
    given: dict[str, Path], option: str, value: str, fragment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    before = contents(tmp_path)
    assert fragment in one_paragraph(unlearn(given, option, value))
    assert contents(tmp_path) == before


def rows(*numbers: int) -> Callable[[dict[str, Path]], None]:
    def write(given: dict[str, Path]) -> None:
        given["forget"].write_text("row\n" + "".join(f"{number}\n" for number in numbers))

    return write


def damage(option: str) -> Callable[[dict[str, Path]], None]:
    def write(given: dict[str, Path]) -> None:
        content = given[option].read_bytes()
        given[option].write_bytes(content[: len(content) // 3])

    return write


def shuffle_labels(given: dict[str, Path]) -> None:
    arrays, partition = data()
    np.savez(given["data"], x=arrays.x, y=(arrays.y + 1) % 3, partition=partition)


def without_partition(given: dict[str, Path]) -> None:
    arrays, _ = data()
    np.savez(given["data"], x=arrays.x, y=arrays.y)


@pytest.mark.parametrize(
    ("fault", "fragment"),
    [
        (rows(), "nothing is to be forgotten"),
        (rows(*range(160)), "everything is to be forgotten"),
        (rows(3, 4000), "row 4000"),
        (rows(3, 170), "the model has not learnt from it"),
        (rows(3, 3), "more than once"),
        (damage("model"), "damaged"),
        (damage("data"), "cannot be read"),
        (without_partition, "'partition'"),
        (shuffle_labels, "no better than chance"),
    ],
)
def test_bad_requests_are_refused_in_a_paragraph(
    given: dict[str, Path], fault: Callable[[dict[str, Path]], None], fragment: str, tmp_path: Path
) -> None:
    fault(given)
    before = contents(tmp_path)
    assert fragment in one_paragraph(unlearn(given, "--method", "finetune", "--quiet"))
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("nothing_computed")
def test_no_model_is_lost_without_being_told_to(given: dict[str, Path], tmp_path: Path) -> None:
    given["output"].write_bytes(b"an earlier one")
    before = contents(tmp_path)
    assert "exists already" in one_paragraph(unlearn(given))
    assert "is the model itself" in one_paragraph(unlearn(given, output=given["model"]))
    assert contents(tmp_path) == before


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work takes no time, and says nothing."""
    monkeypatch.setattr(requests, "carry_out", lambda *_, **__: None)
    monkeypatch.setattr(requests, "kept_at", lambda _: None)
    for name in ("_show", "_summary"):
        monkeypatch.setattr(f"kit.commands.unlearn.{name}", lambda *_, **__: {})


@pytest.mark.usefixtures("carried_out")
def test_overwrite_replaces_even_the_model(given: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[tuple[Any, ...]] = []
    monkeypatch.setattr(requests, "publish", lambda *settings: noted.append(settings[1:]))
    assert unlearn(given, "--overwrite", output=given["model"]).code == 0
    assert noted == [(given["model"], given["model"], None)]


@pytest.mark.usefixtures("carried_out")
@pytest.mark.parametrize("place", ["carry_out", "publish"])
def test_after_ctrl_c_nothing_is_there(
    given: dict[str, Path], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(requests, place, interrupted)
    before = contents(tmp_path)
    result = unlearn(given)
    assert (result.code, result.out) == (130, "")
    assert "Interrupted. Nothing was written" in result.err
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("carried_out")
def test_a_full_disk_is_told_in_a_paragraph(
    given: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    request = SimpleNamespace(model_sha256=files.sha256_of(given["model"]))
    monkeypatch.setattr(requests, "carry_out", lambda *_, **__: SimpleNamespace(request=request))
    monkeypatch.setattr("kit.requests.publishing._beside", full)
    before = contents(tmp_path)
    assert "No space left" in one_paragraph(unlearn(given, "--quiet"), code=1)
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_a_disk_that_is_full_of_what_is_kept_is_told_and_the_same_command_goes_on(
    given: dict[str, Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second model finds no room: the first is kept whole, and neither model nor output is touched."""
    monkeypatch.setattr(timing, "reference", lambda *_, **__: taking(1.0))
    monkeypatch.setenv("KIT_HOME", str(tmp_path_factory.mktemp("home")))
    real, written = store.save_outputs, list[Path]()

    def save(path: Path, outputs: Any) -> None:
        written.append(path)
        with files_of_at_most(1000) if len(written) == 2 else contextlib.nullcontext():
            real(path, outputs)

    monkeypatch.setattr(store, "save_outputs", save)
    before, options = contents(tmp_path), ("--method", "finetune", "--retrained", "3", "--quiet")
    message = one_paragraph(unlearn(given, *options), code=1)
    assert "cannot be written (File too large)" in message
    assert "KIT_HOME" in message
    assert contents(tmp_path) == before
    folder = Path(os.environ["KIT_HOME"]) / "requests"
    assert [path.parent.name[-4:] for path in folder.rglob("done.json")] == ["0000"]
    kept = {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert kept == {"done.json", "outputs.npz"}
    result = unlearn(given, *options)
    assert result.code == 0, result.err
    assert [path for path in {*written} if written.count(path) != 1] == [written[1]]  # what was kept stays as it was
    assert not [*folder.iterdir()]


@pytest.mark.slow
def test_interrupted_at_any_moment_it_goes_on_where_it_stopped(
    given: dict[str, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of runs that are interrupted none leaves more than it says, and the last has the bits of one that was not."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "KIT_HOME": str(home)}
    before = contents(tmp_path)

    def start(output: Path) -> Forked:
        paths = (given | {"output": output}).items()
        options = [part for option, value in paths for part in (f"--{option}", value)]
        arguments = [
            "unlearn",
            *options,
            "--method",
            "finetune",
            "--retrained",
            "3",
            "--evidence",
            tmp_path / "evidence",
        ]
        return Forked("kit", arguments, tmp_path, environment)

    models: list[int] = []
    with children_take_interrupts():
        for moment in ("training as your model was", "unlearning 6 records", "retrain: 3 models", "scoring"):
            process = start(given["output"])
            while moment not in process.output("stdout") + process.output("stderr") and process.poll() is None:
                time.sleep(0.02)
            time.sleep(np.random.default_rng(len(models)).uniform(0, 0.5))
            assert process.poll() is None, (moment, process.output("stdout"), process.output("stderr"))
            stop(process, signal.SIGINT)
            ended = process.finish()
            assert ended.returncode == 130, ended.stderr
            assert "Nothing was written" in ended.stderr
            assert contents(tmp_path) == before
            assert not (tmp_path / "evidence").exists()
            models.append(len([*home.glob("requests/**/done.json")]))
    assert models == sorted(models)
    assert models[-1] >= 3  # those that learnt the records are not trained again
    assert start(given["output"]).finish().returncode == 0
    assert not [*home.glob("requests/*")]
    whole = given["output"].read_bytes()
    files.remove(tmp_path / "evidence")
    assert start(tmp_path / "again.keras").finish().returncode == 0
    assert (tmp_path / "again.keras").read_bytes() == whole


def test_what_was_kept_is_deleted_once_the_model_is_delivered(tmp_path: Path) -> None:
    from kit.commands.unlearn import _delete

    (tmp_path / "kept" / "runs").mkdir(parents=True)
    _delete(tmp_path / "kept")
    _delete(tmp_path / "kept")
    _delete(None)
    assert not (tmp_path / "kept").exists()
