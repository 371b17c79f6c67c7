"""What `kit doctor` finds on machines of several kinds."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest

import kit
from kit import engines
from kit.commands import doctor
from kit.datasets import loading
from kit.machine import accelerators
from kit.machine.accelerators import Accelerator, Sight
from kit.runs import originals, trial
from kit.storage import files
from kit.submission import sandbox
from kit.toolbox import compiled

GIB = 1 << 30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all is well; nothing is started and TensorFlow is not imported."""
    tensorflow = ModuleType("tensorflow")
    tensorflow.config = SimpleNamespace(list_physical_devices=lambda kind: [])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "")
    free(monkeypatch, memory=8 * GIB, disk=9 * GIB)


def free(monkeypatch: pytest.MonkeyPatch, *, memory: int, disk: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory, total=16 * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=disk))


def facts() -> dict[str, doctor.Fact]:
    all_facts = doctor.examine()
    assert len({fact.name for fact in all_facts}) == len(all_facts)
    return {fact.name: fact for fact in all_facts}


def only_bad() -> doctor.Fact:
    """What is bad has a piece of advice, what is good has none."""
    bad = [fact for fact in facts().values() if not fact.good]
    assert len(bad) == 1
    assert bad[0].advice.endswith(".")
    assert "\n" not in bad[0].advice
    return bad[0]


def test_the_facts_are_all_there_and_good() -> None:
    fact_of = facts()
    libraries = ["tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib"]
    machine = [
        "system",
        "processors",
        "memory",
        "accelerator",
        "populations",
        "disk",
        "sandbox",
        "cache",
        "shipped weights",
    ]
    assert list(fact_of) == ["kit", "python", *libraries, *machine]
    for fact in fact_of.values():
        assert fact.good, fact
        assert fact.value
        assert "\n" not in fact.value
        assert fact.advice == ""


def test_the_values_say_what_was_found() -> None:
    fact_of = facts()
    assert fact_of["kit"].value.startswith(kit.__version__)
    assert str(Path(kit.__file__).parent) in fact_of["kit"].value
    assert fact_of["numpy"].value == importlib.metadata.version("numpy")
    assert fact_of["memory"].value == "8.0 GiB free of 16.0"
    assert fact_of["disk"].value == "9 GiB free"
    assert fact_of["sandbox"].value == "bubblewrap works"
    assert int(fact_of["processors"].value) >= 1
    assert "noisy-digits" in fact_of["shipped weights"].value


@pytest.mark.parametrize("missing", ["tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib"])
def test_a_missing_library_is_reported_with_the_command(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    def version(name: str) -> str:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(importlib.metadata, "version", version)
    bad = only_bad()
    assert (bad.name, bad.value) == (missing, "missing")
    assert "pip install -r requirements.txt" in bad.advice
    assert {fact.value for name, fact in facts().items() if name in ("keras", "numpy")} <= {"1.2.3", "missing"}


@pytest.mark.parametrize("version", [(3, 10, 12), (3, 14, 0), (4, 0, 0)], ids=["3.10", "3.14", "4.0"])
def test_another_python_is_reported(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]) -> None:
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version))
    bad = only_bad()
    assert bad.name == "python"
    assert "3.11, 3.12 or 3.13" in bad.advice


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 1)], ids=["3.11", "3.12", "3.13"])
def test_the_pythons_of_the_kit_are_good(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]) -> None:
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version))
    assert facts()["python"].good


@pytest.mark.parametrize("memory", [0, GIB, 2 * GIB - 1])
def test_too_little_memory_is_reported(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    free(monkeypatch, memory=memory, disk=9 * GIB)
    bad = only_bad()
    assert bad.name == "memory"
    assert "GiB" in bad.advice
    assert "close other programs" in bad.advice


@pytest.mark.parametrize("disk", [0, GIB - 1])
def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch, disk: int) -> None:
    free(monkeypatch, memory=8 * GIB, disk=disk)
    bad = only_bad()
    assert bad.name == "disk"
    assert "$KIT_HOME" in bad.advice


def test_what_is_just_enough_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, memory=2 * GIB, disk=GIB)
    assert all(fact.good for fact in facts().values())


def test_the_problem_of_the_sandbox_is_passed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "bubblewrap is not installed. Install it with care."
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: problem)
    bad = only_bad()
    assert (bad.name, bad.value, bad.advice) == ("sandbox", "not possible", problem)


def test_missing_weights_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    bad = only_bad()
    assert (bad.name, bad.value) == ("shipped weights", "none")
    assert "Install the kit again" in bad.advice


def test_a_machine_on_which_all_is_wrong_gets_all_the_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    free(monkeypatch, memory=0, disk=0)
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(sandbox, "sandbox_problem", lambda: "No.")
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    fact_of = facts()
    assert len([fact for fact in fact_of.values() if not fact.good]) == 10
    assert all(bool(fact.advice) is not fact.good for fact in fact_of.values())


def sees(monkeypatch: pytest.MonkeyPatch, accelerator: Accelerator | None = None, problem: str = "") -> None:
    monkeypatch.setattr(accelerators, "look", lambda: Sight(accelerator, problem))
    assert accelerators.find() is accelerator
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


def test_without_an_accelerator_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch)
    monkeypatch.setattr(engines, "usable_cores", lambda: 8)
    fact_of = facts()
    assert fact_of["accelerator"].value == "none (none is needed)"
    assert fact_of["populations"].value.startswith("engine 'processes', ")
    assert fact_of["populations"].value.endswith(" at once, float32")


def test_a_card_that_jax_does_not_see_comes_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch, problem="JAX has no plugin for it. Install one.")
    bad = only_bad()
    assert (bad.name, bad.value, bad.advice) == (
        "accelerator",
        "none that can be used",
        "JAX has no plugin for it. Install one.",
    )


@pytest.mark.parametrize("by_tensorflow", [False, True])
def test_an_accelerator_is_named_with_its_memory_and_what_becomes_of_it(
    by_tensorflow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees(monkeypatch, Accelerator("NVIDIA L4", "gpu", memory_bytes=22 * GIB, capability=8.9))
    names = [SimpleNamespace(name="/gpu:0")] * by_tensorflow
    monkeypatch.setattr(sys.modules["tensorflow"].config, "list_physical_devices", lambda kind: names)
    fact_of = facts()
    seers = "JAX and TensorFlow" if by_tensorflow else "JAX"
    assert fact_of["accelerator"].value == f"NVIDIA L4, 22 GiB, seen by {seers}"
    assert fact_of["populations"].value == (
        "engine 'stacked', 512 models at once, float32 (--precision tf32 or bfloat16 is quicker)"
    )
    sees(monkeypatch, Accelerator("Tesla T4", "gpu", capability=7.5))
    expected = "engine 'stacked', 512 models at once, float32 (--precision float16 is quicker)"
    assert facts()["populations"].value == expected


def test_a_card_that_tensorflow_alone_sees_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch, problem="JAX is not installed. Install it.")
    monkeypatch.setattr(
        sys.modules["tensorflow"].config, "list_physical_devices", lambda kind: [SimpleNamespace(name="/gpu:0")]
    )
    assert only_bad().value == "/gpu:0, seen by TensorFlow alone"


def test_how_models_are_trained_is_said_and_how_long_512_take_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch)
    monkeypatch.setattr(originals, "build", lambda challenge: challenge.model)
    monkeypatch.setattr(compiled, "described", lambda net: f"of a {net}, somehow")
    asked = []

    def seconds(challenge: kit.Challenge, num_models: int, engine: engines.Engine) -> float:
        asked.append((challenge.name, num_models, engine.name))
        return 1234.0

    monkeypatch.setattr(trial, "seconds_of_models", seconds)
    training, fact = doctor.of_challenge("digits")
    assert (training.name, training.value) == ("training", "of a convnet, somehow")
    assert (fact.name, fact.value) == ("512 models", "about 21 min to retrain for digits, from a trial of 2 s")
    assert [row[:2] for row in asked] == [("digits", 512)]


def test_nothing_is_fetched_to_try_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "nearest", lambda data_set: None)
    [fact] = doctor.of_challenge("fashion-mnist")
    assert fact.value == "unknown: the data of fashion-mnist are not here"


def test_the_cache_is_measured_and_need_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "not" / "yet"
    monkeypatch.setenv("KIT_HOME", str(home))
    assert "(0.0 MB;" in facts()["cache"].value
    assert not home.exists()
    folder = files.cache_folder()
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one").write_bytes(bytes(2_000_000))
    (folder / "two").write_bytes(bytes(500_000))
    value = facts()["cache"].value
    assert value.startswith(str(folder))
    assert "(2.5 MB;" in value
