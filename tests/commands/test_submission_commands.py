"""The participant's path on the command line: new, validate, run, evaluate, pack, check-pack, doctor."""

from __future__ import annotations

import itertools
import json
import zipfile
from pathlib import Path

import guests
import numpy as np
import pytest
from cli_helpers import call, one_paragraph
from retrainings import taking

from kit.commands import judging
from kit.contest import validate
from kit.runs import timing, trial
from kit.submission import sandbox

# Keras 3 reads its own learning rate in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NOISE = """
import numpy as np

def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.01, array.shape) for array in net.get_weights()])
    return net
"""
# What needs nobody to be compared with.
OF_THE_MODELS = (
    "retain_accuracy",
    "forget_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "mia_auc",
    "mia_accuracy",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small challenge of the user's own, whose original is trained once."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    path = tmp_path_factory.mktemp("data") / "mine.npz"
    np.savez(path, x=generator.normal(size=(240, 6)) + 2 * labels[:, np.newaxis], y=labels)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))
    guests.fork_them(monkeypatch)
    return tmp_path


@pytest.mark.slow
def test_what_new_writes_forgets_something(folder: Path) -> None:
    call("new", "mine.py")
    result = call("run", "mine.py", "--json", "result.json")
    assert result.code == 0, result.err
    rows = {row["method"]: row["scores"] for row in json.loads((folder / "result.json").read_text())["reports"]}
    gaps = {name: scores["mia_gap"] for name, scores in rows.items()}
    assert gaps["mine"]["value"] < gaps["original"]["value"] - 2 * gaps["original"]["stderr"]
    assert rows["mine"]["retain_accuracy"]["value"] > 0.9


@pytest.mark.slow
def test_what_new_writes_is_ready(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(1000.0))  # what is over budget is run again
    written = call("new", "my_method.py")
    assert written.code == 0
    assert "kit validate my_method.py" in written.out
    result = call("validate", "my_method.py", "--challenge", data, "--json", "result.json")
    content = json.loads((folder / "result.json").read_text())
    assert [(check["name"], check["status"]) for check in content["checks"]] == [
        (name, "PASS") for name in validate.CHECKS
    ]
    assert result.code == 0
    assert content["ready"] is True
    assert "my_method.py: ready." in result.out
    for name in validate.CHECKS:
        assert f"PASS {name}" in result.out


@pytest.mark.parametrize("name", ["my_method.py", "folder/my_method.py"])
def test_new_never_overwrites(folder: Path, name: str) -> None:
    assert call("new", name).code == 0
    (folder / name).write_text("mine")
    assert "exists already" in one_paragraph(call("new", name))
    assert (folder / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["my_method", "my-method.py", "2nd.py", "method.txt"])
def test_new_refuses_what_python_cannot_import(folder: Path, name: str) -> None:
    assert "my_method.py" in one_paragraph(call("new", name))
    assert not list(folder.iterdir())


def test_new_refuses_the_name_of_a_built_in_method(folder: Path) -> None:
    assert "built-in method" in one_paragraph(call("new", "finetune.py"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["keras", "numpy", "tensorflow", "random", "typing", "kit", "sys", "__main__"])
@pytest.mark.parametrize("where", ["", "folder/"])
def test_new_refuses_the_name_of_a_module(folder: Path, name: str, where: str) -> None:
    error = one_paragraph(call("new", f"{where}{name}.py"))
    assert f"'{name}' is the name of a module" in error
    assert f"Try {where}my_{name}.py." in error
    assert not list(folder.iterdir())
    assert call("new", f"{where}my_{name}.py").code == 0


def test_new_takes_names_that_only_a_folder_has(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(folder)
    assert call("new", "only_a_folder.py").code == 0


def test_a_finished_pack_is_not_written_over(folder: Path, data: Path) -> None:
    (folder / "noise.py").write_text(NOISE)
    (folder / "submission.zip").write_bytes(b"512 models")
    assert "exists already" in one_paragraph(call("pack", "noise.py", "--num-models", "1", "--challenge", data))
    assert (folder / "submission.zip").read_bytes() == b"512 models"


@pytest.mark.parametrize("command", ["validate", "pack", "check-pack", "run"])
def test_an_unwritable_json_file_is_found_before_any_work(folder: Path, command: str) -> None:
    (folder / "noise.py").write_text(NOISE)
    (folder / "file").write_text("no folder")
    argument = "noise.py"
    assert "--json" in one_paragraph(call(command, argument, "--json", "file/result.json"))


def test_a_file_beside_a_submission_that_is_not_there_is_explained(folder: Path, data: Path) -> None:
    (folder / "rate.txt").write_text("0.01")
    (folder / "reads.py").write_text(
        NOISE.replace("    net.set", "    open(__file__.replace('reads.py', 'rate.txt'))\n    net.set")
    )
    result = call("validate", "reads.py", "--challenge", data, "--json", "-")
    checked = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert "only modules that it imports (RULES.md)" in checked["runs"]["message"]


def test_a_model_with_bad_weights_was_returned_by_a_call_that_ran(folder: Path, data: Path) -> None:
    (folder / "nan.py").write_text(NOISE.replace("0.01", "np.nan"))
    result = call("validate", "nan.py", "--challenge", data, "--json", "-")
    status = {check["name"]: check["status"] for check in json.loads(result.out)["checks"]}
    assert (status["runs"], status["returns_model"], status["weights"]) == ("PASS", "PASS", "FAIL")


def test_validate_names_the_fault_and_fails(folder: Path, data: Path) -> None:
    (folder / "bad.py").write_text(NOISE.replace("    return net\n", ""))
    result = call("validate", "bad.py", "--challenge", data, "--json", "-")
    content = json.loads(result.out)
    assert result.code == 1
    assert content["ready"] is False
    status = {check["name"]: check["status"] for check in content["checks"]}
    assert status["signature"] == status["imports"] == "PASS"
    assert status["returns_model"] == "FAIL"
    assert status["time_budget"] == "SKIP"
    assert "FAIL returns_model" in result.err
    assert "return net" in result.err


@pytest.mark.parametrize("command", ["validate", "pack", "run", "evaluate"])
def test_a_missing_file_is_bad_usage(folder: Path, command: str) -> None:
    assert "There is no file 'missing.py'" in one_paragraph(call(command, "missing.py"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("command", ["validate", "pack", "run", "evaluate"])
def test_a_sandbox_that_cannot_be_is_refused_before_anything_runs(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine.py").write_text(NOISE)
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "bubblewrap is not installed. Install it.")
    error = one_paragraph(call(command, "mine.py", "--sandbox"))
    assert "bubblewrap is not installed" in error
    assert [path.name for path in folder.iterdir()] == ["mine.py"]


@pytest.mark.slow
def test_a_broken_file_gets_a_row_and_the_others_keep_theirs(folder: Path, data: Path) -> None:
    (folder / "noise.py").write_text(NOISE)
    (folder / "broken.py").write_text(NOISE.replace("return net", "raise RuntimeError('out of luck')"))
    result = call("run", "broken.py", "noise.py", "--challenge", data, "--json", "result.json")
    assert result.code == 1
    content = json.loads((folder / "result.json").read_text())
    assert [report["method"] for report in content["reports"]] == ["original", "noise", "retrain"]
    (failure,) = content["failures"]
    assert (failure["method"], failure["check"]) == ("broken", "runs")
    assert "out of luck" in failure["reason"]
    row = next(line for line in result.out.splitlines() if line.startswith("broken"))
    assert "FAILED" in row
    assert json.loads((folder / "runs" / "mine" / "latest" / "report.json").read_text()) == content


@pytest.mark.slow
def test_several_models_are_evaluated_and_a_pack_of_them_is_accepted_with_what_they_reach(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "secret_seed", lambda _: 1)  # by a home's key, other models at each run of the tests
    (folder / "noise.py").write_text(NOISE)
    evaluated = call("evaluate", "noise.py", "--num-models", "3", "--challenge", data, "--json", "-")
    assert evaluated.code == 0, evaluated.err
    reports = {report["method"]: report for report in json.loads(evaluated.out)["reports"]}
    assert reports["noise"]["num_models"] == reports["retrain"]["num_models"] == 3
    assert reports["noise"]["num_retrained"] == 8
    assert reports["retrain"]["num_retrained"] == 5
    packed = call("pack", "noise.py", "--num-models", "3", "--challenge", data, "--json", "-")
    assert packed.code == 0, packed.err
    assert json.loads(packed.out)["num_models"] == 3
    with zipfile.ZipFile("submission.zip") as archive:
        assert sorted(archive.namelist()) == [*(f"checkpoints/000{n}.npz" for n in range(3)), "manifest.json"]
    checked = call("check-pack", "submission.zip", "--challenge", data, "--json", "-")
    assert checked.code == 0, checked.err
    scores = {report["method"]: report["scores"] for report in json.loads(checked.out)["reports"]}
    # The host's retrained models have secret seeds: what the models reach is the same, what they are held against not.
    for method, name in itertools.product(("original", "noise"), OF_THE_MODELS):
        assert scores[method][name]["value"] == reports[method]["scores"][name]["value"], (method, name)
    assert scores["retrain"]["forget_accuracy"] != reports["retrain"]["scores"]["forget_accuracy"]


def test_a_forged_pack_is_not_accepted(folder: Path, data: Path) -> None:
    (folder / "noise.py").write_text(NOISE)
    assert call("pack", "noise.py", "--num-models", "1", "--challenge", data).code == 0
    with zipfile.ZipFile("submission.zip", "a") as archive:
        archive.writestr("../../evil.npz", b"evil")
    result = call("check-pack", "submission.zip", "--challenge", data, "--json", "-")
    assert result.code == 1
    assert json.loads(result.out)["checks"][-1]["status"] == "FAIL"
    assert "not accepted" in result.err
    assert not list(folder.parent.rglob("evil*"))


def test_on_kaggle_without_data_the_mock_is_written(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.contest import pack

    (folder / "noise.py").write_text(NOISE)
    (folder / "input" / "challenge").mkdir(parents=True)
    (folder / "input" / "challenge" / "empty.txt").touch()
    monkeypatch.setattr(pack.is_mock_run, "__defaults__", (folder / "input",))
    monkeypatch.setattr(pack, "Worker", None)  # nothing may be computed
    assert "mock" in call("pack", "noise.py", "--challenge", data).out
    with zipfile.ZipFile("submission.zip") as archive:
        assert json.loads(archive.read("manifest.json")) == {"mock": True}


def test_doctor_says_what_this_machine_can_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.01)
    result = call("doctor", "--json", "facts.json")
    assert result.code == 0
    facts = json.loads((folder / "facts.json").read_text())
    for name in (
        "kit",
        "python",
        "tensorflow",
        "keras",
        "processors",
        "memory",
        "accelerator",
        "sandbox",
        "cache",
        "512 models",
    ):
        assert name in facts
        assert name in result.out
