"""Contained runs: what a process is handed, what comes back, what is left when it ends, however it ends."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import guests
import numpy as np
import processes
import psutil
import pytest
from retrainings import taking

import kit
from kit.runs import timing
from kit.runs.worker import Worker
from kit.submission import diagnosis, handover, sandbox
from kit.submission import source as submission
from kit.submission.answers import Returned
from kit.submission.contained import Contained, Limits
from kit.submission.entry import Entry, resolve
from kit.submission.source import Source
from kit.types import BrokenSubmission, Challenge, Cost, InputError

TEMPLATE = Path(kit.__file__).parent / "submission" / "template.py"
SOUND = """
import numpy as np

def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net
"""
CARRIES = """
import numpy as np

CALLS = []

def unlearning(net, retain, forget, validation):
    CALLS.append(1)
    net.set_weights([array + np.random.normal(0, 0.01 * len(CALLS), array.shape) for array in net.get_weights()])
    return net
"""


@pytest.fixture(scope="module", autouse=True)
def quick_reference() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))
        yield


@pytest.fixture(scope="module")
def worker(small_challenge: Challenge) -> Worker:
    return Worker(small_challenge)


def contained_run(worker: Worker, folder: Path, text: str, *, seconds: float = 60, **options: Any) -> Contained:
    (folder / "mine.py").write_text(text)
    source = submission.read_source(folder / "mine.py")
    return Contained(source, worker.inputs(Entry("mine")), Limits(seconds=seconds), **options)


@pytest.fixture
def start(worker: Worker, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Contained]:
    """Begins a contained run whose processes are forked."""
    guests.fork_them(monkeypatch)
    return functools.partial(contained_run, worker, tmp_path)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the contained runs of one test have their folders, by which their processes are told from others."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def nothing_is_left(folder: Path, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while guests.still_running(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not guests.still_running(folder)


# From its start to its end


# A submission that looks around before it does what the one before it in the same file does.
LOOK = f"""
import importlib, json, os, pkgutil, sys
from importlib.machinery import PathFinder
import numpy as np
import kit

class Finder:  # of an editable installation: it leads to the checkout
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{str(Path(kit.__file__).parent)!r}]) if name.startswith("kit.") else None

sys.meta_path.append(Finder)
"""
LOOK += """
def importable(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print("REFUSED", error)
        return False
    return True

def has(name):
    try:
        getattr(kit, name)
    except ModuleNotFoundError:
        return False
    return True

def look():
    folder = sys.argv[1]
    paths = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names]
    files = sorted(os.path.relpath(path, folder) for path in paths)
    arrays = {name: list(array.shape) for name, array in np.load(folder + "/given/inputs.npz").items()}
    settings = json.load(open(folder + "/given/settings.json"))
    print("SEEN", json.dumps([sorted(os.environ), sys.argv[2:], files, arrays, settings, os.listdir(".")]))

    rooms = ["challenges", "commands", "contest", "datasets", "engines", "evaluation", "methods", "probes", "reports",
             "runs", "scorers", "submission.contained", "submission.source", "challenges.catalogue"]
    found = [name for name in rooms if importable("kit." + name)]
    found += [name for name in ("load_challenge", "evaluate", "scorers") if has(name)]
    parts = ["kit." + room for room in ("toolbox", "types")]
    for part in list(parts):
        walked = pkgutil.walk_packages(importlib.import_module(part).__path__, part + ".")
        parts += [module.name for module in walked]
    print("IMPORTED", json.dumps([found, parts, [name for name in parts if not importable(name)]]))

learn = unlearning

def unlearning(net, retain, forget, validation):
    look()
    return learn(net, retain, forget, validation)
"""


@dataclass
class Life:
    """What was seen of contained runs that an interpreter was started for, from the start to the end."""

    process: Contained
    folder: Path
    returned: dict[int, Returned]
    files_meanwhile: list[Path]
    processes_meanwhile: list[psutil.Process]


@pytest.fixture(scope="module")
def life(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("temporary")
    left = folder / "kit-contained-killed"  # by a process that was killed an hour ago
    left.mkdir()
    os.utime(left, (time.time() - 3600,) * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("KIT_PLANTED_SECRET", "do not tell")
        with contained_run(worker, tmp_path_factory.mktemp("template"), TEMPLATE.read_text() + LOOK) as process:
            returned = {seed: process.run(seed) for seed in (3, 2**31 + 7)}
            meanwhile = list(folder.iterdir()), guests.still_running(folder)
    return Life(process, folder, returned, *meanwhile)


@pytest.mark.slow
def test_a_contained_run_has_the_bits_of_one_in_this_process(life: Life, worker: Worker) -> None:
    function = kit.load_method(TEMPLATE)
    for seed, there in life.returned.items():
        here = kit.unlearn(function, worker.challenge, seed=seed, worker=worker).net.get_weights()
        assert there.cost.seconds > 0
        # Both are measured, one inside and one outside, from where what the rehearsal took is taken out.
        assert 0 < there.cost.tracing < 2 * there.cost.cpu_seconds
        assert there.cost.operations > 100
        for mine, theirs in zip(here, there.weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)


ON_JAX = """
import keras
import tensorflow as tf

def unlearning(net, retain, forget, validation):
    assert keras.backend.backend() == "jax"
    assert type(net.trainable_variables[0].value).__module__.startswith("jax")
    assert all(isinstance(data, tf.data.Dataset) for data in (retain, forget, validation))
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net.fit(retain, validation_data=validation, epochs=1, shuffle=False, verbose=0)
    return net
"""


@pytest.mark.slow
def test_beside_jax_a_file_is_handed_a_model_of_it_and_tf_data(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "backend", lambda: "jax")
    with contained_run(worker, tmp_path, ON_JAX) as process:
        first, again, other = (process.run(seed) for seed in (1, 1, 2))
    trained = [np.concatenate([array.ravel() for array in run.weights]) for run in (first, again, other)]
    original = np.concatenate([array.ravel() for array in worker.original.weights])
    np.testing.assert_array_equal(trained[0], trained[1])
    assert (trained[0] != trained[2]).any()
    assert 0 < np.abs(trained[0] - original).max() < 1
    assert not sum(run.reply["altered"] or len(run.reply["threads"]) for run in (first, again, other))


@pytest.mark.slow
def test_a_closed_process_leaves_nothing(life: Life) -> None:
    assert len(life.files_meanwhile) == 1
    assert life.processes_meanwhile
    assert not list(life.folder.iterdir())
    assert life.process.outcome["exit_code"] == 0
    assert life.process.outcome["peak_memory"] > 50e6
    assert life.process.outcome["outlived"] == 0
    assert nothing_is_left(life.folder)


@pytest.mark.slow
def test_a_forked_process_makes_the_same_bits(life: Life, start: Callable[..., Contained], folder: Path) -> None:
    """Which most of these tests begin, because one that is not takes five seconds."""
    with start(TEMPLATE.read_text()) as process:
        there = process.run(3)
        assert guests.still_running(folder)
    for mine, theirs in zip(life.returned[3].weights, there.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert process.outcome["exit_code"] == 0
    assert nothing_is_left(folder)


# What it is handed


@pytest.fixture(scope="module")
def sights(life: Life) -> str:
    """What a submission that looks around prints, in a process that an interpreter was started for."""
    return life.process.output


@pytest.mark.slow
def test_a_process_is_handed_the_three_sets_and_nothing_else(sights: str, small_challenge: Challenge) -> None:
    seen = json.loads(sights.split("SEEN ")[1].splitlines()[0])
    variables, arguments, names, arrays, settings, working_directory = seen
    assert not [name for name in variables if "SECRET" in name]
    assert {"KIT_HOME", "KERAS_HOME", "HOME"} <= set(variables)
    assert arguments == []
    assert working_directory == []
    assert [name for name in names if not name.startswith(("given/kit/", "home/"))] == [
        "given/inputs.npz",
        "given/settings.json",
        "given/submission/mine.py",
    ]
    copied = {name for name in names if name.startswith("given/kit/")}
    bytecode = {name for name in copied if "/__pycache__/" in name}
    assert all(name.endswith(".py") for name in copied - bytecode)
    assert {importlib.util.source_from_cache(name) for name in bytecode} <= copied
    split = small_challenge.split
    shapes = {"retain": len(split.retain), "forget": len(split.forget), "validation": len(small_challenge.validation)}
    expected = {
        f"{part}_{axis}": [size, *([6] if axis == "x" else [])] for part, size in shapes.items() for axis in "xy"
    }
    assert {name: shape for name, shape in arrays.items() if not name.isdecimal()} == expected
    assert not {"split", "seed", "indices", "test"} & set(settings)


@pytest.mark.slow
def test_of_the_kit_it_can_import_the_toolbox_and_the_types_and_nothing_that_leads_to_data(sights: str) -> None:
    modules, parts, missing = json.loads(sights.split("IMPORTED ")[1].splitlines()[0])
    assert modules == []
    assert {"kit.toolbox.training", "kit.toolbox._tensorflow.steps", "kit.types.problem"} <= set(parts)
    assert missing == []
    assert "There is no 'kit.datasets' beside a submission. Expected kit.toolbox or kit.types," in sights


def test_a_built_in_method_has_the_helpers_that_lie_beside_it(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    guests.fork_them(monkeypatch)
    source = resolve("sisa").as_source()
    assert source.modules == ("kit.methods.sisa", "kit.methods._sharding")
    process = Contained(source, worker.inputs(Entry("mine")), Limits(seconds=60))
    with pytest.raises(BrokenSubmission, match="'folder'"), process:  # which a population hands over
        process.run(0)
    assert process.imported is not None


def test_a_function_of_the_kit_runs_contained(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    guests.fork_them(monkeypatch)
    function = functools.partial(kit.methods.get("finetune"), epochs=1)
    with Contained(resolve(function).as_source(), worker.inputs(Entry("mine")), Limits(seconds=60)) as process:
        there = process.run(3).weights
    here = kit.unlearn(function, worker.challenge, seed=3, worker=worker).net.get_weights()
    for mine, theirs in zip(here, there, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_its_files_hold_no_test_example_and_no_index(worker: Worker, small_challenge: Challenge) -> None:
    arrays = worker.inputs(Entry("mine")).arrays
    assert set(arrays) == {f"{part}_{axis}" for part in ("retain", "forget", "validation") for axis in "xy"}
    handed = {row.tobytes() for name in arrays if name.endswith("_x") for row in arrays[name]}
    assert not handed & {row.tobytes() for row in small_challenge.test.x}
    np.testing.assert_array_equal(arrays["forget_y"], small_challenge.labels("forget"))


def test_the_clock_runs_from_the_import_to_the_end_but_for_what_handing_over_takes(
    start: Callable[..., Contained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process says of when its call begins and ends moves nothing."""
    slow = SOUND.replace("    return net", "    time.sleep(0.2)\n    return net")
    slow = "import time\ntime.sleep(0.3)\n" + slow
    times, wait = {}, Contained._wait

    def note(process: Contained, kind: str, *arguments: Any) -> tuple[float, dict[str, Any]]:
        answer = wait(process, kind, *arguments)
        times[kind] = answer[0]
        return answer

    monkeypatch.setattr(Contained, "_wait", note)
    with start(slow) as process:
        process._handing_over = Cost(0.125, cpu_seconds=0.0)
        seconds = process.run(0).cost.seconds
    assert seconds == pytest.approx(times["ended"] - times["importing"] - 0.125, abs=1e-9)
    assert seconds > 0.5 - 0.125


# How it ends


def test_an_error_of_the_caller_ends_the_process(start: Callable[..., Contained], folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), start(SOUND):
        raise KeyboardInterrupt
    assert nothing_is_left(folder)


@pytest.mark.slow
def test_a_call_that_never_ends_is_ended_with_all_that_it_started(
    start: Callable[..., Contained], folder: Path
) -> None:
    endless = """
import signal, subprocess

def unlearning(net, retain, forget, validation):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sh", "-c", "trap '' TERM; setsid sleep 900 & sleep 900"], start_new_session=True)
    while True:
        pass
"""
    begin = time.monotonic()
    with pytest.raises(BrokenSubmission, match="took more than 2 s") as caught, start(endless, seconds=2) as process:
        process.run(0)
    assert caught.value.check == "time_budget"
    assert time.monotonic() - begin < 300  # and not the 900 s of what it started
    assert nothing_is_left(folder)


def test_whoever_kills_the_supervisor_ends_too(start: Callable[..., Contained], folder: Path) -> None:
    kills = """
import os, signal, subprocess

def unlearning(net, retain, forget, validation):
    subprocess.Popen(["sleep", "60"], start_new_session=True)
    os.kill(os.getppid(), signal.SIGKILL)
    return net
"""
    with pytest.raises(BrokenSubmission) as caught, start(kills) as process:
        process.run(0)
    assert caught.value.check == "runs"
    assert nothing_is_left(folder)


DRIVER = """
import sys
import numpy as np
import kit
from kit.runs.worker import Worker
from kit.submission.answers import Returned
from kit.submission.contained import Contained, Limits
from kit.submission.entry import resolve

challenge = kit.make_challenge("small", kit.Arrays(np.eye(60, dtype=np.float32), np.arange(60) % 3))
worker, entry = Worker(challenge), resolve(sys.argv[1])
with Contained(entry.source, worker.inputs(entry), Limits(100)) as process:
    print("STARTED", flush=True)
    process.run(0)
"""


@pytest.mark.slow
def test_when_the_kit_is_killed_the_submission_ends(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "endless.py").write_text("def unlearning(net, retain, forget, validation):\n    while True: pass\n")
    (tmp_path / "driver.py").write_text(DRIVER)
    driver = processes.Forked(tmp_path / "driver.py", [tmp_path / "endless.py"], tmp_path, os.environ)
    deadline = time.monotonic() + 120
    while "STARTED" not in driver.output("stdout"):
        assert time.monotonic() < deadline, driver.output("stderr")
        time.sleep(0.05)
    assert guests.still_running(folder)
    driver.send_signal(signal.SIGKILL)
    driver.finish()
    assert nothing_is_left(folder)


@pytest.mark.parametrize(
    ("text_of_process", "text"),
    [("plain", "plain"), ("\x1b[31mred\x1b[0m\nnext", "?[31mred?[0m?next"), (12, "12"), ("long" * 100, "longlonglo")],
)
def test_what_a_process_says_is_safe_to_print(text_of_process: object, text: str) -> None:
    assert diagnosis.printable(text_of_process, 10 if text_of_process == "long" * 100 else 100) == text


def test_the_output_is_kept_at_both_ends_and_counted(start: Callable[..., Contained]) -> None:
    floods = SOUND.replace("    return net", "    print('BEGIN'); print('x' * 3_000_000); print('END')\n    return net")
    with start(floods) as process:
        process.run(0)
    assert process.output_bytes >= 3_000_000
    assert len(process.output) < 200_000
    assert "BEGIN" in process.output
    assert "END" in process.output
    assert "bytes left out" in process.output


BREAKS = """
import sys
print("Traceback (most recent call last):", file=sys.stderr)
print("\\x1b[31mImportError:\\x1b[0m libm.so.6\\x07 " + "x" * 5000, file=sys.stderr)
sys.exit(3)
"""


@pytest.mark.parametrize(
    ("variables", "program", "words"),
    [
        ({"PYTHONHASHSEED": "broken"}, None, ["Fatal Python error", "PYTHONHASHSEED"]),
        (
            {},
            BREAKS,
            ["(exit code 3)", "last: 'Traceback (most recent call last): | ImportError: libm.so.6 xxx", "xxx...'"],
        ),
        ({}, "raise MemoryError", ["(exit code 1)", "MemoryError"]),
    ],
    ids=["interpreter", "library", "memory"],
)
def test_a_process_that_dies_while_it_starts_has_its_last_words_heard(
    variables: dict[str, str],
    program: str | None,
    words: list[str],
    worker: Worker,
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real processes, which end before they import a library."""
    environment, write = handover.environment, handover.write

    def broken(given: Path, source: Source, inputs: handover.Inputs) -> None:
        write(given, source, inputs)
        if program is not None:
            (given / "given" / "kit" / "submission" / "inside.py").write_text(program)

    monkeypatch.setattr(handover, "write", broken)
    monkeypatch.setattr(handover, "environment", lambda given: environment(given) | variables)
    with (
        pytest.raises(BrokenSubmission, match="ended while it started") as caught,
        contained_run(worker, tmp_path, SOUND),
    ):
        pass
    message = str(caught.value)
    assert caught.value.check == "runs"
    assert [word for word in words if word not in message] == []
    assert message.isprintable()
    assert len(message) < 1200
    assert nothing_is_left(folder)


def test_a_limit_that_the_libraries_exceed_is_told_from_a_greedy_method(
    worker: Worker, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests.fork_them(monkeypatch, rehearsed=True)
    (tmp_path / "mine.py").write_text(SOUND)
    limits = Limits(memory_bytes=2**20)
    contained = Contained(submission.read_source(tmp_path / "mine.py"), worker.inputs(Entry("mine")), limits)
    with pytest.raises(BrokenSubmission, match=r"while it started, before it came to the file\. .*--memory-limit"):
        contained.__enter__()
    assert nothing_is_left(folder)


def test_who_waits_for_a_process_is_told_for_what() -> None:
    starting = diagnosis.too_slow("mine", "starting", 120.0, "still importing\n")
    assert (starting.check, "not ready after 120 s" in str(starting)) == ("runs", True)
    assert str(starting).endswith("It printed last: 'still importing'.")
    assert [diagnosis.too_slow("mine", stage, 60.0, "").check for stage in ("importing", "calling", "returning")] == [
        "imports",
        "time_budget",
        "time_budget",
    ]


# Populations of a file


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    guests.fork_them(monkeypatch)
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    begun: list[str] = []
    enter = Contained.__enter__

    def count(process: Contained) -> Contained:
        begun.append(process.source.name)
        return enter(process)

    monkeypatch.setattr(Contained, "__enter__", count)
    return begun


@pytest.mark.slow
def test_a_run_of_a_population_is_a_run_on_its_own(
    starts: list[str], small_challenge: Challenge, tmp_path: Path
) -> None:
    """The submission would carry state from run to run, were its processes not fresh."""
    path = tmp_path / "mine.py"
    path.write_text(CARRIES)
    together = kit.run_population(path, small_challenge, num_models=3)
    assert len(starts) == 1
    alone = [kit.unlearn(path, small_challenge, seed=int(seed)).net.get_weights() for seed in together.seeds[1:]]
    worker = Worker(small_challenge)
    for number, weights in enumerate(alone, start=1):
        np.testing.assert_array_equal(worker.outputs(weights, "mine").logits["test"], together.logits["test"][number])


@pytest.mark.slow
def test_finished_runs_of_a_file_are_found_again_until_it_changes(
    starts: list[str], small_challenge: Challenge, tmp_path: Path
) -> None:
    path, root = tmp_path / "mine.py", tmp_path / "runs"
    (tmp_path / "helper.py").write_text("SCALE = 0.01\n")
    path.write_text("from helper import SCALE\n" + SOUND.replace("0.01", "SCALE"))
    first = kit.run_population(path, small_challenge, num_models=1, root=root)
    again = kit.run_population(path, small_challenge, num_models=1, root=root)
    assert len(starts) == 1
    np.testing.assert_array_equal(first.logits["test"], again.logits["test"])
    (tmp_path / "helper.py").write_text("SCALE = 0.02\n")
    other = kit.run_population(path, small_challenge, num_models=1, root=root)
    assert len(starts) == 2
    assert not np.array_equal(first.logits["test"], other.logits["test"])


@pytest.mark.slow
def test_one_broken_file_does_not_lose_the_others(
    small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests.fork_them(monkeypatch)
    (tmp_path / "sound.py").write_text(SOUND)
    (tmp_path / "broken.py").write_text(SOUND.replace("return net", "raise RuntimeError('out of luck')"))
    (tmp_path / "nameless.py").write_text("def forget(): pass\n")
    paths = [tmp_path / name for name in ("broken.py", "sound.py", "nameless.py")]
    result = kit.evaluate_all(paths, small_challenge, num_retrained=3)
    assert [report.method for report in result.reports] == ["original", "sound", "retrain"]
    assert set(result.failures) == {"broken", "nameless"}
    assert {name: failure.check for name, failure in result.failures.items()} == {  # type: ignore[attr-defined]
        "broken": "runs",
        "nameless": "defines_unlearning",
    }
    assert "out of luck" in str(result.failures["broken"])
    with pytest.raises(BrokenSubmission, match="out of luck"):
        kit.evaluate_all(paths[:1], small_challenge)


# The sandbox where there is none


def test_without_bubblewrap_the_sandbox_is_refused(
    start: Callable[..., Contained], monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.setenv("PATH", "")
    refused(sandbox.require_sandbox, "--sandbox is not possible", "apt-get install bubblewrap")
    with pytest.raises(InputError), start(SOUND, sandboxed=True):
        pass


def test_where_the_kernel_forbids_it_the_sandbox_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    refused(sandbox.require_sandbox, "No permissions to create new namespace", "sysctl")
