"""`kit tune`: the settings of every method's search, its stages, its trace on disk, and what maintainers keep of it."""

from __future__ import annotations

import ast
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import processes
import pytest
from cli_helpers import call, one_paragraph

import kit
from kit import methods, rules, tuning
from kit.challenges import hyperparameters
from kit.methods import _facts
from kit.scorers.distance import retraining_distance
from kit.storage import files, seals
from kit.tuning import Search, Trial, bench, kept, settings
from kit.types import PARTS, Challenge, FailedRun, InputError, Outputs

SEARCHED = [name for name in methods.built_in() if methods.search_space(name)]
CHALLENGES = ("noisy-digits", "digits")


# The settings


@pytest.mark.parametrize("name", methods.built_in())
def test_a_search_space_is_about_the_method_s_own_settings(name: str) -> None:
    space, defaults = methods.search_space(name), _facts.hyperparameters(name)
    assert set(space) <= set(defaults)
    assert not space or not methods.trains_its_own(name)
    assert not space or name not in rules.LANDMARKS
    for setting, (kind, *ends) in space.items():
        assert kind in ("int", "log", "even", "one of")
        assert kind == "one of" or (len(ends) == 2 and ends[0] < ends[1])
        assert kind != "int" or isinstance(defaults[setting], int)


@pytest.mark.parametrize("challenge", CHALLENGES)
@pytest.mark.parametrize("name", SEARCHED)
def test_the_settings_are_those_that_the_stored_trace_has(name: str, challenge: str) -> None:
    outcome = kept.load(Search(name, challenge))
    if outcome is None:
        pytest.skip(f"{name} was not searched on {challenge} yet")
    stored = [trial.settings for trial in outcome.trials if not trial.present]
    assert len(outcome.trials) == tuning.NUM_TRIALS >= 64
    assert len(stored) >= tuning.NUM_TRIALS - 1
    proposed = spread(name, challenge)[: len(stored)]
    assert sorted(map(json.dumps, proposed)) == sorted(map(json.dumps, stored))


def spread(name: str, challenge: str) -> list[dict[str, Any]]:
    """The settings of a search beside the present ones, which a search may have changed since."""
    proposed = tuning.trials(Search(name, challenge, tuning.NUM_TRIALS + 1), kit.load_challenge(challenge))
    return [trial.settings for trial in proposed if not trial.present]


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_stored_traces_are_what_the_stages_make_of_their_scores(challenge: str) -> None:
    content = json.loads(kept.trace_file(challenge).read_text())
    assert content["stages"] == [list(stage) for stage in Search("finetune", challenge).stages()]
    assert content["criterion"] == "retraining_distance"
    assert set(content["methods"]) <= set(SEARCHED)
    for name in content["methods"]:
        outcome = kept.load(Search(name, challenge))
        scores = {json.dumps(trial.settings): trial.scores for trial in outcome.trials}
        begun = [outcome.present] if outcome.present else []
        begun += [Trial(settings) for settings in spread(name, challenge)[: tuning.NUM_TRIALS - len(begun)]]

        def score(pairs: Sequence[tuple[int, int]], begun: Any = begun, scores: Any = scores) -> list[float]:
            return [scores[json.dumps(begun[number].settings)][split] for number, split in pairs]

        again = tuning.staged(begun, Search(name, challenge).stages(), score)
        assert again == list(outcome.trials)
        assert [len(trial.scores) for trial in again] == [1] * (tuning.NUM_TRIALS - 16) + [3] * 12 + [10] * 4


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_the_present_settings_are_the_best_of_the_stored_trace(challenge: str) -> None:
    content = json.loads(kept.trace_file(challenge).read_text())
    present = kit.load_challenge(challenge).hyperparameters
    for name, tried in content["methods"].items():
        defaults = _facts.hyperparameters(name)
        assert defaults | dict(present.get(name, {})) == defaults | tried[-1]["settings"]


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_no_setting_is_there_without_the_trace_of_its_search(challenge: str) -> None:
    searched = json.loads(kept.trace_file(challenge).read_text())["methods"]
    assert set(hyperparameters.of_challenge(challenge)) <= set(searched)


def test_more_trials_begin_with_the_same_and_another_seed_draws_others() -> None:
    digits = kit.load_challenge("digits")
    few, many = (tuning.trials(Search("gradient_ascent", "any", number), digits) for number in (4, 9))
    assert many[:4] == few
    assert tuning.trials(Search("gradient_ascent", "any", 9), digits) == many
    other = tuning.trials(Search("gradient_ascent", "any", 9, seed=1), digits)
    assert other[0] == many[0]
    assert not [trial for trial in other[1:] if trial in many]


@pytest.mark.parametrize("name", SEARCHED)
def test_no_setting_costs_more_than_the_budget(name: str) -> None:
    """Not even one that another search has left behind."""
    digits = kit.load_challenge("digits")
    defaults, retraining = _facts.hyperparameters(name), digits.recipe.epochs * len(digits.split.retain)
    tried = tuning.trials(Search(name, "any"), digits)
    assert len(tried) == tuning.NUM_TRIALS == 64
    ratios = [_facts.passes(name, digits, defaults | trial.settings) / retraining for trial in tried]
    assert max(ratios) <= rules.TIME_BUDGET == 0.2
    dear = replace(digits, hyperparameters={name: {"epochs": 99}})
    if "epochs" in methods.search_space(name) and _facts.passes(name, digits, defaults | {"epochs": 99}) > retraining:
        assert not any(trial.present for trial in tuning.trials(Search(name, "any"), dear))


def test_settings_fill_the_space_more_evenly_than_random_ones() -> None:
    """Of 64 in two dimensions each of 64 equal fields has one, but for rounding; of random ones, 41 would have any."""
    space = {"epochs": ("int", 0, 7), "learning_rate": ("log", 1e-3, 1.0)}
    points = list(itertools.islice(settings._spread(Search("finetune", "any"), space), 64))
    fields = {(point["epochs"], int((np.log10(point["learning_rate"]) + 3) / 3 * 8)) for point in points}
    assert len(fields) >= 60


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "has no search space"),
        ({"epoch": ("int", 1, 3)}, "has 'epoch'"),
        ({"epochs": ("whole", 1, 3)}, "has the kind 'whole' for 'epochs'"),
        ({"epochs": ("int", 900, 1000)}, "cost more than 0.2 of a retraining"),
    ],
)
def test_a_search_space_that_makes_no_sense_is_refused(
    space: dict[str, Any], words: str, small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "search_space", lambda _: space)
    with pytest.raises(InputError, match=words):
        tuning.trials(Search("finetune", "any"), small_challenge)


@pytest.mark.parametrize("text", ["SEARCH_SPACE = dict(a=1)", "SEARCH_SPACE = 3", "SEARCH_SPACE = {'a': 3}"])
def test_a_search_space_that_is_no_plain_dictionary_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.setattr(methods, "path", lambda _: tmp_path / "mine.py")
    with pytest.raises(InputError, match=r"Expected a dictionary of plain values"):
        methods.search_space("mine")


# The stages


def test_fewer_settings_are_tried_on_more_splits() -> None:
    asked: list[tuple[int, int]] = []

    def score(pairs: Sequence[tuple[int, int]]) -> list[float]:
        asked.extend(pairs)
        return [-float(number) for number, _ in pairs]

    begun = [Trial({"number": number}) for number in range(64)]
    tried = tuning.staged(begun, Search("any", "any").stages(), score)
    assert len(asked) == len(set(asked)) == 64 + 16 * 2 + 4 * 7
    assert [trial.settings["number"] for trial in tried] == list(range(64))
    assert [trial.stage for trial in tried] == [1] * 48 + [2] * 12 + [3] * 4
    assert all(trial.scores == [] for trial in begun)


@pytest.mark.parametrize(("number", "stages"), [(1, [1, 1, 1]), (5, [5, 1, 1]), (16, [16, 4, 1]), (64, [64, 16, 4])])
def test_the_stages_follow_from_the_number_of_trials(number: int, stages: list[int]) -> None:
    assert Search("any", "any", number).stages() == tuple(zip(stages, (1, 3, 10), strict=True))


# The search, with scores that need no models


class Planted:
    """In place of `Bench`: a setting is as far from retraining as its learning rate, and a little on each split."""

    asked: ClassVar[list[int]] = []
    stops_after: int | None = None

    def __init__(self, search: Search, settings: Sequence[dict[str, Any]], first_split: int) -> None:
        assert first_split == tuning.FIRST_SPLIT
        self.settings = settings

    def run(self, task: int) -> float:
        number, split = divmod(task, bench.MOST_SPLITS)
        if number == len(self.settings):
            return 0.0
        if Planted.stops_after is not None and len(Planted.asked) >= Planted.stops_after:
            raise KeyboardInterrupt
        Planted.asked.append(task)
        return float(self.settings[number]["learning_rate"] + split / 1000)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> type[Planted]:
    monkeypatch.setattr(bench, "Bench", Planted)
    monkeypatch.setattr(Planted, "asked", [])
    return Planted


SEARCH = Search("finetune", "noisy-digits", num_trials=8, seed=1)


def test_the_best_setting_comes_last(planted: type[Planted]) -> None:
    outcome = tuning.tune(SEARCH)
    rates = [trial.settings["learning_rate"] for trial in outcome.trials]
    assert outcome.best.settings["learning_rate"] == min(rates)
    assert len(outcome.best.scores) == 10
    assert len(planted.asked) == 8 + 2 * 2 + 7


def test_present_settings_are_tried_where_they_are_cheap_enough(
    planted: type[Planted], monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = kit.load_challenge("digits")
    for epochs, are_tried in ((10, True), (11, False)):  # of fifty
        challenge = replace(digits, hyperparameters={"finetune": {"epochs": epochs}})
        monkeypatch.setattr(tuning.challenges, "load_challenge", lambda *_, of=challenge, **__: of)
        present = tuning.tune(SEARCH).present
        assert (present is not None) == are_tried
        assert present is None or present.settings["epochs"] == epochs


def test_a_forget_set_that_no_seed_draws_is_tried_once(planted: type[Planted], monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = kit.load_challenge("noisy-digits", forget="class:3")
    monkeypatch.setattr(tuning.challenges, "load_challenge", lambda *_, **__: challenge)
    assert [len(trial.scores) for trial in tuning.tune(SEARCH).trials] == [1] * 8
    assert len(planted.asked) == 8


@pytest.mark.parametrize("after", [0, 1, 7, 8, 11, 18])
def test_an_interrupted_search_goes_on_where_it_stopped(
    planted: type[Planted], after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "trace.json", tuning.tune(SEARCH)
    planted.asked.clear()
    monkeypatch.setattr(planted, "stops_after", after)
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(SEARCH, path=path)
    assert path.is_file() == (after > 0)
    monkeypatch.setattr(planted, "stops_after", None)
    assert tuning.tune(SEARCH, path=path) == whole
    assert len(planted.asked) == len(set(planted.asked)) == 19
    assert tuning.tune(SEARCH, path=path) == whole
    assert len(planted.asked) == 19
    assert [file.name for file in tmp_path.iterdir()] == ["trace.json"]


def test_more_trials_go_on_from_the_same_trace(planted: type[Planted], tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    tuning.tune(SEARCH, path=path)
    planted.asked.clear()
    more = replace(SEARCH, num_trials=10)
    assert tuning.tune(more, path=path) == tuning.tune(more)
    first_stage = [task for task in planted.asked[: len(planted.asked) // 2] if task % bench.MOST_SPLITS == 0]
    assert first_stage[:2] == [8 * bench.MOST_SPLITS, 9 * bench.MOST_SPLITS]


def test_a_trace_of_another_search_is_begun_anew_and_that_is_told(planted: type[Planted], tmp_path: Path) -> None:
    path, lines = tmp_path / "trace.json", list[str]()
    tuning.tune(SEARCH, path=path)
    planted.asked.clear()
    tuning.tune(replace(SEARCH, num_models=17), path=path, announce=lines.append)
    assert len(planted.asked) == 19
    assert [line for line in lines if "begun anew" in line]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"of": {}}'])
def test_a_file_that_is_no_trace_is_refused(planted: type[Planted], text: str, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(text)
    with pytest.raises(InputError, match="Expected a trace that 'kit tune' wrote"):
        tuning.tune(SEARCH, path=tmp_path / "trace.json")


# What a setting earns


def test_a_ruined_model_is_the_farthest(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    def population(method: str, *_: Any, **__: Any) -> Any:
        if method != "retrain":
            raise FailedRun("NaN")

    monkeypatch.setattr(bench.populations, "run_population", population)
    monkeypatch.setattr(bench.challenges, "load_challenge", lambda *_, **__: small_challenge)
    monkeypatch.setattr(bench.runner, "Worker", lambda challenge: type("Worker", (), {"challenge": challenge})())
    assert bench.Bench(SEARCH, [{"epochs": 1}], 100).run(0) == bench.RUINED > 1000


def test_one_worker_goes_from_split_to_split_with_the_challenge_and_the_settings_of_each(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its models are traced once; there are four retrained models to each unlearned one."""
    workers, seen = [], []

    def worker(challenge: Challenge) -> Any:
        workers.append(SimpleNamespace(challenge=challenge))
        return workers[-1]

    def population(method: str, challenge: Challenge, **options: Any) -> Any:
        assert options["worker"] is workers[0]
        settings = dict(challenge.hyperparameters.get("finetune", {}))
        seen.append((method, options["num_models"], challenge.split.seed, settings if method == "finetune" else {}))

    monkeypatch.setattr(bench.populations, "run_population", population)
    monkeypatch.setattr(
        bench.challenges,
        "load_challenge",
        lambda _, split_seed: replace(small_challenge, split=replace(small_challenge.split, seed=split_seed)),
    )
    monkeypatch.setattr(bench.runner, "Worker", worker)
    monkeypatch.setattr(bench, "judged", lambda outputs: outputs)
    monkeypatch.setattr(bench, "retraining_distance", lambda *_: 0.0)
    workbench = bench.Bench(Search("finetune", "any", num_models=5), [{"epochs": 1}, {"epochs": 2}], 100)
    for task in (0, 1, bench.MOST_SPLITS):
        workbench.run(task)
    assert len(workers) == 1
    assert seen == [
        population
        for seed, epochs in ((100, 1), (101, 1), (100, 2))
        for population in (("retrain", 20, seed, {}), ("finetune", 5, seed, {"epochs": epochs}))
    ]


def said(seed: int, shift: float = 0.0) -> Outputs:
    generator = np.random.default_rng(seed)
    confidences = {part: generator.normal(1 + shift, 1, size=(8, 40)) for part in PARTS}
    correct = {part: margins > 0 for part, margins in confidences.items()}
    labels = {part: np.zeros(40, int) for part in PARTS}
    logits = {part: np.zeros((2, 40, 3)) for part in PARTS}
    return Outputs("any", confidences, correct, labels, np.ones(8), np.arange(8), logits)


def test_a_setting_is_judged_without_the_test_set(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What models say there changes nothing, and does not even come to the criterion."""
    unlearned, retrained = said(0, 0.5), said(1)

    def distance(unlearned: Outputs, retrained: Outputs) -> float:
        both = {"retrain": retrained, "finetune": unlearned}
        monkeypatch.setattr(bench.populations, "run_population", lambda method, *_, **__: both[method])
        return bench.Bench(SEARCH, [{"epochs": 1}], 100).run(0)

    monkeypatch.setattr(bench.challenges, "load_challenge", lambda *_, **__: small_challenge)
    monkeypatch.setattr(bench.runner, "Worker", lambda challenge: SimpleNamespace(challenge=challenge))
    expected = distance(unlearned, retrained)
    assert expected == retraining_distance(unlearned, retrained)
    for part in PARTS:
        changed = dict(unlearned.confidences) | {part: unlearned.confidences[part] - 9}
        correct = dict(unlearned.correct) | {part: unlearned.correct[part] & False}
        other = replace(unlearned, confidences=changed, correct=correct)
        assert (distance(other, retrained) == expected) == (part == "test"), part
    for outputs in map(bench.judged, (unlearned, retrained)):
        assert set(outputs.confidences) == set(outputs.correct) == set(outputs.labels) == {*PARTS} - {"test"}
        assert not outputs.logits


def test_nothing_in_the_search_names_the_test_set() -> None:
    """Neither as a part of the data, nor as an attribute of a challenge."""
    files_of_search = sorted(Path(tuning.__file__).parent.glob("*.py"))
    assert {"__init__.py", "bench.py"} <= {path.name for path in files_of_search}
    for path in files_of_search:
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.value if isinstance(node, ast.Constant) else getattr(node, "attr", getattr(node, "id", ""))
            assert named != "test", f"{path.name}, line {node.lineno}"


# The command


def test_unknown_names_and_methods_that_are_not_searched_are_refused(tmp_path: Path) -> None:
    assert "Did you mean scrub" in one_paragraph(call("tune", "scrubs"))
    for name in ("retrain", "sisa"):
        message = one_paragraph(call("tune", name))
        assert f"The method '{name}' has no search space. Expected one of bad_teacher, " in message
    message = one_paragraph(call("tune", "finetune", "--challenge", "digit", "--out", tmp_path))
    assert "Did you mean digits" in message


def test_what_is_wrong_is_said_before_tensorflow_is_loaded() -> None:
    code = (
        "import sys; sys.argv = ['kit', 'tune', 'retrain']\nfrom kit import __main__\n"
        "try:\n    __main__.main()\nexcept SystemExit:\n    print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_shows_the_best_settings_and_writes_them_as_json(planted: type[Planted], tmp_path: Path) -> None:
    result = call("tune", "finetune", "l1_sparse", "--trials", "4", "--out", tmp_path, "--json", tmp_path / "tune.json")
    assert result.code == 0, result.err
    rows = json.loads((tmp_path / "tune.json").read_text())
    assert [row["method"] for row in rows] == ["finetune", "l1_sparse"]
    for row in rows:
        assert row["best"] == row["trials"][-1]["settings"]
        assert len(row["trials"]) == row["num_trials"] == 4
        assert f"learning_rate {row['best']['learning_rate']}" in " ".join(result.out.split())
    assert sorted(path.name for path in (tmp_path / "noisy-digits").iterdir()) == [
        "tuning-finetune-8-models.json",
        "tuning-l1_sparse-8-models.json",
    ]
    pure = call("tune", "finetune", "l1_sparse", "--trials", "4", "--out", tmp_path, "--json", "-")
    assert json.loads(pure.out) == rows


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data folder, which may be written to."""
    folder = tmp_path / "data"
    (folder / "results").mkdir(parents=True)
    for name in ("hyperparameters.toml", "results/tuning-noisy-digits.json"):
        (folder / name).write_bytes((files.data_folder() / name).read_bytes())
    monkeypatch.setattr(files, "data_folder", lambda: folder)
    return folder


def test_maintainers_keep_the_trace_and_the_best_settings(
    planted: type[Planted], checkout: Path, tmp_path: Path
) -> None:
    before = (checkout / "hyperparameters.toml").read_text()
    trace = checkout / "results" / "tuning-noisy-digits.json"
    content = seals.without_digest(json.loads(trace.read_text()))
    searched = set(content["methods"])
    assert call("tune", *searched, "--write", "--out", tmp_path).code == 0
    assert planted.asked == []  # they were searched before
    assert (checkout / "hyperparameters.toml").read_text() == before
    del content["methods"]["finetune"]
    trace.write_text(json.dumps(seals.with_digest(content)))
    assert call("tune", "finetune", "--write", "--out", tmp_path).code == 0
    tried = json.loads(trace.read_text())["methods"]["finetune"]
    assert len(tried) == 64
    settings = tomllib.loads((checkout / "hyperparameters.toml").read_text())["noisy-digits"]["finetune"]
    assert _facts.hyperparameters("finetune") | settings == _facts.hyperparameters("finetune") | tried[-1]["settings"]
    assert settings["learning_rate"] == min(trial["settings"]["learning_rate"] for trial in tried)
    assert set(json.loads(trace.read_text())["methods"]) == searched


@pytest.mark.parametrize("option", [("--trials", "8"), ("--num-models", "32"), ("--seed", "1")])
def test_another_budget_is_not_kept(option: tuple[str, str], checkout: Path, tmp_path: Path) -> None:
    message = one_paragraph(call("tune", "ssd", "--write", "--out", tmp_path, *option))
    assert "Expected a checkout of the kit, one of its challenges, and the budget of all methods: 64 trials" in message


# All of it


@pytest.mark.slow
def test_a_real_search_is_interrupted_and_goes_on(tmp_path: Path) -> None:
    """Of 8 models of either side on ten forget sets, for data whose models train in a tenth of a second."""
    generator, labels = np.random.default_rng(0), np.arange(240) % 3
    np.savez(tmp_path / "small.npz", x=generator.normal(size=(240, 6)) + labels[:, np.newaxis], y=labels)
    command = ["tune", "ssd", "--challenge", "small.npz", "--trials", "2", "--num-models", "8"]
    environment = os.environ | {"KIT_HOME": str(tmp_path / "home")}
    trace = tmp_path / "runs" / "small" / "tuning-ssd-8-models.json"
    process = processes.Forked("kit", command, tmp_path, environment)
    deadline = time.monotonic() + 300
    while not trace.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    interrupted = process.finish(60)
    assert interrupted.returncode == 130
    assert "Scores are kept: the same command goes on where it stopped" in interrupted.stderr
    scores = json.loads(trace.read_text())["content"]["scores"]
    done = processes.run("kit", *command, "--json", "-", folder=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(trace.read_text())["content"]["scores"][: len(scores)] == scores
    (row,) = json.loads(done.stdout)
    assert len(row["trials"]) == 2
    assert row["best"] == min(row["trials"], key=lambda trial: np.mean(trial["scores"]))["settings"]
