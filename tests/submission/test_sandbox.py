"""The sandbox is what a file runs in when nobody says anything, and its list of folders has no data in it."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import guests
import numpy as np
import pytest

import kit
from kit.commands import containment
from kit.runs.contained import Containment
from kit.runs.worker import Worker
from kit.storage import files
from kit.submission import sandbox
from kit.submission.entry import Entry
from kit.submission.source import Source
from kit.types import Challenge, InputError

# It adds 100 to the weights for each place that it can write to, and tidies up.
PLANTS = """
import numpy as np
from pathlib import Path

FOLDERS = {folders!r}

def unlearning(net, retain, forget, validation):
    written = 0
    for folder in FOLDERS:
        for name in ("kit-planted.pth", "kit-planted.json"):
            try:
                (Path(folder) / name).write_text("#")
                (Path(folder) / name).unlink()
                written += 1
            except OSError:
                pass
    net.set_weights([array + 100.0 * written for array in net.get_weights()])
    return net
"""


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


@pytest.fixture
def plants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that plants itself in the environment, the kit's cache, its results and its package."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    guests.fork_them(monkeypatch)
    folders = [sysconfig.get_path("purelib"), *site.getsitepackages()[:1], str(Path(kit.__file__).parent)]
    for folder in (tmp_path / "home" / "pretrained", tmp_path / "runs", tmp_path / "home" / "validated"):
        folder.mkdir(parents=True)
        folders.append(str(folder))
    (tmp_path / "mine.py").write_text(PLANTS.format(folders=folders))
    yield tmp_path / "mine.py"
    for folder in folders:
        for left in Path(folder).glob("kit-planted*"):
            left.unlink()


@pytest.mark.slow
def test_by_default_a_file_plants_nothing(plants: Path, worker: Worker) -> None:
    weights = kit.unlearn(plants, worker.challenge, worker=worker).net.get_weights()
    for mine, original in zip(weights, worker.original.weights, strict=True):
        np.testing.assert_array_equal(mine, original)


@pytest.mark.slow
def test_without_the_sandbox_it_plants_itself_everywhere(plants: Path, worker: Worker) -> None:
    """The control: what the test above shows, it shows because of the sandbox."""
    outputs = kit.run_population(
        plants, worker.challenge, num_models=1, worker=worker, containment=Containment(sandboxed=False)
    )
    original = kit.run_population("original", worker.challenge, num_models=1, worker=worker)
    assert not np.array_equal(outputs.logits["test"], original.logits["test"])


@pytest.mark.parametrize(
    ("asked_for", "problem", "sandboxed", "note"),
    [
        (None, "", True, ""),
        (None, "Install it with apt-get.", False, "Install it with apt-get."),
        (False, "", False, "--no-sandbox was given."),
        (True, "", True, ""),
    ],
)
def test_who_gives_the_sandbox_up_is_told_in_a_line(
    asked_for: bool | None,
    problem: str,
    sandboxed: bool,
    note: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: problem)
    assert containment.decide_sandbox(asked_for, has_files=True) is sandboxed
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == (
        f"Note: Files run without the sandbox, with all of your rights on this machine and its network. {note}"
        if note
        else ""
    )


def test_without_files_nothing_is_asked_or_told(monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "It is Tuesday.")
    assert containment.decide_sandbox(None, has_files=False) is False
    assert containment.decide_sandbox(False, has_files=False) is False
    with pytest.raises(InputError):
        containment.decide_sandbox(True, has_files=False)


@pytest.mark.parametrize(("problem", "level"), [("", "sandboxed"), ("It is Tuesday.", "contained")])
def test_reports_say_what_separated_a_method_from_the_scorer(
    problem: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: problem)
    file = Entry("mine", source=Source("mine", "mine.py", {"mine.py": b""}))
    assert Containment().level(file) == level
    assert Containment(sandboxed=False).level(file) == "contained"
    assert Containment(sandboxed=True).level(Entry("finetune")) == "in-process"


def test_data_sets_are_out_of_sight_in_every_environment_that_is_in_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = ["lib/python3.11/site-packages", "lib/python3/dist-packages", "envs/a/lib/python3.12/site-packages",
                    "pkgs/scikit-learn-1/lib/python3.12/site-packages"]  # fmt: skip
    expected = set()
    for environment in environments:
        for name in ("data", "descr"):
            folder = tmp_path / environment / "sklearn" / "datasets" / name
            folder.mkdir(parents=True)
            expected.add(folder)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "kit"))
    (tmp_path / "kit").mkdir()
    expected |= {tmp_path / "keras" / "datasets", files.cache_folder()}
    assert set(sandbox.masked([tmp_path])) == expected
    assert sandbox.masked([tmp_path / "elsewhere"]) == []


def test_what_lies_in_an_environment_that_is_a_link_is_out_of_sight_under_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Path("lib/python3.11/site-packages/sklearn/datasets/data")
    (tmp_path / "real" / inner).mkdir(parents=True)
    (tmp_path / "real" / "kit").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "real" / "kit"))
    assert sandbox.masked([tmp_path / "link"]) == [tmp_path / "link" / "kit", tmp_path / "link" / inner]


LOOKS = """
import os
import numpy as np

def unlearning(net, retain, forget, validation):
    shift = 100.0 * os.path.exists({path!r})
    try:
        open({path!r} + "-planted", "w")
        shift += 1000.0
    except OSError:
        pass
    net.set_weights([array + shift for array in net.get_weights()])
    return net
"""


@pytest.mark.slow
def test_a_home_in_the_environment_is_neither_seen_nor_written_to(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(sys.prefix) / f"kit-home-{os.getpid()}"
    monkeypatch.setenv("KIT_HOME", str(home))
    guests.fork_them(monkeypatch)
    try:
        (home / "keys").mkdir(parents=True)
        secret = home / "keys" / "secret"
        secret.write_text("")
        (tmp_path / "mine.py").write_text(LOOKS.format(path=str(secret)))
        weights = kit.unlearn(tmp_path / "mine.py", worker.challenge, worker=worker).net.get_weights()
        left = sorted(path.name for path in secret.parent.iterdir() if "planted" in path.name)
    finally:
        shutil.rmtree(home)
    assert left == []
    for mine, original in zip(weights, worker.original.weights, strict=True):
        np.testing.assert_array_equal(mine, original)


@pytest.mark.parametrize("variable", ["KIT_HOME", "SCIKIT_LEARN_DATA"])
def test_a_folder_that_holds_the_environment_cannot_be_hidden_which_is_said(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (sys.prefix, os.path.dirname(os.__file__)):
        monkeypatch.setenv(variable, folder)
        assert f"'{Path(folder).resolve()}' must be hidden from submissions" in sandbox.sandbox_problem()
    monkeypatch.delenv(variable)
    assert sandbox.sandbox_problem() == ""
