"""A retrained model that comes with the kit: whose it is, what is compared with it, and where others are made."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import call
from retrainings import taking

import kit
from kit import challenges, evaluation, scorers
from kit import reports as report
from kit.challenges import catalogue
from kit.runs import oracles, originals, retrained, timing
from kit.runs.population import run_population
from kit.runs.run import unlearn
from kit.runs.seeds import run_seed
from kit.runs.worker import Worker
from kit.storage import files, seals
from kit.toolbox import checkpoints
from kit.types import Arrays, Challenge, FailedRun, Recipe

pytestmark = [
    pytest.mark.usefixtures("shared_workers"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3 with NumPy 2.4
]

RELATIVE = {"mia_gap", "tug_of_war", "average_gap"}


def small_arrays() -> Arrays:
    labels = np.arange(600) % 3
    return Arrays(np.random.default_rng(0).normal(size=(600, 6)) + labels[:, np.newaxis], labels)


def tiny_challenge(**options: Any) -> Challenge:
    settings = {"recipe": Recipe(epochs=2), "forget": "random:0.2"} | options
    return kit.make_challenge("tiny", small_arrays(), **settings)


@pytest.fixture(scope="module")
def challenge() -> Challenge:
    return tiny_challenge()


@dataclass
class Made:
    """What is trained once for all tests: the original, and a retrained model as it is shipped and as it is cached."""

    folder: Path
    shipped: originals.Rebuilt
    built: originals.Rebuilt


@pytest.fixture(scope="module")
def trained(challenge: Challenge, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    seals.code("one key for all homes")
    for home in ("with original", "with retrained"):
        shutil.copytree(files.cache_folder() / "keys", folder / home / "keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "data_folder", lambda: folder / "nothing")
        patch.setenv("KIT_HOME", str(folder / "with original"))
        originals.load(challenge)
        patch.setenv("KIT_HOME", str(folder / "with retrained"))
        built = retrained.rebuild(challenge)
        patch.setattr(files, "data_folder", lambda: folder / "data")
        return Made(folder, retrained.rebuild(challenge, update_registry=True), built)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, and an empty cache."""
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path / "data")
    seals.code("one key for all homes")
    shutil.copytree(files.cache_folder() / "keys", tmp_path / "home" / "keys")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    return tmp_path / "data"


@pytest.fixture
def rebuilt(trained: Made, shipped: Path) -> originals.Rebuilt:
    shutil.copytree(trained.folder / "data", shipped)
    return dataclasses.replace(trained.shipped, path=shipped / "pretrained" / trained.shipped.path.name)


@pytest.fixture
def original(trained: Made, shipped: Path, tmp_path: Path) -> None:
    """Is in the cache already, so that it need not be trained."""
    shutil.copytree(trained.folder / "with original", tmp_path / "home", dirs_exist_ok=True)


@pytest.fixture(scope="module", autouse=True)
def quick_reference() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "reference", lambda challenge, **_: taking(1.0))
        yield


def same(first: Any, second: Any) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


# Whose it is


def test_without_an_entry_there_is_none(challenge: Challenge, shipped: Path) -> None:
    assert retrained.load(challenge) is None
    assert not retrained.available(challenge)


@pytest.mark.usefixtures("original")
def test_it_is_run_0_of_retrain_bit_for_bit(challenge: Challenge, rebuilt: originals.Rebuilt, shipped: Path) -> None:
    assert rebuilt.matches
    loaded = retrained.load(challenge)
    assert loaded is not None
    assert loaded.path == shipped / "pretrained" / "tiny-retrained.npz"
    assert retrained.available(challenge)
    seed = run_seed(0, "retrain", 0)
    run = unlearn("retrain", challenge, seed=seed, worker=Worker(challenge))
    assert same(loaded.weights, run.net.get_weights())
    assert not same(loaded.weights, originals.load(challenge).weights)
    population = run_population("retrain", challenge, num_models=1)
    assert population.seconds[0] > 0  # it was made
    outputs = Worker(challenge).outputs(loaded.weights, "retrain")
    for part in ("retain", "forget", "validation", "test"):
        np.testing.assert_array_equal(outputs.confidences[part], population.confidences[part][0])


def test_its_record_tells_the_split_and_how_good_it_is(
    challenge: Challenge, rebuilt: originals.Rebuilt, shipped: Path
) -> None:
    entry = json.loads((shipped / "registry.json").read_text())["retrained/tiny"]
    assert (entry["split"], entry["split_seed"], entry["split_sha256"]) == ("random:0.2", 0, challenge.split.sha256)
    assert entry["file"] == "pretrained/tiny-retrained.npz"
    assert (entry["sha256"], entry["bytes"]) == (files.sha256_of(rebuilt.path), rebuilt.path.stat().st_size)
    assert entry["accuracies"] == rebuilt.accuracies
    assert entry["recipe"]["seed"] == run_seed(0, "retrain", 0)
    assert sorted(path.name for path in (shipped / "pretrained").iterdir()) == ["tiny-retrained.npz"]


OTHERS: dict[str, Callable[[Challenge], Challenge]] = {
    "split": lambda _: tiny_challenge(forget="random:0.1"),
    "split seed": lambda _: tiny_challenge(split_seed=1),
    "class": lambda _: tiny_challenge(forget="class:1"),
    "recipe": lambda _: tiny_challenge(recipe=Recipe(epochs=3)),
    "batch size": lambda _: tiny_challenge(batch_size=32),
    "data": lambda first: dataclasses.replace(first, test=first.validation),
    "precision": lambda _: tiny_challenge(precision="bfloat16"),
    "name": lambda challenge: dataclasses.replace(challenge, name="other"),
}


@pytest.mark.parametrize("second", OTHERS)
def test_it_serves_no_other_challenge(challenge: Challenge, rebuilt: originals.Rebuilt, second: str) -> None:
    changed = OTHERS[second](challenge)
    assert retrained.load(changed) is None
    assert not retrained.available(changed)


@pytest.mark.usefixtures("original")
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "are damaged: the sha256 is"),
        (Path.unlink, "are missing"),
    ],
)
def test_a_damaged_file_is_told(
    challenge: Challenge, rebuilt: originals.Rebuilt, damage: Callable[[Path], Any], says: str
) -> None:
    damage(rebuilt.path)
    with pytest.raises(FailedRun, match=says) as caught:
        retrained.load(challenge)
    assert "git checkout data/pretrained" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(FailedRun, match=says):
        evaluation.evaluate_all(["original"], challenge)


def test_made_again_it_matches(
    challenge: Challenge, rebuilt: originals.Rebuilt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_EVERY_SECONDS", 0.0)
    again = retrained.rebuild(challenge)
    assert again.matches
    assert "bit for bit" in again.verdict
    assert again.path.parent == tmp_path / "home" / "pretrained"
    assert sorted(path.suffix for path in again.path.parent.iterdir()) == [".json", ".npz"]  # no state of a training
    assert again.path.read_bytes() == rebuilt.path.read_bytes()


# Built here


@pytest.fixture
def built(trained: Made, shipped: Path, tmp_path: Path) -> originals.Rebuilt:
    """One in the cache, as `kit pretrain NAME --retrained` leaves it, where none is shipped."""
    shutil.copytree(trained.folder / "with retrained", tmp_path / "home", dirs_exist_ok=True)
    path = tmp_path / "home" / trained.built.path.relative_to(trained.folder / "with retrained")
    return dataclasses.replace(trained.built, path=path)


@pytest.mark.usefixtures("original")
def test_one_that_was_built_here_serves_as_well(challenge: Challenge, built: originals.Rebuilt, shipped: Path) -> None:
    assert "nothing is recorded" in built.verdict
    assert not shipped.exists()
    loaded, seed = retrained.load(challenge), run_seed(retrained.SEED, "retrain", 0)
    assert loaded is not None
    assert same(loaded.weights, unlearn("retrain", challenge, seed=seed).net.get_weights())
    (_, row) = evaluation.evaluate_all(["original"], challenge).reports
    assert row.num_retrained == 1


@pytest.mark.parametrize("second", OTHERS)
def test_one_that_was_built_here_serves_no_other_challenge(
    challenge: Challenge, built: originals.Rebuilt, second: str
) -> None:
    assert retrained.load(OTHERS[second](challenge)) is None


def test_two_splits_have_one_each(challenge: Challenge, built: originals.Rebuilt) -> None:
    second = tiny_challenge(split_seed=1)
    path = retrained.rebuild(second).path
    assert path != built.path
    for which, expected in ((challenge, built.path), (second, path)):
        loaded = retrained.load(which)
        assert loaded is not None
        assert loaded.path == expected


def test_a_damaged_one_that_was_built_here_is_told(challenge: Challenge, built: originals.Rebuilt) -> None:
    built.path.write_bytes(built.path.read_bytes()[:-1])
    with pytest.raises(FailedRun, match=r"are damaged: .* run 'kit pretrain tiny --retrained' again") as caught:
        retrained.load(challenge)
    assert "\n" not in str(caught.value)
    built.path.with_suffix(".json").unlink()
    assert retrained.load(challenge) is None


def test_the_original_of_the_same_challenge_is_another_entry(
    challenge: Challenge, rebuilt: originals.Rebuilt, shipped: Path
) -> None:
    originals.rebuild(challenge, update_registry=True)
    assert list(originals.registry()) == ["retrained/tiny", "tiny"]
    assert same(originals.load(challenge).weights, list(files.read_npz(shipped / "pretrained" / "tiny.npz").values()))
    loaded = retrained.load(challenge)
    assert loaded is not None
    assert not same(loaded.weights, originals.load(challenge).weights)


def test_the_command_makes_it(challenge: Challenge, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = catalogue.Preset("for tests", small_arrays, "mlp", Recipe(epochs=2), 64, forget="random:0.2")
    monkeypatch.setitem(challenges.CHALLENGES, "tiny", preset)
    result = call("pretrain", "tiny", "--retrained", "--update-registry", "--json", "-")
    assert result.code == 0, result.err
    assert json.loads(result.out)["matches"]
    assert retrained.available(kit.load_challenge("tiny"))
    result = call("pretrain", "tiny", "--retrained")
    assert result.code == 0
    assert "bit for bit" in " ".join(result.out.split())


# What it is compared with


def by_method(reports: tuple[kit.Report, ...]) -> dict[str, dict[str, Any]]:
    rows = json.loads(json.dumps(report.to_json(reports), allow_nan=False))["reports"]
    return {row["method"]: row for row in rows}


@pytest.fixture(scope="module")
def evaluated(challenge: Challenge, trained: Made) -> evaluation.Evaluation:
    """One run of finetune, where the retrained model is shipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "data_folder", lambda: trained.folder / "data")
        patch.setenv("KIT_HOME", str(trained.folder / "with original"))
        return evaluation.evaluate_all(["finetune"], challenge)


def test_a_single_run_is_compared_with_it(evaluated: evaluation.Evaluation) -> None:
    rows = by_method(evaluated.reports)
    assert list(rows) == ["original", "finetune", "retrain"]
    assert [row["num_retrained"] for row in rows.values()] == [1, 1, 1]

    scores = rows["retrain"]["scores"]
    assert {name for name, score in scores.items() if "single retrained model" in score["reason"]} == RELATIVE
    for name in RELATIVE:
        assert (scores[name]["value"], scores[name]["stderr"], scores[name]["warnings"]) == (None, None, [])
    assert {info.name for info in scorers.infos() if info.relative} == RELATIVE
    assert (rows["retrain"]["seconds"], scores["time_ratio"]["value"]) == (None, None)
    assert "is a stored model" in scores["time_ratio"]["reason"]
    assert scores["forget_accuracy"]["value"] == scores["forget_accuracy"]["target"]
    assert scores["mia_auc"]["value"] == scores["mia_auc"]["target"]

    for name in ("original", "finetune"):
        scores = rows[name]["scores"]
        assert scores["mia_gap"]["value"] == pytest.approx(scores["mia_auc"]["value"] - scores["mia_auc"]["target"])
        assert scores["mia_gap"]["stderr"] > 0
        (warning,) = scores["mia_gap"]["warnings"]
        assert "single retrained model" in warning
        assert scores["tug_of_war"]["value"] is not None
        assert scores["tug_of_war"]["stderr"] is None
        assert rows[name]["seconds"] > 0
        assert scores["time_ratio"]["value"] > 0


def test_a_report_with_it_is_written_without_nan(evaluated: evaluation.Evaluation, tmp_path: Path) -> None:
    report.write_json(tmp_path / "report.json", evaluated.reports)
    text = (tmp_path / "report.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["reports"][-1]["seconds"] is None


CASES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "a fresh oracle": ({"fresh_oracle": True}, [6, 5]),
    "three retrained models": ({"num_retrained": 3}, [3, 2]),
    "several models": ({"num_models": 2}, [7, 5]),
}


@pytest.mark.usefixtures("original")
@pytest.mark.parametrize("case", CASES)
def test_where_more_are_asked_for_all_of_them_are_made(
    challenge: Challenge, rebuilt: originals.Rebuilt, tmp_path: Path, case: str
) -> None:
    options, compared = CASES[case]
    evaluation.evaluate_all(["original"], challenge, root=tmp_path / "runs")  # with the one that comes with the kit
    result = evaluation.evaluate_all(["original"], challenge, root=tmp_path / "runs", **options)
    rows = by_method(result.reports)
    assert [row["num_retrained"] for row in rows.values()] == compared
    assert not np.isnan(result.outputs["retrain"].seconds).any()
    assert rows["retrain"]["seconds"] > 0
    assert rows["retrain"]["scores"]["mia_gap"]["value"] is not None
    assert rows["retrain"]["scores"]["time_ratio"]["value"] > 0
    seeds = [run_seed(0, "retrain", number) for number in range(compared[0])]
    assert result.outputs["retrain"].seeds.tolist() == seeds


@pytest.mark.usefixtures("original")
def test_its_run_is_kept_under_a_name_of_its_own(
    challenge: Challenge, rebuilt: originals.Rebuilt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluated() -> list[str]:
        result = evaluation.evaluate_all(["original"], challenge, seed=4, root=tmp_path / "runs")
        assert np.isnan(result.outputs["retrain"].seconds).all()
        return sorted(path.parent.name for path in (tmp_path / "runs").rglob("done.json"))

    stored = f"stored-{files.sha256_of(rebuilt.path)[:16]}-run-0000"
    assert evaluated() == ["seed-4-run-0000", stored]
    (done,) = (tmp_path / "runs").rglob(f"{stored}/done.json")
    assert "seconds" not in json.loads(done.read_text())["content"]["cost"]
    monkeypatch.setattr(retrained, "load", lambda _: pytest.fail("what it says of each example is on disk"))
    assert len(evaluated()) == 2


@pytest.mark.usefixtures("original")
def test_another_seed_of_the_runs_is_compared_with_the_same_one(
    challenge: Challenge, rebuilt: originals.Rebuilt, evaluated: evaluation.Evaluation
) -> None:
    second = evaluation.evaluate_all(["original"], challenge, seed=9)
    np.testing.assert_array_equal(
        evaluated.outputs["retrain"].confidences["forget"], second.outputs["retrain"].confidences["forget"]
    )


@pytest.mark.usefixtures("original")
def test_an_oracle_comes_first(challenge: Challenge, rebuilt: originals.Rebuilt) -> None:
    oracles.build(challenge, num_models=8)
    result = evaluation.evaluate_all(["original"], challenge)
    assert [row["num_retrained"] for row in by_method(result.reports).values()] == [8, 7]
    assert not np.isnan(result.outputs["retrain"].seconds).any()
