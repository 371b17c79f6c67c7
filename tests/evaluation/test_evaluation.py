"""From methods to reports: who is compared with whom, on which examples, and what the reports record."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from retrainings import taking
from sklearn.metrics import accuracy_score, roc_auc_score
from tqdm import tqdm

import kit
from kit import evaluation, rules
from kit.challenges.splits import make_split
from kit.evaluation import attack_sample, evaluate, evaluate_all, table
from kit.machine import threads
from kit.runs import copies, oracles, originals, timing
from kit.runs import population as runs
from kit.runs.population import Request
from kit.scorers import _logistic_attack, membership_inference
from kit.scorers.membership_inference import membership_auc_gap
from kit.submission.entry import Entry
from kit.submission.source import method_name
from kit.toolbox.inference import predict_logits
from kit.types import PARTS, Arrays, Challenge, Cost, FailedRun, InputError, Outputs, Report, Score

Drawn = tuple[np.ndarray, np.ndarray, str]

pytestmark = [
    pytest.mark.usefixtures("shared_workers"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3 with NumPy 2.4
]


# Members and non-members


def tabular(forget: str, *, split_seed: int = 0, examples: int = 800, **columns: Any) -> Challenge:
    """Four classes of 40, 30, 20 and 10 %, in the order of a fixed shuffle."""
    labels = np.random.default_rng(1).permutation(np.arange(examples) % 10)
    labels = np.digitize(labels, [4, 7, 9])
    arrays = Arrays(np.zeros((examples, 2)), labels, **columns)
    return kit.make_challenge("tabular", arrays, forget=forget, split_seed=split_seed)


def check_sample(challenge: Challenge, sample: Drawn, candidates: np.ndarray) -> None:
    """Equal numbers without duplicates, of each class as many as both sides have."""
    members, nonmembers, reason = sample
    assert reason == ""
    member_labels = challenge.train.y[challenge.split.forget][members]
    nonmember_labels = challenge.test.y[nonmembers]
    available = Counter(challenge.train.y[challenge.split.forget].tolist()) & Counter(
        challenge.test.y[candidates].tolist()
    )
    assert Counter(member_labels.tolist()) == Counter(nonmember_labels.tolist()) == available
    assert len(set(members.tolist())) == len(members) == len(set(nonmembers.tolist())) == len(nonmembers) >= 20
    assert set(nonmembers.tolist()) <= set(candidates.tolist())


@pytest.mark.parametrize("forget", ["random:0.1", "random:0.5", "stratified:0.15"])
def test_random_forget_sets_are_held_against_test_examples_of_the_same_classes(forget: str) -> None:
    challenge = tabular(forget)
    check_sample(challenge, attack_sample(challenge), np.arange(len(challenge.test)))


def test_the_sample_depends_on_the_seed_of_the_split() -> None:
    first, again = (attack_sample(tabular("random:0.5")) for _ in range(2))
    for indices, expected in zip(first, again, strict=True):
        np.testing.assert_array_equal(indices, expected)
    challenge = tabular("random:0.5")
    reseeded = dataclasses.replace(challenge, split=dataclasses.replace(challenge.split, seed=1))
    assert not np.array_equal(attack_sample(reseeded)[0], first[0])


@pytest.mark.parametrize(("forget", "listed"), [("class:1", "class 1"), ("class:0,3", "class 0, 3")])
def test_whole_classes_cannot_be_attacked(forget: str, listed: str) -> None:
    members, nonmembers, reason = attack_sample(tabular(forget))
    assert len(members) == len(nonmembers) == 0
    assert reason.startswith(f"{listed} is forgotten altogether")


@pytest.mark.parametrize("forget", ["group:eve", "group:bob, eve"])
def test_groups_are_held_against_test_examples_of_the_same_groups(forget: str) -> None:
    groups = np.array(["ann", "bob", "cat", "eve"])[np.random.default_rng(2).integers(0, 4, 1200)]
    challenge = tabular(forget, examples=1200, groups=groups)
    wanted = {"eve"} if forget == "group:eve" else {"bob", "eve"}
    candidates = np.array([index for index, group in enumerate(challenge.test.groups) if group in wanted])
    assert 0 < len(candidates) < len(challenge.test)
    check_sample(challenge, attack_sample(challenge), candidates)


def test_a_comma_in_the_name_of_a_group_does_not_make_two_of_it() -> None:
    """Nobody else's examples are non-members: not those of a Doe, nor of a Jane."""
    groups = np.array(["Doe, Jane", "Doe", "Jane"])[np.random.default_rng(2).integers(0, 3, 1200)]
    challenge = tabular('group:"Doe, Jane"', examples=1200, groups=groups)
    assert set(challenge.train.groups[challenge.split.forget]) == {"Doe, Jane"}
    check_sample(challenge, attack_sample(challenge), np.flatnonzero(challenge.test.groups == "Doe, Jane"))


def test_groups_may_be_numbers() -> None:
    challenge = tabular("group:7", groups=np.arange(800) % 3 + 6)
    candidates = np.flatnonzero(challenge.test.groups == 7)
    check_sample(challenge, attack_sample(challenge), candidates)


def test_a_group_that_holds_all_of_a_class_cannot_be_attacked() -> None:
    groups = np.random.default_rng(1).permutation(np.arange(800) % 10) >= 9  # the rarest class
    challenge = tabular("group:1", groups=groups.astype(int))
    assert set(challenge.labels("forget")) == {3}
    assert attack_sample(challenge)[2].startswith("class 3 is forgotten altogether")


def test_a_rare_class_that_is_forgotten_altogether_does_not_cost_the_attack_on_the_others() -> None:
    labels = np.arange(800) % 2
    labels[[5, 400]] = 2  # one example in training, one in the test set
    partition = np.repeat([0, 1, 2], [300, 100, 400])
    arrays = Arrays(np.zeros((800, 2)), labels)
    challenge = kit.make_challenge("rare", arrays, partition=partition, forget=np.arange(40))
    members, nonmembers, reason = attack_sample(challenge)
    assert reason == ""
    assert Counter(challenge.labels("forget")[members].tolist()) == {0: 20, 1: 19}
    assert Counter(challenge.test.y[nonmembers].tolist()) == {0: 20, 1: 19}


def test_mislabelled_examples_are_held_against_mislabelled_test_examples() -> None:
    challenge = tabular("mislabelled", mislabelled=np.random.default_rng(3).random(800) < 0.3)
    candidates = np.flatnonzero(challenge.test.mislabelled)
    assert 0 < len(candidates) < len(challenge.test)
    check_sample(challenge, attack_sample(challenge), candidates)


def test_groups_and_wrong_labels_do_not_narrow_the_candidates_of_a_random_forget_set() -> None:
    challenge = tabular("random:0.5", mislabelled=np.random.default_rng(3).random(800) < 0.3, groups=np.arange(800) % 5)
    check_sample(challenge, attack_sample(challenge), np.arange(len(challenge.test)))


@pytest.mark.parametrize("count", [19, 20])
def test_twenty_pairs_are_needed(count: int) -> None:
    partition = np.arange(400) % 3
    arrays = Arrays(np.zeros((400, 2)), np.arange(400) % 2)
    challenge = kit.make_challenge("few", arrays, partition=partition, forget=f"random:{count}")
    members, nonmembers, reason = attack_sample(challenge)
    if count == 20:
        assert (len(members), len(nonmembers), reason) == (20, 20, "")
    else:
        assert (len(members), len(nonmembers)) == (0, 0)
        assert reason.startswith("only 19 pairs")


def test_a_group_with_few_test_examples_cannot_be_attacked(small_challenge: Challenge) -> None:
    split = make_split(small_challenge.train, "group:3")
    members, nonmembers, reason = attack_sample(dataclasses.replace(small_challenge, split=split))
    assert len(members) == len(nonmembers) == 0
    assert "the attack needs 20" in reason


# Whom each row is compared with, on planted populations


class Planted:
    """Stands in for `kit.runs.population.run_entry`.

    Its models have random logits; model i has the first 5 i + 4 forget examples right.
    """

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self, entry: Entry, challenge: Challenge, original: Any, request: Request, engine: Any, **settings: Any
    ) -> Outputs:
        name, models = entry.name, request.num_models
        self.calls.append({"name": name, "engine": engine, **vars(request)})
        generator = np.random.default_rng(len(self.calls))
        labels = {part: challenge.labels(part) for part in PARTS}
        logits = {part: generator.normal(size=(models, len(labels[part]), 3)) for part in PARTS}
        for model in range(models):
            for example, label in enumerate(labels["forget"]):
                wrong, right = (label + 1) % 3, label
                logits["forget"][model, example, right if example < 5 * model + 4 else wrong] = 4
        outputs = Outputs.of_logits(name, logits, labels, seconds=np.arange(1, models + 1), seeds=np.arange(models))
        costs = tuple(Cost(seconds, cpu_seconds=2 * seconds, passes=seconds) for seconds in range(1, models + 1))
        return dataclasses.replace(outputs, costs=costs)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    population = Planted()
    original = SimpleNamespace(sha256="0" * 64, model="mlp")
    monkeypatch.setattr(runs, "run_entry", population)
    monkeypatch.setattr(table, "original_of", lambda challenge, training: original)
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(10.0))
    monkeypatch.setattr(_logistic_attack, "mia_accuracy", lambda *losses: 0.5)
    monkeypatch.setattr(membership_inference, "mia_accuracy_stderr", lambda *losses: 0.5)
    monkeypatch.setattr(membership_inference, "mia_accuracy_null_band", lambda *losses: (0.4, 0.6))
    return population


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is run: scores of a population take seconds."""
    monkeypatch.setattr(evaluation.scoring, "score", lambda comparison, folder, **_: {})


@pytest.fixture(scope="module")
def challenge(small_challenge: Challenge) -> Challenge:
    """The small challenge with a forget set that is large enough to be attacked."""
    return dataclasses.replace(small_challenge, split=make_split(small_challenge.train, "stratified:0.3"))


def blank(net: keras.Model, retain: Any, forget: Any, validation: Any) -> keras.Model:
    """Forgets everything: all weights are 0, all logits too."""
    net.set_weights([np.zeros_like(array) for array in net.get_weights()])
    return net


def rows(reports: Sequence[Report]) -> list[str]:
    return [report.method for report in reports]


@pytest.mark.usefixtures("unscored")
def test_original_comes_first_and_retrain_last(planted: Planted, challenge: Challenge, tmp_path: Path) -> None:
    result = evaluate_all(["retrain", blank, "original", "finetune"], challenge, num_models=2, seed=7, root=tmp_path)
    assert rows(result.reports) == ["original", "blank", "finetune", "retrain"]
    assert [(call["name"], call["num_models"]) for call in planted.calls] == [
        ("original", 2),
        ("blank", 2),
        ("finetune", 2),
        ("retrain", 7),
    ]
    assert {call["seed"] for call in planted.calls} == {7}
    assert {call["root"] for call in planted.calls} == {tmp_path}
    assert {name: outputs.num_models for name, outputs in result.outputs.items()} == {
        "original": 2,
        "blank": 2,
        "finetune": 2,
        "retrain": 7,
    }


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize("identifiers", [[], ["original"], ["retrain"]])
def test_both_rows_are_there_unasked(planted: Planted, challenge: Challenge, identifiers: list[str]) -> None:
    assert rows(evaluate_all(identifiers, challenge).reports) == ["original", "retrain"]


@pytest.mark.usefixtures("unscored")
def test_an_original_of_other_images_marks_the_report(
    planted: Planted, challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "doubt", lambda challenge, original: f"Other images than {original.sha256[:3]}.")
    result = evaluate_all(["finetune"], challenge, num_models=2)
    assert result.reports[0].warnings == ("Other images than 000.",)
    assert [row.warnings for row in result.reports[1:]] == [(), ()]


@pytest.mark.usefixtures("unscored")
def test_a_method_named_twice_is_run_once(planted: Planted, challenge: Challenge) -> None:
    result = evaluate_all(["finetune", blank, "finetune", blank, "retrain", "retrain"], challenge)
    assert rows(result.reports) == ["original", "finetune", "blank", "retrain"]
    assert [call["name"] for call in planted.calls] == ["original", "finetune", "blank", "retrain"]


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize(
    "error",
    [FailedRun("No shard"), InputError("No shard"), np.linalg.LinAlgError("No shard"), TypeError("No shard")],
)
def test_an_original_that_cannot_be_trained_costs_the_rows_that_start_from_it_alone(
    planted: Planted, challenge: Challenge, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = table.original_of

    def original_of(challenge: Challenge, training: str) -> Any:
        if training == "sisa":
            raise error
        return usual(challenge, training)

    monkeypatch.setattr(table, "original_of", original_of)
    result = evaluate_all(["sisa", "finetune"], challenge)
    assert rows(result.reports) == ["original", "finetune", "retrain"]
    assert list(result.failures) == ["sisa"]
    assert "No shard" in str(result.failures["sisa"])
    with pytest.raises((FailedRun, InputError), match="No shard"):
        evaluate_all(["sisa"], challenge)


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize("error", [FailedRun("NaN weights"), InputError("'scrub' is for classification")])
def test_a_method_that_fails_costs_its_own_row_alone(
    planted: Planted, challenge: Challenge, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_entry(entry: Entry, *arguments: Any, **settings: Any) -> Outputs:
        if entry.name == "scrub":
            raise error
        return planted(entry, *arguments, **settings)

    monkeypatch.setattr(runs, "run_entry", run_entry)
    result = evaluate_all(["scrub", "finetune"], challenge)
    assert rows(result.reports) == ["original", "finetune", "retrain"]
    assert {name: str(failure) for name, failure in result.failures.items()} == {"scrub": str(error)}
    with pytest.raises(type(error)):
        evaluate_all(["scrub"], challenge)


def test_single_and_several_are_told_apart(challenge: Challenge) -> None:
    for single in ("finetune", Path("mine.py"), blank):
        with pytest.raises(InputError, match=r"Expected a list .*kit\.evaluate for a single one"):
            evaluate_all(single, challenge)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\['finetune'\] is no method.*kit\.evaluate_all"):
        evaluate(["finetune"], challenge)  # type: ignore[arg-type]


def test_two_methods_of_one_name_are_refused(planted: Planted, challenge: Challenge, tmp_path: Path) -> None:
    file = tmp_path / "blank.py"
    file.write_text("def unlearning(net, retain, forget, validation):\n    return net\n")

    def renamed(name: str) -> Any:
        def method(net: keras.Model, retain: Any, forget: Any, validation: Any) -> keras.Model:
            return net

        method.__name__ = name
        return method

    refused = [[blank, renamed("blank")], [renamed("original")], [renamed("finetune")], [blank, file]]
    for identifiers in refused:
        with pytest.raises(InputError, match="Expected methods of different names"):
            evaluate_all(identifiers, challenge)
    assert planted.calls == []


@pytest.mark.parametrize("num_models", [1, 2, 4])
def test_every_row_but_retrain_is_compared_with_all_retrained_models(
    planted: Planted, challenge: Challenge, num_models: int
) -> None:
    """Model i has the first 5 i + 4 forget examples right, so that every mean tells which models it is of."""
    result = evaluate_all(["finetune"], challenge, num_models=num_models, num_retrained=6)
    examples = len(challenge.split.forget)
    right = np.array([5 * model + 4 for model in range(6)]) / examples
    for report in result.reports:
        score = report.scores["forget_accuracy"]
        shown, others = np.arange(num_models), np.arange(6)
        if report.method == "retrain":  # every other model, at most half of them, against the rest
            shown = np.arange(0, 6, 2)[:num_models]
            others = np.setdiff1d(others, shown)
        assert score.value == pytest.approx(right[shown].mean(), abs=1e-12), report.method
        assert score.target == pytest.approx(right[others].mean(), abs=1e-12), report.method
        assert (report.num_models, report.num_retrained) == (len(shown), len(others))
        assert report.seconds == (shown + 1).mean()
        assert report.scores["time_ratio"].value == pytest.approx(2 * report.seconds / 10, rel=1e-12)


def losses_by_hand(outputs: Outputs, part: str, indices: np.ndarray) -> np.ndarray:
    logits = outputs.logits[part].astype(float)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return -np.log(probabilities[:, np.arange(len(outputs.labels[part])), outputs.labels[part]])[:, indices]


@pytest.mark.parametrize("num_models", [1, 3])
def test_attacks_leave_out_the_retrained_models_that_are_shown(
    planted: Planted, challenge: Challenge, num_models: int
) -> None:
    result = evaluate_all([], challenge, num_models=num_models)
    members, nonmembers, _ = attack_sample(challenge)

    def losses(method: str) -> list[np.ndarray]:
        pairs = (("forget", members), ("test", nonmembers))
        return [losses_by_hand(result.outputs[method], part, indices) for part, indices in pairs]

    def aucs(sides: list[np.ndarray]) -> np.ndarray:
        labels = np.repeat([1, 0], len(members))
        return np.array([roc_auc_score(labels, -np.concatenate(pair)) for pair in zip(*sides, strict=True)])

    original, retrain = result.reports
    retrained = losses("retrain")
    count = len(retrained[0])
    chosen = np.arange(0, count, 2)[: min(num_models, count // 2)]
    shown, rest = ([side[models] for side in retrained] for models in (chosen, np.setdiff1d(np.arange(count), chosen)))
    for report, own, others in ((original, losses("original"), retrained), (retrain, shown, rest)):
        auc, gap = report.scores["mia_auc"], report.scores["mia_gap"]
        assert auc.value == pytest.approx(aucs(own).mean(), abs=1e-9)
        assert auc.target == pytest.approx(aucs(others).mean(), abs=1e-9)
        assert gap.value == pytest.approx(aucs(own).mean() - aucs(others).mean(), abs=1e-9)
        assert gap.stderr == pytest.approx(membership_auc_gap(tuple(own), tuple(others))[1], rel=1e-5)
    assert abs(aucs(shown).mean() - aucs(rest).mean()) > 0.01  # the planted models differ, so the checks above can fail


def test_rows_share_what_is_computed_of_the_retrained_models(
    planted: Planted, challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked, attack = [], membership_inference._attacked
    monkeypatch.setattr(
        membership_inference,
        "_attacked",
        lambda outputs, *sample: attacked.append(outputs.num_models) or attack(outputs, *sample),
    )
    evaluate_all([blank, "finetune", "scrub"], challenge, num_retrained=8)
    assert attacked == [8, 7]  # of four rows, then of those that the row 'retrain' is compared with


@pytest.mark.parametrize("is_set", [True, False])
def test_a_report_says_that_tensorflow_computed_before_the_kit_came(
    planted: Planted, challenge: Challenge, monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    monkeypatch.setattr(threads, "are_set", lambda: is_set)
    original = evaluate_all([blank], challenge, num_retrained=6).reports[0]
    assert any("before the kit was imported" in warning for warning in original.warnings) != is_set
    assert (original.machine["threads"] == "not set by the kit") != is_set


def test_a_bar_counts_the_scores_of_all_rows_whether_computed_or_at_hand(
    planted: Planted, challenge: Challenge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bars = []

    class Bar(tqdm):
        def __init__(self, **settings: Any) -> None:
            super().__init__(total=settings["total"], disable=True)
            self.asked, self.steps = settings, []
            bars.append(self)

        def update(self, n: float = 1) -> None:
            self.steps.append(n)
            self.n += n

    monkeypatch.setattr(evaluation.scoring, "progress", Bar)
    for _ in range(2):
        evaluate_all([blank], challenge, num_retrained=6, root=tmp_path)
        planted.calls.clear()  # so that the same outputs are planted again
    total = 3 * len(kit.scorers.names())
    assert [sum(bar.steps) for bar in bars] == [bar.asked["total"] for bar in bars] == [total, total]
    assert len(bars[0].steps) > len(bars[1].steps) == 3  # family by family, then row by row


@pytest.mark.parametrize("num_retrained", [0, 1, 2])
def test_too_few_retrained_models_are_refused_before_anything_is_run(
    planted: Planted, challenge: Challenge, num_retrained: int
) -> None:
    lines: list[str] = []
    with pytest.raises(InputError, match=r"Expected 3 or more.*Raise num_retrained"):
        evaluate_all(["finetune"], challenge, num_retrained=num_retrained, announce=lines.append)
    with pytest.raises(InputError, match=r"Raise num_retrained"):
        evaluate("finetune", challenge, num_retrained=num_retrained)
    assert lines == []
    assert planted.calls == []


@pytest.mark.parametrize(("num_models", "expected"), [(1, 6), (2, 7), (7, 12), (8, 16), (11, 16), (20, 25)])
def test_as_many_models_are_retrained_as_the_comparison_needs(
    planted: Planted, challenge: Challenge, num_models: int, expected: int
) -> None:
    result = evaluate_all([], challenge, num_models=num_models)
    assert result.outputs["retrain"].num_models == expected
    row = result.reports[-1]
    assert row.num_models == min(num_models, expected // 2)
    assert (row.scores["forgetting_score"].value is not None) == (num_models >= 8)


# Oracles that come with the kit


def shipped(planted: Planted, monkeypatch: pytest.MonkeyPatch, challenge: Challenge, models: int = 24) -> Outputs:
    oracle = dataclasses.replace(
        planted(Entry("retrain"), challenge, None, Request(models), None), seconds=np.full(models, 99.0)
    )
    planted.calls.clear()
    monkeypatch.setattr(oracles, "load", lambda given: oracle if given is challenge else None)
    return oracle


def test_where_an_oracle_ships_only_one_model_is_retrained_for_its_time(
    planted: Planted, challenge: Challenge, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = shipped(planted, monkeypatch, challenge)
    result = evaluate_all(["finetune"], challenge, num_models=8)
    assert [(call["name"], call["num_models"]) for call in planted.calls] == [
        ("original", 8),
        ("finetune", 8),
        ("retrain", 1),
    ]
    used = result.outputs["retrain"]
    np.testing.assert_array_equal(used.confidences["forget"], oracle.confidences["forget"])
    assert set(used.seconds.tolist()) == {1.0}  # of the model that was retrained here
    assert [report.num_retrained for report in result.reports] == [24, 24, 16]
    assert result.reports[-1].scores["time_ratio"].value == pytest.approx(0.2)
    assert result.reports[-1].scores["time_ratio"].stderr is None


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize(
    ("settings", "retrained"),
    [
        ({"fresh_oracle": True}, 6),
        ({"num_models": 25}, 30),  # more than the oracle has
        ({"num_retrained": 25}, 25),
        ({"num_retrained": 10}, 1),
    ],
)
def test_an_oracle_is_not_used_where_it_is_not_wanted_or_too_small(
    planted: Planted,
    challenge: Challenge,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    retrained: int,
) -> None:
    shipped(planted, monkeypatch, challenge)
    result = evaluate_all([], challenge, **settings)
    assert planted.calls[-1]["num_models"] == retrained
    assert result.outputs["retrain"].num_models == settings.get("num_retrained", max(24 * (retrained == 1), retrained))


@pytest.mark.usefixtures("unscored")
def test_functions_go_to_other_processes_only_where_that_is_asked_for(planted: Planted, challenge: Challenge) -> None:
    evaluate_all([blank, "finetune"], challenge, num_models=16)
    assert {call["name"]: getattr(call["engine"], "name", call["engine"]) for call in planted.calls} == {
        "original": "processes",
        "blank": "serial",
        "finetune": "processes",
        "retrain": "processes",
    }
    planted.calls.clear()
    evaluate_all([blank], challenge, workers=2)
    assert {getattr(call["engine"], "name", call["engine"]) for call in planted.calls} == {"processes"}


@pytest.mark.usefixtures("unscored")
def test_two_references_are_the_fewest(planted: Planted, challenge: Challenge) -> None:
    retrain = evaluate_all([], challenge, num_models=2, num_retrained=4).reports[-1]
    assert (retrain.num_models, retrain.num_retrained) == (2, 2)


@pytest.mark.usefixtures("unscored")
def test_announcements_name_each_population(planted: Planted, challenge: Challenge) -> None:
    lines: list[str] = []
    evaluate_all([blank], challenge, announce=lines.append)
    assert lines[1:] == ["original: 1 model", "blank: 1 model", "retrain: 6 models", "scoring"]
    assert "retrain" in lines[0]


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize("identifier", ["original", "finetune", "retrain", blank])
def test_evaluate_returns_the_row_of_its_method(planted: Planted, challenge: Challenge, identifier: Any) -> None:
    report = evaluate(identifier, challenge, num_models=2, seed=4, num_retrained=5)
    assert report.method == method_name(identifier)
    assert (report.num_models, report.seed) == (2, 4)
    assert report.num_retrained == (3 if identifier == "retrain" else 5)


# Real models


@pytest.fixture(scope="module")
def result(challenge: Challenge) -> kit.Evaluation:
    return evaluate_all([blank, "finetune"], challenge, seed=3, num_retrained=3)


def timeless(report: Report) -> tuple[Report, dict[str, Score]]:
    """A report without durations."""
    scores = {name: score for name, score in report.scores.items() if not name.startswith("time_ratio")}
    return dataclasses.replace(report, seconds=0.0, cpu_seconds=0.0, tracing_seconds=0.0, scores={}), scores


@pytest.mark.slow
def test_the_same_seed_gives_the_same_reports_whatever_else_is_run(
    result: kit.Evaluation, challenge: Challenge
) -> None:
    assert rows(result.reports) == ["original", "blank", "finetune", "retrain"]
    again = evaluate_all(["finetune"], challenge, seed=3, num_retrained=3)
    assert rows(again.reports) == ["original", "finetune", "retrain"]
    without_blank = [report for report in result.reports if report.method != "blank"]
    assert [timeless(report) for report in again.reports] == [timeless(report) for report in without_blank]


@pytest.mark.usefixtures("unscored")
def test_another_seed_gives_other_models_but_the_same_original(result: kit.Evaluation, challenge: Challenge) -> None:
    other = evaluate_all(["finetune"], challenge, seed=4, num_retrained=3)
    for name in ("finetune", "retrain"):
        assert not np.array_equal(other.outputs[name].logits["test"], result.outputs[name].logits["test"])
    np.testing.assert_array_equal(other.outputs["original"].logits["test"], result.outputs["original"].logits["test"])
    assert [report.seed for report in other.reports] == [4, 4, 4]


def test_the_first_row_is_the_original_model(result: kit.Evaluation, challenge: Challenge) -> None:
    net = originals.build(challenge)
    net.set_weights(originals.load(challenge).weights)
    predicted = predict_logits(net, challenge.test.x).argmax(axis=1)
    assert result.reports[0].scores["test_accuracy"].value == accuracy_score(challenge.test.y, predicted)


def test_a_users_function_is_a_method(result: kit.Evaluation, challenge: Challenge) -> None:
    """With logits of 0 all losses are equal: the attacks see nothing, and class 0 is all that is ever predicted."""
    report = result.reports[1]
    retrained = result.outputs["retrain"]
    assert report.method == "blank"
    assert report.scores["test_accuracy"].value == pytest.approx((challenge.test.y == 0).mean(), abs=1e-12)
    assert report.scores["mia_auc"].value == 0.5
    assert report.scores["mia_auc"].null_band == (0.5, 0.5)
    assert report.scores["mia_gap"].value == pytest.approx(0.5 - report.scores["mia_auc"].target, abs=1e-12)
    assert report.scores["forget_accuracy"].target == pytest.approx(
        accuracy_score(np.tile(retrained.labels["forget"], 3), retrained.logits["forget"].argmax(-1).ravel()), abs=1e-12
    )


def test_reports_record_all_that_is_needed_to_repeat_them(result: kit.Evaluation, challenge: Challenge) -> None:
    for report in result.reports:
        assert (report.challenge, report.seed) == ("small", 3)
        assert (report.split, report.split_seed) == ("stratified:0.3", 0)
        assert report.split_sha256 == challenge.split.sha256
        assert report.data_sha256 == challenge.data_sha256
        assert report.weights_sha256 == originals.load(challenge).sha256
        assert report.num_models == 1
        assert report.num_retrained == (2 if report.method == "retrain" else 3)
        assert tuple(report.scores) == kit.scorers.names()
        assert report.score_version == rules.SCORE_VERSION
        assert report.versions["kit"] == kit.__version__
        assert report.versions["keras"] == keras.__version__
        assert report.versions["numpy"] == np.__version__
        assert report.machine["op_determinism"] == "on"
        assert report.seconds == result.outputs[report.method].seconds[0] > 0
        assert report.reference_seconds == timing.reference(challenge).work > 0
        ratio = report.scores["time_ratio"]
        assert ratio.value == pytest.approx((report.cpu_seconds - report.tracing_seconds) / report.reference_seconds)
        assert ratio.stderr is None
    assert dataclasses.is_dataclass(result)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.reports = ()  # type: ignore[misc]


# What one model a method cannot tell.
OF_POPULATIONS = {
    *("forgetting_score", "forgetting_ceiling", "forgetting_score_normalised", "competition_score"),
    *("ulira_accuracy", "ulira_auc", "ulira_tpr_at_1pct_fpr", "lira_auc", "rmia_auc"),
    *("klom_forget", "klom_retain", "klom_test"),
}


def test_a_forget_set_that_cannot_be_attacked_has_reasons_instead_of_numbers(
    planted: Planted, small_challenge: Challenge
) -> None:
    split = make_split(small_challenge.train, "class:2")
    for report in evaluate_all([], dataclasses.replace(small_challenge, split=split)).reports:
        for name, score in report.scores.items():
            impossible = score.reason.startswith("class 2 is forgotten")
            assert impossible or not name.startswith(("mia_", "lira_", "rmia_")), name
            assert score.value is None or name not in OF_POPULATIONS, name
            too_few = score.reason.startswith(("needs a population: ", "1 model on one side, "))
            assert (score.value is None) == (impossible or too_few), name


@pytest.mark.usefixtures("unscored")
def test_several_originals_are_one_population_of_all_their_runs(planted: Planted, challenge: Challenge) -> None:
    result = evaluate_all(["finetune"], challenge, num_models=2, num_originals=3, seed=4)
    assert [(report.num_models, report.num_originals) for report in result.reports][1] == (6, 3)
    assert result.reports[-1].num_originals == 1
    calls = [call for call in planted.calls if call["name"] == "finetune"]
    assert len(calls) == 3
    assert len([call for call in planted.calls if call["name"] == "retrain"]) == 1
