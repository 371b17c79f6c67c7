"""The command line as a newcomer meets it: what it prints, what it writes, and what it says when something is wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import guests
import numpy as np
import pytest
from cli_helpers import Result, call, environment, one_paragraph

import kit
from kit import challenges, evaluation, methods, scorers
from kit.challenges.partition import stratified_partition
from kit.evaluation import plan
from kit.evaluation.plan import Plan
from kit.reports import page
from kit.runs import originals
from kit.storage import files, folders, seals
from kit.submission import contained
from kit.submission.entry import Entry
from kit.tasks import CLASSIFICATION
from kit.types import Arrays, Recipe

# Keras 3 reads its own learning rate in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.usefixtures("shared_workers"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

NUMBER = re.compile(r"[+-]?\d\.\d{3}|-")
GOOD_METHOD = "def unlearning(net, retain, forget, validation):\n    return net\n"


def start(*arguments: str | Path, folder: Path, **changes: str) -> Result:
    """Runs `python -m kit ARGUMENTS` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "kit", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env=environment(PYTHONIOENCODING="utf-8", **changes),
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def contents(*folders: Path) -> dict[str, tuple[int, str]]:
    """Every file and folder below `folders`, with the time and the digest of the files."""
    listing = {}
    for folder in folders:
        for path in folder.rglob("*"):
            whole = path.is_file()
            listing[str(path)] = (path.stat().st_mtime_ns, files.sha256_of(path)) if whole else (0, "")
    return listing


def usage_error(result: Result) -> str:
    """Checks an error in the words of typer, which differ from version to version."""
    assert result.code == 2
    assert result.out == ""
    assert "Error: " in result.err
    assert "Traceback" not in result.err
    return " ".join(result.err.split())


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def table(text: str) -> dict[str, list[str]]:
    """Name -> cells of each row of the table (not of the lines of standard errors)."""
    lines = [[word for word in line.split() if not word.startswith("±")] for line in text.splitlines()]
    return {words[0]: words[1:] for words in lines if len(words) > 4 and all(map(NUMBER.fullmatch, words[1:]))} | {
        words[0]: words[1:] for words in lines if words and words[0] == "target"
    }


# Surroundings


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


def small_arrays() -> Arrays:
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    features = generator.normal(size=(240, 6)) + labels[:, np.newaxis]
    people = np.array([f"person {number // 8}" for number in range(240)])
    return Arrays(features, labels, groups=people, mislabelled=np.arange(240) % 5 == 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare_with_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes runs compare with three retrained models rather than six."""
    monkeypatch.setattr(plan, "MIN_OTHERS", 2)


def add_tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Adds a challenge whose models train in two epochs, with too few examples for the attack."""
    compare_with_three(monkeypatch)
    preset = challenges.Preset("for tests", small_arrays, "mlp", Recipe(epochs=2), 64)
    monkeypatch.setitem(challenges.CHALLENGES, "tiny", preset)
    return "tiny"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a challenge that is added for the duration of a test."""
    return add_tiny(monkeypatch)


def training_rows(tiny: str) -> np.ndarray:
    """Where in the data the training examples stand."""
    return np.flatnonzero(stratified_partition(challenges.CHALLENGES[tiny].load(), CLASSIFICATION) == 0)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contained processes are forked."""
    guests.fork_them(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder in which `kit run` has finished, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.chdir(folder):
        monkeypatch.delenv("COLUMNS", raising=False)
        arguments = ["--challenge", add_tiny(monkeypatch), "--json", "-", "--out", "out"]
        return folder, call("run", "retrain", "original", *arguments)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command line asks of `carry_out`, which does nothing but note it and fail."""
    noted: list[dict[str, Any]] = []

    def note(entries: list[Entry], challenge: kit.Challenge, plan: Plan, **settings: Any) -> None:
        asked = {"methods": [entry.name for entry in entries], "challenge": challenge}
        noted.append(asked | vars(plan.population) | vars(plan) | settings)
        raise kit.FailedRun("noted")

    monkeypatch.setattr(evaluation, "carry_out", note)
    return noted


@pytest.fixture
def write_npz(folder: Path) -> Callable[..., Path]:
    def write(name: str = "mine.npz", leave_out: str = "", **changes: Any) -> Path:
        arrays = small_arrays()
        columns = {"x": arrays.x, "y": arrays.y, "groups": arrays.groups, "mislabelled": arrays.mislabelled} | changes
        columns.pop(leave_out, None)
        np.savez(folder / name, **columns)
        return folder / name

    return write


@pytest.fixture
def unchanged(folder: Path, kit_home: Path) -> Callable[[], None]:
    """A function that checks that the working folder and the cache are as they were when it was called last."""
    before: list[dict[str, tuple[int, str]]] = []

    def check() -> None:
        now = contents(folder, kit_home)
        if before:
            assert now == before[-1]
        before.append(now)

    return check


# A real run: noisy-digits, in a process of its own, in an empty folder with an empty cache


@dataclass(frozen=True)
class RealRun:
    """Two runs of the same command, one after the other, and the memory that they take."""

    folder: Path
    first: Result
    second: Result
    peak_bytes: int
    files_after_first: dict[str, tuple[int, str]]

    @property
    def reports(self) -> dict[str, Any]:
        content = json.loads((self.folder / "result.json").read_text())
        return {report["method"]: report for report in content["reports"]}

    @property
    def results(self) -> list[Path]:
        """The folders of results, the first run's first."""
        return folders.below(self.folder / "out")


# A process forked off a large one reports the large one's memory: this small one stands between.
_MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
json.dump(peak * (1 if sys.platform == "darwin" else 1024), open(sys.argv[1], "w"))
sys.exit(code)
"""


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    folder = tmp_path_factory.mktemp("newcomer")
    measured = tmp_path_factory.mktemp("measured") / "cost.json"
    surroundings = environment(PYTHONIOENCODING="utf-8", KIT_HOME=str(tmp_path_factory.mktemp("new-home")))
    kit_run = [sys.executable, "-m", "kit", "run", "finetune", "--json", "result.json", "--out", "out"]
    command = [sys.executable, "-c", _MEASURE, str(measured), *kit_run] if os.name == "posix" else kit_run

    def run() -> Result:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", cwd=folder, env=surroundings, check=False, timeout=1200
        )
        return Result(done.returncode, done.stdout, done.stderr)

    first = run()
    peak_bytes = json.loads(measured.read_text()) if os.name == "posix" else 0
    after_first = contents(folder)
    return RealRun(folder, first, run(), peak_bytes, after_first)


@pytest.mark.slow
def test_a_real_run_makes_one_model_of_each_method_in_little_memory(real_run: RealRun) -> None:
    """The original is the shipped one. How long it takes, benchmarks/startup.py tells."""
    assert real_run.first.code == 0, real_run.first.err
    pieces = re.split(r"[\r\n]|\x1b\[A", real_run.first.err)
    announced = [piece.strip() for piece in pieces if piece.startswith("·")]
    assert announced[0].startswith("· timing a retrain in plain Keras")  # once and no further training
    assert announced[1:] == ["· original: 1 model", "· finetune: 1 model", "· retrain: 1 model", "· scoring"]
    assert real_run.peak_bytes < 1.5e9


# What the table of a single run has a column for.
OF_SINGLE_RUNS = {
    *("retain_accuracy", "forget_accuracy", "validation_accuracy", "test_accuracy"),
    *("mia_accuracy", "mia_auc", "mia_gap", "mia_tpr_at_1pct_fpr", "time_ratio"),
}


# What stands in a table of its own below that.
OF_OTHER_SCORES = {"retraining_distance", "passes_ratio", "time_ratio_compiled"}


@pytest.mark.slow
def test_a_real_run_shows_the_numbers_of_its_report(real_run: RealRun) -> None:
    rows, reports = table(real_run.first.out), real_run.reports
    assert list(rows) == ["original", "finetune", "retrain", "target"]
    assert list(reports) == ["original", "finetune", "retrain"]
    for name, report in reports.items():
        values = {score: fields["value"] for score, fields in report["scores"].items() if score in OF_SINGLE_RUNS}
        shown = [f"{value:+.3f}" if score == "mia_gap" else f"{value:.3f}" for score, value in values.items() if value]
        assert sorted(rows[name]) == sorted(shown)


@pytest.mark.slow
def test_a_real_run_ends_in_verdicts_and_explains_nothing_unasked(real_run: RealRun) -> None:
    text = unwrapped(real_run.first.out)
    assert not [info.name for info in scorers.infos() if f": {info.explanation}" in text]
    assert "target: the mean of 512 retrained models" in text
    gap = real_run.reports["original"]["scores"]["mia_gap"]
    measured = f"(AUC gap {gap['value']:+.3f} ± {gap['stderr']:.3f})"
    assert f"original trace left {measured}: there is something to unlearn" in text
    assert re.search(r"finetune (traces left|no trace found) \(AUC gap .*\); cost 0\.16 of retraining", text)
    results = real_run.results[0].relative_to(real_run.folder)
    assert f"What the columns mean: kit report {results} --explain, or the page." in text


@pytest.mark.slow
def test_a_real_run_is_explained_on_demand(real_run: RealRun) -> None:
    text = unwrapped(call("report", real_run.results[0], "--explain").out)
    for info in scorers.infos():
        assert (f": {info.explanation}" in text) == (info.name in OF_SINGLE_RUNS | OF_OTHER_SCORES), info.name
    assert "target: the mean of 512 retrained models" in text
    for name in ("original", "finetune"):
        gap = real_run.reports[name]["scores"]["mia_gap"]
        assert f"{name}: " in text
        assert f"{gap['value']:+.3f} ± {gap['stderr']:.3f}" in text
    assert "there is something to unlearn" in text
    assert "budget of 0.2" in text
    assert "…" not in text


@pytest.mark.slow
def test_a_real_run_keeps_errors_and_output_apart(real_run: RealRun) -> None:
    for result in (real_run.first, real_run.second):
        assert "·" not in result.out
        pieces = [piece.strip() for piece in re.split(r"[\r\n]|\x1b\[A", result.err) if piece.strip()]
        assert [piece for piece in pieces if not piece.startswith("· ")] == []  # no bars in a log, no line that wraps


@pytest.mark.parametrize("noise", ["tensorflow", "cuda", "oneDNN", "I0000", "E0000", "WARNING", "Warning", "Traceback"])
@pytest.mark.slow
def test_a_real_run_shows_no_log_of_tensorflow(real_run: RealRun, noise: str) -> None:
    assert noise not in real_run.first.err + real_run.first.out


@pytest.mark.slow
def test_a_real_run_announces_what_it_does(real_run: RealRun) -> None:
    for word in ("original", "finetune", "retrain", "scoring"):
        assert f"· {word}" in real_run.first.err


@pytest.mark.slow
def test_the_report_in_the_folder_is_that_of_json(real_run: RealRun) -> None:
    for results in real_run.results:
        assert (results / "report.json").read_bytes() == (real_run.folder / "result.json").read_bytes()


@pytest.mark.slow
def test_the_report_has_the_documented_form(real_run: RealRun) -> None:
    content = json.loads((real_run.folder / "result.json").read_text())
    assert set(content) == {"score_version", "reports", "failures", "sha256"}
    assert re.fullmatch(r"\d+\.\d+", content["score_version"])
    for report in content["reports"]:
        assert (report["challenge"], report["seed"], report["num_models"]) == ("noisy-digits", 0, 1)
        assert report["seconds"] >= 0
        assert {"kit", "python", "tensorflow", "keras", "numpy"} <= set(report["versions"])
        assert report["versions"]["kit"] == kit.__version__
        assert set(report["scores"]) == set(scorers.names())
        for fields in report["scores"].values():
            assert {"value", "stderr", "direction", "target"} <= set(fields)
            assert fields["direction"] in ("up", "down", "match_retrain")


@pytest.mark.slow
def test_the_split_is_recorded_and_is_that_of_the_report(real_run: RealRun) -> None:
    split = kit.load_split(real_run.results[0] / "split.npz")
    digest = hashlib.sha256()
    for indices in (split.forget, split.retain):
        digest.update(len(indices).to_bytes(8, "little") + indices.astype("<i8").tobytes())
    assert {report["split_sha256"] for report in real_run.reports.values()} == {digest.hexdigest()}
    assert split.sha256 == kit.load_challenge("noisy-digits").split.sha256


@pytest.mark.slow
def test_the_page_shows_the_run_and_is_named_last(real_run: RealRun) -> None:
    assert real_run.first.out.rstrip().splitlines()[-1] == str(
        real_run.results[0].relative_to(real_run.folder) / "report.html"
    )
    stored = page.read(real_run.results[0])
    assert [row.name for row in stored.evidence.rows] == list(real_run.reports)
    assert [len(stored.evidence.examples), stored.evidence.rows[1].num_models] == [10, 1]
    for row in stored.evidence.rows[
        :-1
    ]:  # the same attack, computed another way; of retrain's, the table shows one model
        assert row.curve.auc == pytest.approx(real_run.reports[row.name]["scores"]["mia_auc"]["value"], abs=0.01)
    assert (real_run.results[0] / "report.html").read_text(encoding="utf-8") == page.render(stored)


@pytest.mark.slow
def test_a_real_run_writes_what_it_says_and_nothing_else(real_run: RealRun) -> None:
    written = {
        Path(name).relative_to(real_run.folder) for name, (_, digest) in real_run.files_after_first.items() if digest
    }
    results, challenge = real_run.results[0].relative_to(real_run.folder), Path("out", "noisy-digits")
    assert re.fullmatch(r"\d{8}-\d{6}-finetune", results.name)
    names = ("report.json", "evidence.json", "split.npz")
    assert f"Written to {results}: {', '.join(names)}" in unwrapped(real_run.first.out)
    named = {Path("result.json"), challenge / "report.json"} | {
        folder / name for folder in (results, challenge / "latest") for name in (*names, "report.html")
    }
    assert {path for path in named if "latest" not in path.parts} <= written
    for path in written - named:
        if path.parts[2] == "scores":  # kept, so that stored runs are scored and shown again at once
            kept = re.compile(r"[0-9a-f]{24}\.json|pages/[0-9a-f]{24}/(record\.json|evidence\.json|report\.html)")
            assert kept.fullmatch(Path(*path.parts[3:]).as_posix())
        else:
            assert re.fullmatch(r"(original|finetune|retrain)-[0-9a-f]+", path.parts[2])
            assert path.name in ("done.json", "outputs.npz")


@pytest.mark.slow
def test_the_same_command_reuses_finished_runs_and_prints_the_same(real_run: RealRun) -> None:
    assert real_run.second.code == 0
    first, second = (str(results.relative_to(real_run.folder)) for results in real_run.results)
    assert real_run.second.out == real_run.first.out.replace(first, second)
    everything = contents(real_run.folder)
    after = {name: content for name, content in everything.items() if second not in name}
    assert set(after) == set(real_run.files_after_first)
    assert {Path(name).name for name in set(everything) - set(after)} == {
        *(Path(second).name, "report.json", "split.npz", "evidence.json", "report.html")
    }
    runs = [name for name in after if name.endswith(("done.json", "outputs.npz"))]
    assert len(runs) == 2 * (1 + 1 + 1)  # the reference comes with the kit; one retraining is timed
    assert {name: after[name] for name in runs} == {name: real_run.files_after_first[name] for name in runs}
    assert [digest for _, digest in after.values()] == [digest for _, digest in real_run.files_after_first.values()]


# Smaller runs, in this process


@pytest.mark.slow
def test_a_users_file_and_arrays_make_a_run(
    folder: Path, forked: None, write_npz: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way of a user with data and a method of their own, in folders with odd names."""
    compare_with_three(monkeypatch)
    (folder / "mé thods").mkdir()
    (folder / "mé thods" / "my_method.py").write_text(GOOD_METHOD)
    (folder / "kürz.toml").write_text("epochs = 2\n")
    arguments = ["mé thods/my_method.py", "--challenge", write_npz("my-data.v2.npz"), "--out", "new folder/ünd more"]
    result = call(
        "run", *arguments, "--recipe", "kürz.toml", "--forget", "stratified:0.25", "--json", "new/result.json"
    )
    assert result.code == 0, result.err
    assert list(table(result.out)) == ["original", "my_method", "retrain", "target"]
    (results,) = folders.below(folder / "new folder" / "ünd more" / "my-data.v2")
    assert {"report.json", "evidence.json", "report.html", "split.npz"} <= {path.name for path in results.iterdir()}
    content = json.loads((folder / "new" / "result.json").read_text())
    assert [report["method"] for report in content["reports"]] == ["original", "my_method", "retrain"]
    assert {report["challenge"] for report in content["reports"]} == {"my-data.v2"}
    assert {report["split"] for report in content["reports"]} == {"stratified:0.25"}


def test_seeds_reach_the_split_and_the_runs(folder: Path, tiny: str, asked_for: list[dict[str, Any]]) -> None:
    call("run", "--challenge", tiny, "--split-seed", "5", "--seed", "7", "--out", "some where")
    (asked,) = asked_for
    assert asked["seed"] == 7
    assert asked["root"] == Path("some where")
    assert asked["challenge"].split.seed == 5
    assert asked["challenge"].split.sha256 == kit.load_challenge(tiny, split_seed=5).split.sha256


def test_the_defaults_are_those_of_the_readme(folder: Path, asked_for: list[dict[str, Any]]) -> None:
    call("run")
    (asked,) = asked_for
    assert (asked["methods"], asked["seed"], asked["root"]) == (["finetune"], 0, Path("runs"))
    assert asked["challenge"].name == "noisy-digits"
    assert (asked["challenge"].split.name, asked["challenge"].split.seed) == ("random:0.1", 0)


def test_methods_are_asked_for_in_the_order_given(folder: Path, asked_for: list[dict[str, Any]]) -> None:
    (folder / "mine.py").write_text(GOOD_METHOD)
    call("run", "mine.py", "retrain", "finetune")
    assert asked_for[0]["methods"] == ["mine", "retrain", "finetune"]


@pytest.mark.parametrize(
    "forget",
    [
        "random:42",
        "stratified:42",
        "class:1",
        "class:0, 2",
        "group:person 3",
        "group: person 3, person 4",
        "mislabelled",
        "my indices.csv",
        "folder/é.npy",
        "split.npz",
    ],
)
def test_every_form_of_forget_set_is_understood(
    folder: Path, tiny: str, asked_for: list[dict[str, Any]], forget: str
) -> None:
    (folder / "folder").mkdir()
    rows = training_rows(tiny)[:30]
    (folder / "my indices.csv").write_text("index,why\n" + "".join(f"{row},asked\n" for row in rows))
    np.save(folder / "folder" / "é.npy", rows)
    kit.save_split(kit.load_challenge(tiny, forget="random:42", split_seed=9).split, folder / "split.npz")
    call("run", "--challenge", tiny, "--forget", forget)
    (asked,) = asked_for
    train, forgotten = asked["challenge"].train, asked["challenge"].split.forget
    if forget.endswith(("42", ".npz")):
        assert len(forgotten) == 42
    elif forget.endswith((".csv", ".npy")):
        assert forgotten.tolist() == list(range(30))
    elif forget == "mislabelled":
        assert forgotten.tolist() == np.flatnonzero(train.mislabelled).tolist()
    else:
        column = train.y if forget.startswith("class") else train.groups
        wanted = [name.strip() for name in forget.partition(":")[2].split(",")]
        assert forgotten.tolist() == np.flatnonzero(np.isin(column.astype(str), wanted)).tolist()


@pytest.mark.slow
def test_a_run_as_json_prints_nothing_else_and_the_table_elsewhere(finished: tuple[Path, Result]) -> None:
    folder, result = finished
    content = json.loads(result.out)
    assert [report["method"] for report in content["reports"]] == ["original", "retrain"]
    assert list(table(result.err)) == ["original", "retrain", "target"]
    (results,) = folders.below(folder / "out")
    assert json.loads((results / "report.json").read_text()) == content
    assert [path.name for path in folder.iterdir()] == ["out"]


# Interruption


def test_what_a_killed_run_left_is_no_obstacle(
    folder: Path, tiny: str, finished: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished[0] / "out", folder / "out")
    runs = sorted((folder / "out" / tiny).glob("*/seed-*"))
    assert len(runs) == 1 + 3
    (runs[0] / "done.json").unlink()
    (runs[1] / "outputs.npz").write_bytes((runs[1] / "outputs.npz").read_bytes()[:100])
    (runs[2] / ".outputs.npz.abcdefgh").write_bytes(b"half of a file")
    (folder / "result.json").write_text("something else, and longer" * 10_000)
    monkeypatch.setenv("COLUMNS", "200")
    result = call("run", "original", "--challenge", tiny, "--out", "out", "--json", "result.json")
    assert result.code == 0, result.err
    assert [cells[:4] for cells in table(result.out).values()] == [
        cells[:4] for cells in table(finished[1].err).values()
    ]
    assert "…" not in result.out
    assert [report["method"] for report in json.loads((folder / "result.json").read_text())["reports"]] == [
        "original",
        "retrain",
    ]
    for run in runs:
        assert {"done.json", "outputs.npz"} <= {path.name for path in run.iterdir()}


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_after_an_interruption_the_same_command_goes_on(
    folder: Path, forked: None, tiny: str, finished: tuple[Path, Result]
) -> None:
    shutil.copytree(finished[0] / "out", folder / "out", symlinks=True)
    results = folder / "out" / tiny
    for path in [*results.glob("original-*"), *folders.below(results)]:
        shutil.rmtree(path)
    method = folder / "waits.py"
    method.write_text(GOOD_METHOD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contained.Contained, "run", interrupt)
        result = call("run", method, "--challenge", tiny, "--out", "out")
    assert result.code == 130
    assert "Traceback" not in result.err
    assert "the same command goes on where it stopped" in unwrapped(result.err)
    assert not list(results.rglob("report.json"))
    done = {path: path.stat().st_mtime_ns for path in results.rglob("done.json")}
    assert sorted(path.parts[-3].partition("-")[0] for path in done) == ["original", *["retrain"] * 3]
    assert call("run", method, "--challenge", tiny, "--out", "out").code == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(list(results.rglob("done.json"))) == len(done) + 1


# Lists and help

LISTS = {"challenges": challenges.names, "methods": methods.names, "scorers": scorers.names}


def test_help_names_every_command_and_option(folder: Path) -> None:
    top = call("--help")
    assert top.code == 0
    for word in ("run", "list", "pretrain"):
        assert word in top.out
    assert "Traceback" not in top.out + top.err
    run = call("run", "--help")
    for option in ("--challenge", "--forget", "--seed", "--split-seed", "--json", "--out", "--debug", "METHOD"):
        assert option in run.out
    for form in ("random:0.1", "stratified:0.1", "class:5", "group:ID", "mislabelled", "row numbers"):
        assert form in unwrapped(run.out)
    assert call("list", "--help").code == call("pretrain", "--help").code == 0


@pytest.mark.parametrize("command", [[], ["run"], ["challenge", "new"]], ids=" ".join)
def test_h_is_help(folder: Path, command: list[str]) -> None:
    assert call(*command, "-h") == call(*command, "--help")
    assert "Usage:" in call(*command, "-h").out


def test_the_version_is_told_without_a_command(folder: Path) -> None:
    assert call("--version") == Result(0, f"kit {kit.__version__}\n", "")


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_a_quiet_run_shows_results_alone(folder: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    def announce_and_fail(*_: object, announce: Callable[[str], None], **__: object) -> None:
        announce("making models")
        raise kit.FailedRun("A paragraph.")

    monkeypatch.setenv("TQDM_DISABLE", "")  # and back, after the test
    monkeypatch.setattr(evaluation, "carry_out", announce_and_fail)
    assert "· making models" in call("run", "--challenge", tiny).err
    assert call("run", option, "--challenge", tiny) == Result(1, "", "Error: A paragraph.\n")
    shown = subprocess.run(
        [sys.executable, "-c", "import tqdm; [*tqdm.tqdm(range(3))]"], capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""  # a process that is started now has no bars


@pytest.mark.parametrize("what", LISTS)
def test_a_list_has_a_line_for_each_name(folder: Path, what: str) -> None:
    result = call("list", what)
    assert (result.code, result.err) == (0, "")
    lines = result.out.split("\n\n")[0].splitlines()
    listed = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert listed == list(LISTS[what]())
    assert "…" not in result.out
    assert "[bold]" not in result.out


@pytest.mark.parametrize("what", ["challenges", "scorers"])
def test_a_list_as_json_says_the_same(folder: Path, what: str) -> None:
    pure = call("list", what, "--json", "-")
    content = json.loads(pure.out)
    assert list(content) == list(LISTS[what]())
    assert all(isinstance(text, str) and text for text in content.values())
    result = call("list", what, "--json", "new folder/list.json")
    assert json.loads((folder / "new folder" / "list.json").read_text()) == content
    for text in content.values():
        assert set(text.split()) <= set(result.out.split())  # wrapped in a column of its own


# Bad usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], ["runn"]),
        (["run", "--forgt", "x"], ["--forgt", "--forget"]),
        (["run", "--seed", "-1"], ["--seed", "0"]),
        (["run", "--split-seed", "-3"], ["--split-seed", "0"]),
        (["run", "--seed", "abc"], ["--seed", "integer"]),
        (["run", "--seed", "1.5"], ["--seed", "integer"]),
        (["run", "--challenge"], ["--challenge"]),
        (["list", "method"], ["method", "challenges", "methods", "scorers"]),
        (["list"], ["challenges", "methods", "scorers"]),
        (["list", "methods", "more"], ["more"]),
        (["pretrain"], ["CHALLENGE"]),
        (["pretrain", "digits", "--seed", "1"], ["--seed"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_usage_is_told_what_is_wrong(
    folder: Path, unchanged: Callable[[], None], arguments: list[str], words: list[str]
) -> None:
    unchanged()
    error = usage_error(call(*arguments))
    for word in words:
        assert word in error
    unchanged()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "finetun"], ["'finetun'", "Did you mean finetune"]),
        (["run", "re-train", "finetune"], ["'re-train'", "Did you mean retrain"]),
        (["run", "finetune", "zzz"], ["'zzz'", "exact_unlearning_k, finetune, fisher_forgetting"]),
        (["run", ""], ["''", "finetune"]),
        (["run", "mine.py"], ["'mine.py'", "def unlearning(net, retain, forget, validation)", "working folder"]),
        (["run", "no folder/é.py"], ["'no folder/é.py'"]),
        (["run", "."], ["'.'"]),
        (["run", "--challenge", "noisy_digits"], ["'noisy_digits'", "Did you mean", "noisy-digits"]),
        (["run", "--challenge", "zzz"], ["'zzz'", "digits, fashion-mnist, mnist-five, noisy-digits"]),
        (["run", "--challenge", ""], ["''", "digits, fashion-mnist, mnist-five, noisy-digits"]),
        (["run", "--challenge", "mine.npz"], ["'mine.npz'", "'x' and 'y'", "working folder"]),
        (["pretrain", "digit"], ["'digit'", "Did you mean digits"]),
        (["pretrain", "mine.npz"], ["'mine.npz'"]),
        (["run", "--forget", "rondom:0.1"], ["'rondom:0.1'", "random:SHARE", "class:LABEL", "Try random:0.1"]),
        (["run", "--forget", "0.1"], ["'0.1'", "random:SHARE"]),
        (["run", "--forget", "random:0"], ["'0'", "nothing", "between 0 and 1"]),
        (["run", "--forget", "random:1.5"], ["'1.5'"]),
        (["run", "--forget", "random:100000"], ["'100000'", "everything"]),
        (["run", "--forget", "random:many"], ["'many'", "no number"]),
        (["run", "--forget", "class:11"], ["'11'", "0, 1, 2"]),
        (["run", "--forget", "class:0,1,2,3,4,5,6,7,8,9"], ["everything is to be forgotten"]),
        (["run", "--forget", "group:me"], ["'me'", "groups", "kit.make_challenge"]),
        (["run", "--forget", "mislabelled", "--challenge", "digits"], ["mislabelled", "noisy-digits"]),
        (["run", "--forget", "missing.csv"], ["'missing.csv'", "working folder"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_unknown_names_are_refused_with_advice_and_leave_no_file(
    folder: Path, unchanged: Callable[[], None], arguments: list[str], words: list[str]
) -> None:
    unchanged()
    error = one_paragraph(call(*arguments, *(["--json", "result.json"] if arguments[0] == "run" else [])))
    for word in words:
        assert word in error
    unchanged()


def test_a_file_of_arrays_given_as_a_method_is_refused(folder: Path, write_npz: Callable[..., Path]) -> None:
    assert "mine.npz" in one_paragraph(call("run", write_npz()))


NAN_PIXELS = np.where(np.arange(240 * 6).reshape(240, 6) == 63, np.nan, 1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leave_out": "x"}, ["no array 'x'", "groups, mislabelled, y", "numpy.savez"]),
        ({"leave_out": "y"}, ["no array 'y'", "numpy.savez"]),
        ({"y": np.arange(239) % 3}, ["(240, 6)", "(239,)"]),
        ({"x": np.zeros((0, 6)), "y": np.zeros(0, int)}, ["(0, 6)"]),
        ({"x": NAN_PIXELS}, ["NaN", "1 of 240", "example 10", "numpy.nan_to_num"]),
        ({"x": np.full((240, 6), -np.inf)}, ["infinite", "240 of 240"]),
        ({"x": np.full((240, 6), "text")}, ["<U4", "--model"]),
        ({"y": np.arange(240) % 3 - 1}, ["labels", "0, 1, ..., num_classes - 1", "numpy.unique"]),
        ({"y": np.arange(240) % 3 * 1000}, ["2000", "240 examples", "numpy.unique"]),
        ({"y": np.arange(240) % 3 + 0.5}, ["dtype float", "numpy.unique"]),
        ({"groups": np.arange(7)}, ["'groups'", "(7,)", "240 labels"]),
        ({"mislabelled": np.arange(7) > 3}, ["'mislabelled'", "(7,)"]),
        ({"partition": np.arange(240) % 2}, ["partition", "0 for training, 1 for validation and 2 for test"]),
        ({"x": np.array([{}] * 240, dtype=object)}, ["Object arrays cannot be loaded"]),
    ],
    ids=[
        "no x", "no y", "unequal", "empty", "nan", "infinite", "text", "negative labels", "large labels",
        "fractions", "groups", "mislabelled", "partition", "objects",
    ],
)  # fmt: skip
def test_unsound_arrays_are_refused_with_advice_and_leave_no_file(
    folder: Path,
    write_npz: Callable[..., Path],
    unchanged: Callable[[], None],
    changes: dict[str, Any],
    words: list[str],
) -> None:
    write_npz(**changes)
    unchanged()
    error = one_paragraph(call("run", "--challenge", "mine.npz", "--out", "out", "--json", "new/result.json"))
    assert "Expected" in error
    for word in words:
        assert word in error
    unchanged()


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04 and nothing", b"\x93NUMPY\x01\x00"], ids=["empty", "text", "cut", "npy"]
)
def test_a_file_that_is_no_zip_is_refused(folder: Path, unchanged: Callable[[], None], content: bytes) -> None:
    (folder / "mine.npz").write_bytes(content)
    unchanged()
    error = one_paragraph(call("run", "--challenge", "mine.npz"))
    assert "'mine.npz' cannot be read" in error
    assert "allow_pickle" not in error  # no advice that would be dangerous to follow
    unchanged()


def test_a_folder_is_no_file_of_arrays(folder: Path) -> None:
    (folder / "mine.npz").mkdir()
    assert "'mine.npz'" in one_paragraph(call("run", "--challenge", "mine.npz"))


def test_a_name_that_makes_no_folder_is_refused(write_npz: Callable[..., Path], unchanged: Callable[[], None]) -> None:
    write_npz("my data.npz")
    unchanged()
    assert "Rename the file" in one_paragraph(call("run", "--challenge", "my data.npz"))
    unchanged()


INDICES = {
    "twice.csv": "index\n1\n1\n2\n",
    "outside.csv": "1\n100000\n",
    "negative.csv": "-1\n2\n",
    "words.csv": "one\ntwo\nthree\n",
    "empty.csv": "",
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twice.csv", ["row 1", "more than once", "numpy.unique"]),
        ("outside.csv", ["row 100000", "no training example"]),
        ("negative.csv", ["row -1", "no training example"]),
        ("words.csv", ["'words.csv'", "Expected"]),
        ("empty.csv", ["nothing is to be forgotten"]),
        ("everything.npy", ["everything is to be forgotten"]),
        ("floats.npy", ["float64", "numpy.flatnonzero"]),
        ("twice.npy", ["more than once"]),
        ("not_a_split.npz", ["'not_a_split.npz'", "Expected"]),
    ],
)
def test_bad_files_of_indices_are_refused_and_leave_no_file(
    folder: Path, tiny: str, unchanged: Callable[[], None], name: str, words: list[str]
) -> None:
    for csv_name, text in INDICES.items():
        (folder / csv_name).write_text(text)
    np.save(folder / "everything.npy", training_rows(tiny))
    np.save(folder / "floats.npy", np.arange(5.0))
    np.save(folder / "twice.npy", np.array([3, 4, 3]))
    np.savez(folder / "not_a_split.npz", a=np.arange(3))
    unchanged()
    error = one_paragraph(call("run", "--challenge", tiny, "--forget", name, "--out", "out"))
    for word in words:
        assert word in error
    unchanged()


@pytest.mark.parametrize("out", ["a file", "a file/runs", "a file/deep/er"])
def test_an_output_folder_that_cannot_be_is_refused(folder: Path, unchanged: Callable[[], None], out: str) -> None:
    (folder / "a file").write_text("not a folder")
    unchanged()
    error = one_paragraph(call("run", "--out", out))
    assert f"'{out}' cannot be written" in error
    assert "--out" in error
    unchanged()


def test_a_json_file_whose_folder_cannot_be_is_refused_before_any_work(
    folder: Path, tiny: str, unchanged: Callable[[], None]
) -> None:
    (folder / "a file").write_text("not a folder")
    unchanged()
    error = one_paragraph(call("run", "--challenge", tiny, "--out", "out", "--json", "a file/result.json"))
    assert "'a file" in error
    assert "cannot be written" in error
    unchanged()


# Methods that break their contract


# Each of them in a process of its own; the slow ones fail checks that tests/bad_submissions fails too.
BROKEN = {
    "none": ("def unlearning(net, retain, forget, validation):\n    pass\n", ["returned nothing", "return net"]),
    "one parameter": (
        "def unlearning(net):\n    return net\n",
        ["Its parameters are net", "net, retain, forget, validation"],
    ),
    "five parameters": (
        "def unlearning(net, retain, forget, validation, extra):\n    return net\n",
        ["extra", "keyword-only"],
    ),
    "error": (
        "def unlearning(net, retain, forget, validation):\n    raise RuntimeError('out of\\nluck')\n",
        ["RuntimeError", "out of", "line 2", "--debug"],
    ),
}
BROKEN_TOO = {
    "text": ("def unlearning(net, retain, forget, validation):\n    return 'net'\n", ["str", "return net"]),
    "architecture": (
        "import keras\ndef unlearning(net, retain, forget, validation):\n"
        "    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])\n",
        ["architecture", "Return 'net'"],
    ),
    "nan": (
        "import numpy\ndef unlearning(net, retain, forget, validation):\n"
        "    net.set_weights([w * numpy.nan for w in net.get_weights()])\n    return net\n",
        ["NaN", "learning rate"],
    ),
    "division": (
        "def unlearning(net, retain, forget, validation):\n    return 1 / 0\n",
        ["ZeroDivisionError", "line 2"],
    ),
}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        *(pytest.param(*case, id=name) for name, case in BROKEN.items()),
        *(pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in BROKEN_TOO.items()),
    ],
)
def test_a_method_that_breaks_its_contract_fails_with_its_name(
    folder: Path, forked: None, tiny: str, source: str, words: list[str]
) -> None:
    (folder / "my_method.py").write_text(source)
    error = one_paragraph(call("run", "my_method.py", "--challenge", tiny, "--out", "out", "--json", "r.json"), code=1)
    for word in ["my_method", *words]:
        assert word in error
    assert not (folder / "r.json").exists()
    assert not list((folder / "out").rglob("report.json"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def unlearning(\n", ["Line 1 is not Python", "never closed"]),
        (f"import a_library_that_is_not_there\n{GOOD_METHOD}", ["ModuleNotFoundError", "a_library_that_is_not_there"]),
        ("def unlearn(net):\n    return net\n", ["No function 'unlearning'", "Rename 'unlearn'"]),
        ("unlearning = 3\n", ["a variable, not a 'def'"]),
        (f"import sys\nsys.exit()\n{GOOD_METHOD}", ["SystemExit", "line 2"]),
    ],
    ids=["syntax", "import", "name", "number", "exit"],
)
def test_a_file_that_is_no_method_fails_with_the_reason(
    folder: Path, forked: None, tiny: str, source: str, words: list[str]
) -> None:
    (folder / "my_method.py").write_text(source)
    error = one_paragraph(call("run", "my_method.py", "--challenge", tiny, "--out", "out", "--json", "r.json"), code=1)
    for word in ["my_method", "Expected", *words]:
        assert word in error
    assert not (folder / "r.json").exists()


@pytest.mark.parametrize("name", ["finetune.py", "retrain.py", "original.py"])
def test_a_file_called_like_a_built_in_method_is_not_mistaken_for_it(folder: Path, tiny: str, name: str) -> None:
    (folder / name).write_text(GOOD_METHOD)
    error = one_paragraph(call("run", name, "--challenge", tiny, "--out", "out"))
    assert name in error
    assert "Rename" in error


# Damaged weights


@pytest.fixture
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped data that the kit takes for its own."""
    copy = shutil.copytree(files.data_folder(), folder / "shipped data")
    monkeypatch.setattr(files, "data_folder", lambda: copy)
    return copy


def test_a_single_flipped_bit_in_the_weights_is_found(data: Path, unchanged: Callable[[], None]) -> None:
    path = data / "pretrained" / "digits.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    unchanged()
    error = one_paragraph(call("run", "--challenge", "digits", "--out", "out"), code=1)
    for word in (str(path), "damaged", "sha256", "git checkout data/pretrained", "pip install --force-reinstall"):
        assert word in error
    unchanged()


def test_missing_weights_are_found(data: Path, unchanged: Callable[[], None]) -> None:
    (data / "pretrained" / "digits.npz").unlink()
    unchanged()
    error = one_paragraph(call("run", "--challenge", "digits", "--out", "out"), code=1)
    for word in ("digits.npz", "missing", "git checkout data/pretrained"):
        assert word in error
    unchanged()


def registry_of(data: Path) -> dict[str, Any]:
    return seals.without_digest(json.loads((data / "registry.json").read_text()))


def test_weights_of_another_model_are_found(data: Path, unchanged: Callable[[], None]) -> None:
    path, registry = data / "pretrained" / "digits.npz", registry_of(data)
    np.savez(path, **{str(number): np.zeros((2, 3), np.float32) for number in range(8)})
    registry["digits"]["sha256"] = files.sha256_of(path)
    (data / "registry.json").write_text(json.dumps(seals.with_digest(registry)))
    unchanged()
    error = one_paragraph(call("run", "--challenge", "digits", "--out", "out"), code=1)
    for word in ("do not fit", "convnet", "(2, 3)", "git checkout data/pretrained"):
        assert word in error
    unchanged()


def test_damaged_weights_in_the_cache_are_made_again_as_the_message_says(
    folder: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("damaged-home")
    monkeypatch.setenv("KIT_HOME", str(home))
    assert call("pretrain", tiny).code == 0
    (weights,) = (home / "pretrained").glob("tiny-*.npz")
    weights.write_bytes(weights.read_bytes()[:-1])
    error = one_paragraph(call("run", "--challenge", tiny, "--out", "out"), code=1)
    (record,) = re.findall(r"Delete '([^']+)'", error)
    Path(record).unlink()
    originals.load(kit.load_challenge(tiny))


# Pretrain


def test_pretrain_says_what_it_made(folder: Path, tiny: str, kit_home: Path) -> None:
    result = call("pretrain", tiny, "--json", "result.json")
    assert result.code == 0  # on a machine that is busy, its bar shows
    assert "nothing is recorded" in result.out
    content = json.loads((folder / "result.json").read_text())
    assert content["matches"] is True
    assert set(content["accuracies"]) == {"train", "validation", "test"}
    for part, value in content["accuracies"].items():
        assert f"{part} {value:.4f}" in result.out
    assert Path(content["path"]).is_file()
    assert kit_home in Path(content["path"]).parents
    assert [path.name for path in folder.iterdir()] == ["result.json"]


def test_pretrain_as_json_prints_nothing_else(folder: Path, tiny: str) -> None:
    result = call("pretrain", tiny, "--json", "-")
    assert set(json.loads(result.out)) == {"matches", "verdict", "accuracies", "seconds", "path"}
    assert "Accuracies" in result.err


def test_a_rebuilt_model_that_does_not_match_is_a_failure(folder: Path, tiny: str, data: Path) -> None:
    path = Path(json.loads(call("pretrain", tiny, "--json", "-").out)["path"])
    record = json.loads(path.with_suffix(".json").read_text())["content"]
    registry = registry_of(data)
    wrong = {part: 1 - value for part, value in record["accuracies"].items()}
    tolerance = registry["digits"]["tolerance"]
    entry = record | {"sha256": "0" * 64, "accuracies": wrong, "file": "pretrained/tiny.npz", "tolerance": tolerance}
    (data / "registry.json").write_text(json.dumps(seals.with_digest(registry | {"tiny": entry})))
    result = call("pretrain", tiny)
    assert result.code == 1
    assert "DOES NOT MATCH" in result.out
    assert "Traceback" not in result.err


# In a process of its own: exit codes, streams, tracebacks


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["run", "finetun"], "finetune"),
        (["run", "--seed", "-1"], "--seed"),
        (["runn"], "runn"),
        (["list", "x"], "methods"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_usage_exits_with_2_and_no_traceback(folder: Path, arguments: list[str], word: str) -> None:
    result = start(*arguments, folder=folder)
    assert (result.code, result.out) == (2, "")
    assert word in result.err
    assert "Traceback" not in result.err
    assert not list(folder.iterdir())


def test_bad_input_prints_no_log_of_tensorflow(folder: Path) -> None:
    result = start("run", "--challenge", "mine.npz", folder=folder)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: There is no file 'mine.npz'.")
    assert result.err.count("\n") == 1
    assert not list(folder.iterdir())


def test_debug_shows_the_traceback(folder: Path) -> None:
    result = start("run", "finetun", "--debug", folder=folder)
    assert result.code != 0
    assert "Traceback (most recent call last)" in result.err
    assert "InputError" in result.err
    assert "Did you mean finetune" in result.err


def test_a_reader_that_goes_away_is_no_disaster(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kit", "list", "scorers"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=folder,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    assert "Traceback" not in error


def test_colours_are_for_terminals_only(folder: Path) -> None:
    assert "\x1b" not in start("list", "methods", folder=folder).out
    assert "\x1b" not in start("list", "methods", folder=folder, NO_COLOR="1").out
