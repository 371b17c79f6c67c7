"""The number of threads: one unless somebody asks for more, the same in all processes, and part of what is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import processes
import pytest
from cli_helpers import Result, one_paragraph

import kit
from kit import engines
from kit.engines import worker
from kit.machine import environment, threads
from kit.runs.store import population_folder
from kit.submission.entry import Entry
from kit.toolbox import setup

VARIABLES = (threads.VARIABLE, "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sets by the way is put back."""
    for name in VARIABLES:
        if name in os.environ:
            monkeypatch.setenv(name, os.environ[name])
        else:
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)


def surroundings(**variables: str) -> dict[str, str]:
    """No number of threads but these variables', and no log of TensorFlow."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return inherited | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables


def run_python(*arguments: str | Path, folder: Path | None = None, **variables: str) -> Result:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=surroundings(**variables),
    )
    return Result(done.returncode, done.stdout, done.stderr)


def run_script(text: str, folder: Path, **variables: str) -> Result:
    """Runs a script where TensorFlow is imported already."""
    (folder / "script.py").write_text(text)
    done = processes.run(folder / "script.py", folder=folder, env=surroundings(**variables))
    return Result(done.returncode, done.stdout, done.stderr)


# The variable


def test_it_is_one_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    assert threads.number() == 1
    assert threads.variables() == {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    assert environment.machine()["threads"] == "1"


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("2", 2), ("16", 16)])
def test_it_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, text: str, number: int) -> None:
    monkeypatch.setenv(threads.VARIABLE, text)
    assert threads.number() == number
    assert threads.variables() == {"TF_NUM_INTRAOP_THREADS": text, "TF_NUM_INTEROP_THREADS": "1"}
    for name, value in threads.variables().items():  # as at the import of the kit
        monkeypatch.setenv(name, value)
    assert environment.machine()["threads"] == text


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", " 2", "2 "])
def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, refused: Callable[..., str]) -> None:
    monkeypatch.setenv(threads.VARIABLE, text)
    refused(threads.number, f"KIT_THREADS is '{text}'", "leave it out for 1")
    threads.ask_tensorflow()  # at the import of the kit, where nothing is lost yet


def test_another_number_makes_other_populations(
    small_challenge: kit.Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = kit.runs.originals.load(small_challenge)
    folders = set()
    for number in ("1", "2"):
        monkeypatch.setenv(threads.VARIABLE, number)
        folders.add(population_folder(tmp_path, Entry("retrain"), small_challenge, original))
    assert len(folders) == 2


# A process with two threads

TRAINS = """
import hashlib, json
import numpy as np
from kit.machine import quiet
quiet.ask_for_quiet(False)
quiet.load_tensorflow()
import tensorflow as tf
from kit import models
from kit.machine import environment
from kit.toolbox import seeding, training
from kit.toolbox import setup
from kit.types import Recipe

setup.prepare()
images, labels = np.random.default_rng(0).random((256, 16, 16, 3), np.float32), np.arange(256) % 10

def digest():
    seeding.set_random_seed(0)
    data = tf.data.Dataset.from_tensor_slices((images, labels.astype(np.int32))).batch(64)
    net = training.fit(models.convnet((16, 16, 3), 10), data, Recipe(epochs=1), seed=0)
    return hashlib.sha256(b"".join(array.tobytes() for array in net.get_weights())).hexdigest()

between, within = (getattr(tf.config.threading, f"get_{one}_op_parallelism_threads")() for one in ("inter", "intra"))
print(json.dumps([within, between, environment.machine()["threads"], digest(), digest()]))
"""


@pytest.mark.slow
def test_two_threads_are_used_and_recorded_and_make_the_same_bits_each_time() -> None:
    printed = run_python("-c", TRAINS, KIT_THREADS="2")
    assert printed.code == 0, printed.err
    within, between, recorded, first, second = json.loads(printed.out.splitlines()[-1])
    assert (within, between, recorded) == (2, 1, "2")
    assert first == second


COMPUTES_AND_CHANGES = """
import kit, os
from kit.toolbox import setup
setup.prepare()
import tensorflow
tensorflow.ones(2) + 1
os.environ["KIT_THREADS"] = "2"
import warnings
with warnings.catch_warnings(record=True) as caught:  # of its own: a process that was forked from a test has the test's
    warnings.simplefilter("always")
    setup.prepare()
print(*(warning.message for warning in caught))
"""


@pytest.mark.slow
def test_once_tensorflow_computes_the_number_stays(tmp_path: Path) -> None:
    result = run_script(COMPUTES_AND_CHANGES, tmp_path)
    assert result.code == 0, result.err
    assert "TensorFlow computed something with another number of threads" in result.out


def test_what_the_kit_has_not_set_is_recorded_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in threads.variables().items():
        monkeypatch.setenv(name, value)
    assert (threads.are_set(), environment.machine()["threads"]) == (True, str(threads.number()))
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    assert (threads.are_set(), environment.machine()["threads"]) == (False, "not set by the kit")


IMPORTED_LATE = """
import tensorflow
import kit
from kit.toolbox import setup
setup.prepare()
print(tensorflow.config.threading.get_intra_op_parallelism_threads())
"""


@pytest.mark.slow
def test_a_tensorflow_that_is_imported_before_the_kit_is_told(tmp_path: Path) -> None:
    printed = run_script(IMPORTED_LATE, tmp_path, KIT_THREADS="2")
    assert (printed.code, printed.out.split()) == (0, ["2"]), printed.err


# A variable that makes no sense


def test_importing_and_listing_do_not_mind() -> None:
    for arguments in (["-c", "import kit"], ["-m", "kit", "list", "challenges"], ["-m", "kit", "--help"]):
        result = run_python(*arguments, KIT_THREADS="two")
        assert (result.code, result.err) == (0, ""), arguments


def test_a_run_is_refused_in_one_paragraph_and_writes_nothing(tmp_path: Path) -> None:
    error = one_paragraph(run_python("-m", "kit", "run", folder=tmp_path, KIT_THREADS="two"))
    assert "KIT_THREADS is 'two'" in error
    assert list(tmp_path.rglob("*.json")) == []


def test_as_an_option_it_has_to_be_a_number_too(tmp_path: Path) -> None:
    for number in ("0", "two"):
        result = run_python("-m", "kit", "run", "--threads", number, folder=tmp_path)
        assert result.code == 2
        assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


# Other processes


def threads_of_tensorflow(payload: None, task: int) -> list[str | int | None]:
    import tensorflow as tf

    setup.prepare()
    return [tf.config.threading.get_intra_op_parallelism_threads(), *(os.environ.get(name) for name in VARIABLES)]


def test_worker_processes_have_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    processes.fork_workers(monkeypatch)
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert worker.worker_variables()[threads.VARIABLE] == "3"  # on other machines, which do not inherit it
    with engines.start("processes", workers=1) as engine:
        ((_, settings),) = engine.map(threads_of_tensorflow, None, [0])
    assert settings == [3, "3", "3", "1"]


TELLS = """
import os
import tensorflow as tf

def unlearning(net, retain, forget, validation):
    number = tf.config.threading.get_intra_op_parallelism_threads()
    raise RuntimeError(f"{number} threads, {os.environ.get('KIT_THREADS')} asked for")
"""


@pytest.mark.slow
def test_the_option_reaches_contained_processes_and_the_report(tmp_path: Path) -> None:
    (tmp_path / "tells.py").write_text(TELLS)
    labels = np.arange(240) % 3
    np.savez(tmp_path / "small.npz", x=np.random.default_rng(0).normal(size=(240, 6)), y=labels)
    (tmp_path / "short.toml").write_text("epochs = 1\n")
    options = ["--threads", "2", "--challenge", "small.npz", "--recipe", "short.toml", "--json", "out.json"]
    done = processes.run("kit", "run", "tells.py", "original", *options, folder=tmp_path, env=surroundings())
    assert done.returncode == 1, done.stderr  # of the method that only tells
    content = json.loads((tmp_path / "out.json").read_text())
    assert [report["machine"]["threads"] for report in content["reports"]] == ["2", "2"]
    (failure,) = content["failures"]
    assert "2 threads, 2 asked for" in failure["reason"]
