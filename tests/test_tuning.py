"""`kit tune`: the settings of every method's search, its stages, its trace on disk, and what maintainers keep of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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
from kit import files, methods, rules, seals, tuning
from kit.methods import _facts
from kit.tuning import Search, Trial, bench, kept
from kit.types import Challenge, FailedRun, InputError

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
    proposed = tuning.trials(Search(name, challenge), kit.load_challenge(challenge))
    stored = [trial.settings for trial in outcome.trials if not trial.present]
    assert len(proposed) == len(stored) + 1 == tuning.NUM_TRIALS
    assert proposed[0].present
    assert sorted(json.dumps(trial.settings) for trial in proposed[1:]) == sorted(map(json.dumps, stored))


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_stored_traces_are_what_the_stages_make_of_their_scores(challenge: str) -> None:
    content = json.loads(kept.trace_file(challenge).read_text())
    assert content["stages"] == [list(stage) for stage in Search("finetune", challenge).stages()]
    assert set(content["methods"]) <= set(SEARCHED)
    loaded = kit.load_challenge(challenge)
    for name in content["methods"]:
        outcome = kept.load(Search(name, challenge))
        scores = {json.dumps(trial.settings): trial.scores for trial in outcome.trials}
        begun = [outcome.present, *tuning.trials(Search(name, challenge), loaded)[1:]]

        def score(pairs: Sequence[tuple[int, int]], begun: Any = begun, scores: Any = scores) -> list[float]:
            return [scores[json.dumps(begun[number].settings)][split] for number, split in pairs]

        again = tuning.staged(begun, Search(name, challenge).stages(), score)
        assert again == list(outcome.trials)
        assert [len(trial.scores) for trial in again] == [1] * (tuning.NUM_TRIALS - 4) + [3, 3, 10, 10]
        assert (outcome.criterion == "accuracy_distance") == all(max(trial.scores) <= 0 for trial in outcome.trials)


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_the_present_settings_are_the_best_of_the_stored_trace(challenge: str) -> None:
    content = json.loads(kept.trace_file(challenge).read_text())
    present = kit.load_challenge(challenge).hyperparameters
    for name, tried in content["methods"].items():
        defaults = _facts.hyperparameters(name)
        assert defaults | dict(present.get(name, {})) == defaults | tried[-1]["settings"]


def test_more_trials_begin_with_the_same_and_another_seed_draws_others() -> None:
    digits = kit.load_challenge("digits")
    few, many = (tuning.trials(Search("salun", "any", number), digits) for number in (4, 9))
    assert many[:4] == few
    assert tuning.trials(Search("salun", "any", 9), digits) == many
    other = tuning.trials(Search("salun", "any", 9, seed=1), digits)
    assert other[0] == many[0]
    assert not [trial for trial in other[1:] if trial in many]


def test_no_setting_costs_too_much() -> None:
    digits = kit.load_challenge("digits")
    short = replace(digits, recipe=kit.Recipe(epochs=20))
    most = 0.4 * 20 * len(short.split.retain)
    defaults = _facts.hyperparameters("scrub")
    free, drawn = (tuning.trials(Search("scrub", "any", 30), challenge)[1:] for challenge in (digits, short))
    assert all(_facts.passes("scrub", short, defaults | trial.settings) <= most for trial in drawn)
    assert not all(_facts.passes("scrub", short, defaults | trial.settings) <= most for trial in free)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "has no search space"),
        ({"epoch": ("int", 1, 3)}, "has 'epoch'"),
        ({"epochs": ("whole", 1, 3)}, "has the kind 'whole' for 'epochs'"),
        ({"epochs": ("int", 900, 1000)}, "cost more than 0.4 of a retraining"),
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
        return [float(number) for number, _ in pairs]

    begun = [Trial({"number": number}) for number in range(16)]
    tried = tuning.staged(begun, Search("any", "any").stages(), score)
    assert len(asked) == len(set(asked)) == 16 + 4 * 2 + 2 * 7
    assert [trial.settings["number"] for trial in tried] == list(range(16))
    assert [trial.stage for trial in tried] == [1] * 12 + [2] * 2 + [3] * 2
    assert all(trial.scores == [] for trial in begun)


@pytest.mark.parametrize(("number", "stages"), [(1, [1, 1, 1]), (5, [5, 1, 1]), (8, [8, 2, 1]), (40, [40, 10, 5])])
def test_the_stages_follow_from_the_number_of_trials(number: int, stages: list[int]) -> None:
    assert Search("any", "any", number).stages() == tuple(zip(stages, (1, 3, 10), strict=True))


# The search, with scores that need no models


class Planted:
    """In place of `Bench`: a setting earns its learning rate, less a little on each further split."""

    asked: ClassVar[list[int]] = []
    stops_after: int | None = None
    zero = False

    def __init__(self, search: Search, criterion: str, settings: Sequence[dict[str, Any]], first_split: int) -> None:
        assert first_split == tuning.FIRST_SPLIT
        self.criterion, self.settings = criterion, settings

    def run(self, task: int) -> float:
        number, split = divmod(task, bench.MOST_SPLITS)
        if number == len(self.settings):
            return 0.0
        if Planted.stops_after is not None and len(Planted.asked) >= Planted.stops_after:
            raise KeyboardInterrupt
        Planted.asked.append(task)
        if Planted.zero and self.criterion == "competition_score":
            return 0.0
        return self.settings[number]["learning_rate"] * (-1 if Planted.zero else 1) - split / 1000


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> type[Planted]:
    monkeypatch.setattr(bench, "Bench", Planted)
    monkeypatch.setattr(Planted, "asked", [])
    return Planted


SEARCH = Search("finetune", "noisy-digits", num_trials=8, seed=1)


def test_the_best_setting_comes_last(planted: type[Planted]) -> None:
    outcome = tuning.tune(SEARCH)
    assert outcome.criterion == "competition_score"
    rates = [trial.settings["learning_rate"] for trial in outcome.trials]
    assert outcome.best.settings["learning_rate"] == max(rates)
    assert len(outcome.best.scores) == 10
    assert outcome.present.present
    assert len(planted.asked) == 8 + 2 * 2 + 7


def test_a_method_that_earns_nothing_is_searched_by_its_accuracies(planted: type[Planted]) -> None:
    planted.zero = True
    try:
        outcome = tuning.tune(SEARCH)
    finally:
        planted.zero = False
    assert outcome.criterion == "accuracy_distance"
    assert outcome.best.settings["learning_rate"] == min(trial.settings["learning_rate"] for trial in outcome.trials)


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


def test_a_ruined_model_earns_the_least(small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> None:
    def population(method: str, *_: Any, **__: Any) -> Any:
        if method != "retrain":
            raise FailedRun("NaN")

    monkeypatch.setattr(bench.populations, "run_population", population)
    monkeypatch.setattr(bench.challenges, "load_challenge", lambda *_, **__: small_challenge)
    monkeypatch.setattr(bench.runner, "Worker", lambda challenge: type("Worker", (), {"challenge": challenge})())
    for criterion, least in (("competition_score", 0.0), ("accuracy_distance", -1.0)):
        assert bench.Bench(SEARCH, criterion, [{"epochs": 1}], 100).run(0) == least


def test_one_worker_goes_from_split_to_split_with_the_challenge_and_the_settings_of_each(
    small_challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its models are traced once."""
    workers, seen = [], []

    def worker(challenge: Challenge) -> Any:
        workers.append(SimpleNamespace(challenge=challenge))
        return workers[-1]

    def population(method: str, challenge: Challenge, **options: Any) -> Any:
        assert options["worker"] is workers[0]
        assert options["worker"].challenge is challenge
        settings = dict(challenge.hyperparameters.get("finetune", {}))
        seen.append((method, challenge.split.seed, settings if method == "finetune" else {}))

    monkeypatch.setattr(bench.populations, "run_population", population)
    monkeypatch.setattr(
        bench.challenges,
        "load_challenge",
        lambda _, split_seed: replace(small_challenge, split=replace(small_challenge.split, seed=split_seed)),
    )
    monkeypatch.setattr(bench.runner, "Worker", worker)
    monkeypatch.setattr(bench, "accuracy_distance", lambda *_: 0.0)
    made = bench.Bench(Search("finetune", "any"), "accuracy_distance", [{"epochs": 1}, {"epochs": 2}], 100)
    for task in (0, 1, bench.MOST_SPLITS):
        made.run(task)
    assert len(workers) == 1
    assert seen == [
        pair
        for seed, epochs in ((100, 1), (101, 1), (100, 2))
        for pair in (("retrain", seed, {}), ("finetune", seed, {"epochs": epochs}))
    ]


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
        "tuning-finetune-16-models.json",
        "tuning-l1_sparse-16-models.json",
    ]
    pure = call("tune", "finetune", "l1_sparse", "--trials", "4", "--out", tmp_path, "--json", "-")
    assert json.loads(pure.out) == rows


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data folder, which may be written to."""
    folder = tmp_path / "data"
    (folder / "results").mkdir(parents=True)
    for name in ("hyperparameters.toml", "results/tuning-digits.json"):
        (folder / name).write_bytes((files.data_folder() / name).read_bytes())
    monkeypatch.setattr(files, "data_folder", lambda: folder)
    return folder


def test_maintainers_keep_the_trace_and_the_best_settings(
    planted: type[Planted], checkout: Path, tmp_path: Path
) -> None:
    before = (checkout / "hyperparameters.toml").read_text()
    assert call("tune", "ssd", "--challenge", "digits", "--write", "--out", tmp_path).code == 0
    assert planted.asked == []  # it was searched before
    assert (checkout / "hyperparameters.toml").read_text() == before
    trace = checkout / "results" / "tuning-digits.json"
    content = seals.without_digest(json.loads(trace.read_text()))
    searched = set(content["methods"])
    del content["methods"]["finetune"]
    trace.write_text(json.dumps(seals.with_digest(content)))
    assert call("tune", "finetune", "--challenge", "digits", "--write", "--out", tmp_path).code == 0
    tried = json.loads(trace.read_text())["methods"]["finetune"]
    assert len(tried) == 16
    after = (checkout / "hyperparameters.toml").read_text()
    assert f"[digits.finetune]\nepochs = {tried[-1]['settings']['epochs']}\n" in after
    assert set(json.loads(trace.read_text())["methods"]) == searched


@pytest.mark.parametrize("option", [("--trials", "8"), ("--num-models", "32"), ("--seed", "1")])
def test_another_budget_is_not_kept(option: tuple[str, str], checkout: Path, tmp_path: Path) -> None:
    message = one_paragraph(call("tune", "ssd", "--challenge", "digits", "--write", "--out", tmp_path, *option))
    assert "Expected a checkout of the kit, one of its challenges, and the budget of all methods: 16 trials" in message


# All of it


@pytest.mark.slow
def test_a_real_search_is_interrupted_and_goes_on(tmp_path: Path) -> None:
    """Of 8 models of either side on ten forget sets, for data whose models train in a tenth of a second."""
    generator, labels = np.random.default_rng(0), np.arange(240) % 3
    np.savez(tmp_path / "small.npz", x=generator.normal(size=(240, 6)) + labels[:, np.newaxis], y=labels)
    command = ["tune", "ssd", "--challenge", "small.npz", "--trials", "2", "--num-models", "8"]
    environment = os.environ | {"KIT_HOME": str(tmp_path / "home")}
    trace = tmp_path / "runs" / "small" / "tuning-ssd-8-models.json"
    interrupted = [sys.executable, "-m", "kit", *command]
    with subprocess.Popen(interrupted, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not trace.is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Scores are kept: the same command goes on where it stopped" in error
    scores = json.loads(trace.read_text())["content"]["scores"]
    done = processes.run("kit", *command, "--json", "-", folder=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(trace.read_text())["content"]["scores"][: len(scores)] == scores
    (row,) = json.loads(done.stdout)
    assert row["criterion"] == "accuracy_distance"  # its models are all the same
    assert len(row["trials"]) == 2
