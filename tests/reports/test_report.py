"""Tables for people and JSON for machines: every number is there, and each sentence says what it means."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import kit
from kit import reports as report
from kit import scorers
from kit.reports import words
from kit.storage import seals
from kit.types import FailedRun, Report, Score

# A value for each score, all of them different, so that a number in the table belongs to one cell.
VALUES = {
    "retain_accuracy": 0.991,
    "forget_accuracy": 0.872,
    "validation_accuracy": 0.713,
    "test_accuracy": 0.694,
    "mia_accuracy": 0.575,
    "mia_auc": 0.616,
    "mia_gap": 0.107,
    "mia_tpr_at_1pct_fpr": 0.038,
    "time_ratio": 0.129,
}
INFOS = {info.name: info for info in scorers.infos()}
# Those of a population, none like another or like the ones above. A scorer that is added has tests of its own.
OF_POPULATIONS = {
    name: 0.201 + 0.003 * number
    for number, name in enumerate(
        sorted(name for name, info in INFOS.items() if info.table not in ("runs", "other") and name not in VALUES)
    )
}
NAMES = [name for name in INFOS if name in {*VALUES, *OF_POPULATIONS, "forgotten_class_accuracy"}]
ALONE = "needs a population: 8 models or more on either side"
TOO_FEW = "it needs at least 1,000 test examples, and there are 126"
NO_CLASS = "no class that the test set has is forgotten altogether"
NO_ATTACK = "class 5 is forgotten altogether, so that no test example is a non-member of the same kind"


def score(name: str, value: float | None, stderr: float | None = 0.021, **fields: Any) -> Score:
    info = INFOS[name]
    target = {"mia_gap": 0.0}.get(name, 0.444) if info.direction == "match_retrain" and value is not None else None
    return Score(name, value, stderr, info.direction, **{"target": target} | fields)


def made(method: str = "finetune", **changes: Score) -> Report:
    scores = {name: score(name, None, None, reason=ALONE) for name in NAMES}
    scores |= {name: score(name, value) for name, value in VALUES.items()}
    scores["time_ratio"] = score("time_ratio", VALUES["time_ratio"], None)
    scores["mia_tpr_at_1pct_fpr"] = score("mia_tpr_at_1pct_fpr", None, None, reason=TOO_FEW)
    scores["forgotten_class_accuracy"] = score("forgotten_class_accuracy", None, None, reason=NO_CLASS)
    return Report(
        challenge="noisy-digits",
        method=method,
        seed=3,
        num_models=1,
        num_retrained=6,
        split="random:0.1",
        split_seed=4,
        split_sha256="a" * 64,
        data_sha256="b" * 64,
        data_source="",
        weights_sha256="c" * 64,
        seconds=0.5,
        reference_seconds=4.25,
        scores=scores | changes,
        score_version="1.0",
        versions={"kit": "0.1.0", "python": "3.11.7"},
        machine={"system": "Linux"},
    )


def population(method: str = "finetune", **changes: Score) -> Report:
    scores = {name: score(name, value) for name, value in OF_POPULATIONS.items()}
    scores["forgetting_score"] = score("forgetting_score", 0.111, 0.01, interval=(0.091, 0.131))
    scores["forgetting_score_normalised"] = score("forgetting_score_normalised", 0.62, 0.05)
    scores["forgetting_ceiling"] = score("forgetting_ceiling", 0.179, None)
    return replace(made(method, **scores | changes), num_models=16)


def without_attack(method: str) -> Report:
    names = [name for name in VALUES if name.startswith("mia_")]
    return made(method, **{name: score(name, None, None, reason=NO_ATTACK) for name in names})


def printed(*reports: Report, width: int = 80, explain: bool = True, **settings: Any) -> str:
    stream = io.StringIO()
    report.print_table(reports, Console(file=stream, width=width, highlight=False, **settings), explain=explain)
    return stream.getvalue()


def rows(text: str) -> dict[str, list[str]]:
    """First word of a line -> its numbers, for the lines of the table that have a name."""
    lines = [[word for word in line.split() if not word.startswith("±")] for line in text.splitlines()]
    number = re.compile(r"[+-]?\d\.\d{3}")
    return {line[0]: line[1:] for line in lines if len(line) > 1 and all(map(number.fullmatch, line[1:]))}


def unwrapped(text: str) -> str:
    return " ".join(text.split())


ROWS = ("original", "finetune", "retrain")


# The table


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_value_is_in_its_row(width: int) -> None:
    shown = ["0.991", "0.872", "0.713", "0.694", "0.575", "0.616", "+0.107", "0.129"]
    table = rows(printed(*map(made, ROWS), width=width))
    assert list(table) == [*ROWS, "target"]
    assert [table[name] for name in ROWS] == [shown] * 3
    assert table["target"] == ["0.444", "0.444", "0.444", "0.000"]


def test_standard_errors_stand_below_their_values_where_there_is_no_room_beside_them() -> None:
    lines = printed(made(), width=80).splitlines()
    position = next(number for number, line in enumerate(lines) if line.startswith("finetune"))
    values, errors = lines[position], lines[position + 1]
    assert errors.split() == ["±0.021"] * 7  # a single run has no standard error of its time
    ends = [match.end() for match in re.finditer(r"\S+", values)][1:8]
    assert [match.end() for match in re.finditer(r"\S+", errors)] == ends


@pytest.mark.parametrize("width", [120, 200])
def test_a_method_has_one_line_where_the_width_allows(width: int) -> None:
    lines = printed(*map(made, ROWS), width=width, explain=False).splitlines()
    (line,) = (line for line in lines if re.match(r"finetune +0", line))
    assert line.count("±0.021") == 7
    assert "0.991 ±0.021" in line
    assert not [line for line in lines if re.fullmatch(r"[ ±.\d]+", line) and line.strip()]


@pytest.mark.parametrize("make", [made, population])
@pytest.mark.parametrize("width", [40, 60])
def test_no_row_is_without_its_name_in_a_narrow_terminal(width: int, make: Callable[[str], Report]) -> None:
    names = ("original", "finetune", "smallest_gradient_reinit", "retrain")
    text = printed(*map(make, names), width=width, explain=False)
    tables = text.split("\n  target:")[0]
    values = [line for line in tables.splitlines() if re.search(r" [+-]?\d\.\d{3}", line) and "±" not in line]
    assert {line.split()[0].split("_")[0] for line in values} == {
        "original",
        "finetune",
        "smallest",
        "retrain",
        "target",
    }
    shown = [word for line in values if line.startswith("finetune") for word in line.split()[1:]]
    assert shown.count("0.129") == 1
    assert "0.616" in shown
    assert len(shown) >= 8
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())


def test_without_explanations_there_is_a_verdict_a_method_and_no_legend() -> None:
    text = printed(*map(made, ROWS), explain=False)
    assert "accuracy retain:" not in text
    assert "attack's AUC differs" not in text
    assert "target: the mean of 6 retrained models" in text
    verdicts = dict(re.findall(r"^(\w+) +(trace[^\n]+?) *$", text, re.MULTILINE))
    assert verdicts == {
        "original": "trace left (AUC gap +0.107 ± 0.021): there is something to unlearn",
        "finetune": "traces left (AUC gap +0.107 ± 0.021); cost 0.13 of retraining",
    }


@pytest.mark.parametrize("width", [80, 200])
def test_nothing_is_cut_off(width: int) -> None:
    text = printed(*map(made, ROWS), width=width)
    assert "…" not in text
    assert "..." not in text
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize(
    ("width", "rows"), [(80, ["smallest_", "gradient_reinit"]), (120, ["smallest_gradient_reinit"])]
)
def test_a_long_name_breaks_after_an_underscore_where_there_is_no_room(width: int, rows: list[str]) -> None:
    lines = printed(made("smallest_gradient_reinit"), width=width, explain=False).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("smallest"))
    assert [line.split(" ")[0] for line in lines[first : first + len(rows)]] == rows


def test_a_long_name_is_shown_in_full() -> None:
    name = "my_very_long_method_name_number_2"
    assert name in rows(printed(made(name), width=200))
    text = printed(made(name), width=80)
    table = text[: text.index("accuracy retain:")]
    folded = "".join(line.split(" ")[0] for line in table.splitlines()[2:])
    assert name in folded
    assert "…" not in text


def test_a_value_that_no_row_has_is_left_out_with_its_reason() -> None:
    text = printed(*map(made, ROWS), width=200)
    assert len(rows(text)["finetune"]) == 8
    assert f"(not computed: {TOO_FEW})" in unwrapped(text)
    assert unwrapped(text).count("not computed") == 1


def test_a_value_that_one_row_lacks_is_a_dash() -> None:
    odd = made("odd", mia_auc=score("mia_auc", None, None, reason="no reason"))
    line = next(line for line in printed(made(), odd, width=200).splitlines() if line.startswith("odd"))
    shown = [word for word in line.split()[1:] if not word.startswith("±")]
    assert shown == ["0.991", "0.872", "0.713", "0.694", "0.575", "-", "+0.107", "0.129"]


def test_a_gap_has_a_sign_and_other_values_have_none() -> None:
    below = made("below", mia_gap=score("mia_gap", -0.031))
    zero = made("zero", mia_gap=score("mia_gap", 0.0))
    table = rows(printed(below, zero, width=200))
    assert table["below"][6] == "-0.031"
    assert table["zero"][6] == "+0.000"


@pytest.mark.parametrize("width", [80, 120])
def test_scores_of_a_large_test_set_are_all_in_the_table(width: int) -> None:
    full = [made(name, mia_tpr_at_1pct_fpr=score("mia_tpr_at_1pct_fpr", 0.038)) for name in ROWS]
    text = printed(*full, width=width)
    for name in ROWS:
        assert sorted(rows(text)[name]) == sorted(
            f"{value:+.3f}" if name == "mia_gap" else f"{value:.3f}" for name, value in VALUES.items()
        )
    assert text.count(" ratio\n") == 1
    assert "not computed" not in text


@pytest.mark.parametrize("width", [80, 200])
def test_a_population_has_a_column_for_every_score(width: int) -> None:
    text = printed(*map(population, ROWS), width=width)
    lines = [line.split() for line in text.splitlines() if line.startswith("finetune") and "the attack" not in line]
    assert len(lines) == 4  # tables, all but the one of scores that declare none
    shown = [word for line in lines for word in line[1:] if not word.startswith("±")]
    given = population().scores
    expected = [score for score in given.values() if score.value is not None]
    formats = {name: f"{'+' if info.signed else ''}.{info.digits}f" for name, info in INFOS.items()}
    assert {formats["forgetting_score"], formats["mia_gap"], formats["mia_auc"]} == {".4f", "+.3f", ".3f"}
    assert sorted(shown) == sorted(format(score.value, formats[score.name]) for score in expected)
    missing = {name for name, given_score in given.items() if given_score.value is None}
    assert missing == {"mia_tpr_at_1pct_fpr", "forgotten_class_accuracy"}


def test_what_takes_a_population_is_not_missed_for_a_single_run() -> None:
    text = unwrapped(printed(*map(made, ROWS)))
    assert ALONE not in text
    assert "kit run --num-models 512" in text
    assert "kit run --num-models 512" not in unwrapped(printed(*map(population, ROWS)))


def test_the_forgetting_score_stands_in_the_sentence_with_its_interval_and_ceiling() -> None:
    (text,) = report.meaning([population()])
    assert "forgetting score is 0.1110 (0.0910 to 0.1310), 62.0% ± 5.0% of what retrained models get" in text


def test_a_warning_is_told_once_with_the_methods_that_it_is_about() -> None:
    warned = score("forgetting_score", 0.1, interval=(0.0, 0.2), warnings=("Few models flatter.",))
    text = unwrapped(printed(*(population(name, forgetting_score=warned) for name in ROWS)))
    assert text.count("Few models flatter.") == 1
    assert "Note (original, finetune, retrain): Few models flatter." in text


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize(("make", "names"), [(made, VALUES), (population, {*VALUES, *OF_POPULATIONS})])
def test_each_column_has_a_line_that_explains_it(width: int, make: Callable[[str], Report], names: set[str]) -> None:
    text = unwrapped(printed(*map(make, ROWS), width=width))
    for info in map(INFOS.get, NAMES):
        assert (f": {unwrapped(info.explanation)}" in text) == (info.name in names), info.name
    assert "target: the mean of 6 retrained models" in text


def test_the_title_says_which_challenge_and_forget_set() -> None:
    first = next(line for line in printed(made()).splitlines() if line)
    assert "noisy-digits" in first
    assert "random:0.1" in first
    assert "split seed 4" in first


@pytest.mark.parametrize(
    "forget", ["group:[bold]x[/bold]", "my [red] folder/indices.csv", "group:[/]", "class:3,5", "C:\\[data]\\split.npz"]
)
def test_brackets_in_a_forget_set_are_no_markup(forget: str) -> None:
    assert f"forget set {forget} accuracy" in unwrapped(printed(replace(made(), split=forget), width=200))


@pytest.mark.parametrize("method", ["[bold]x", "[red]mine[/red]", "[/]", "a[link=b]"])
def test_brackets_in_the_name_of_a_method_are_no_markup(method: str) -> None:
    text = printed(made(method), made("retrain"), width=200)
    assert any(line.startswith(f"{method} ") for line in text.splitlines())
    console, failures = Console(file=io.StringIO(), width=200), {method: FailedRun("It broke.")}
    report.print_table([made()], console, failures)
    assert f"{method} " in console.file.getvalue()


def test_without_a_terminal_there_are_no_control_characters() -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", printed(*map(made, ROWS)))


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    codes = re.findall(r"\x1b\[([\d;]*)m", printed(*map(made, ROWS), force_terminal=True, color_system="truecolor"))
    assert not [code for code in codes if re.search(r"(^|;)(3\d|4\d|9\d|10\d)(;|$)", code)]


def test_a_table_goes_to_the_output_where_no_console_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    report.print_table([made()])
    captured = capsys.readouterr()
    assert "0.991" in captured.out
    assert captured.err == ""


# The verdicts


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (0.1, "traces left (AUC gap +0.100 ± 0.020); cost 0.10 of retraining"),
        (0.04, "no trace found (AUC gap +0.040 ± 0.020); cost 0.10 of retraining"),
        (-0.0401, "over-forgotten (AUC gap -0.040 ± 0.020); cost 0.10 of retraining"),
    ],
)
def test_a_verdict_says_what_was_found_and_what_it_cost(gap: float, verdict: str) -> None:
    row = made(mia_gap=score("mia_gap", gap, 0.02), time_ratio=score("time_ratio", 0.1, None))
    assert words.verdict(row) == verdict
    dear = made(mia_gap=score("mia_gap", gap, 0.02), time_ratio=score("time_ratio", 0.3, None))
    assert words.verdict(dear) == verdict.replace(
        "cost 0.10 of retraining", "cost 0.30 of retraining, OVER the budget of 0.2"
    )


def test_a_verdict_begins_with_a_model_that_no_longer_works() -> None:
    broken = with_accuracy("retain", 0.07, 0.98, mia_gap=score("mia_gap", 0.0, 0.02))
    assert words.verdict(broken) == "works less well (accuracy retain 0.070, retrained 0.980); cost 0.13 of retraining"


def test_why_no_attack_is_possible_is_said_once() -> None:
    text = unwrapped(printed(*map(without_attack, ROWS), explain=False))
    assert text.count("no attack possible") == 2
    assert text.count(f"No attack is possible here: {NO_ATTACK}.") == 1


# The sentences


def sentence(method: str, gap: float, stderr: float = 0.02, ratio: float = 0.1) -> str:
    single = made(method, mia_gap=score("mia_gap", gap, stderr), time_ratio=score("time_ratio", ratio, None))
    (only,) = report.meaning([single])
    return only


@pytest.mark.parametrize(
    ("gap", "words", "others"),
    [
        (0.1, ["outside the noise", "traces", "left"], ["inside", "over-forgetting"]),
        (0.0401, ["outside the noise", "traces"], ["inside", "over-forgetting"]),
        (0.04, ["inside the noise", "stronger"], ["outside", "traces", "over-forgetting"]),
        (0.0, ["inside the noise", "no trace", "stronger"], ["outside", "traces", "over-forgetting"]),
        (-0.04, ["inside the noise"], ["outside", "traces", "over-forgetting"]),
        (-0.0401, ["outside the noise", "below 0", "over-forgetting"], ["inside", "traces"]),
        (-0.5, ["outside the noise", "over-forgetting"], ["inside", "traces"]),
    ],
)
def test_a_gap_is_judged_by_two_standard_errors(gap: float, words: list[str], others: list[str]) -> None:
    text = sentence("finetune", gap)
    assert text.startswith("finetune: ")
    assert f"{gap:+.3f} ± 0.020" in text
    for word in words:
        assert word in text
    for word in others:
        assert word not in text


def with_accuracy(
    part: str, value: float, target: float | None, stderr: float = 0.002, method: str = "finetune", **changes: Score
) -> Report:
    name = f"{part}_accuracy"
    return made(method, **{name: score(name, value, 0.01, target=target, gap_stderr=stderr)}, **changes)


@pytest.mark.parametrize("part", ["retain", "validation"])
@pytest.mark.parametrize("gap", [0.1, 0.0, -0.1])
def test_a_model_that_no_longer_works_is_told_so_before_anything_else(part: str, gap: float) -> None:
    """However little the attack finds: of a destroyed model it finds nothing, and that is no success."""
    (text,) = report.meaning([with_accuracy(part, 0.07, 0.98, mia_gap=score("mia_gap", gap, 0.02))])
    assert text.startswith(
        f"finetune: the model works less well than retrained ones (accuracy 0.070 on {part}, theirs 0.980)"
    )
    assert f"The attack's AUC differs from the retrained models' by {gap:+.3f} ± 0.020." in text
    for word in ("inside", "outside", "cannot tell", "traces", "over-forgetting"):
        assert word not in text


def test_a_broken_model_is_told_of_where_no_attack_is_possible() -> None:
    broken = with_accuracy("retain", 0.07, 0.98, mia_gap=score("mia_gap", None, None, reason=NO_ATTACK))
    (text,) = report.meaning([broken])
    assert text.index("works less well") < text.index("No attack is possible here, because")


@pytest.mark.parametrize(
    ("value", "target", "stderr"), [(0.93, 0.98, 0.002), (0.90, 0.98, 0.041), (0.99, 0.60, 0.002), (0.5, None, 0.002)]
)
def test_a_loss_that_is_small_or_inside_the_noise_or_a_gain_is_none(
    value: float, target: float | None, stderr: float
) -> None:
    """And so is an accuracy without a target, in a report of before."""
    (text,) = report.meaning([with_accuracy("retain", value, target, stderr)])
    assert "works less well" not in text


def test_a_landmark_has_lost_nothing() -> None:
    (text,) = report.meaning([with_accuracy("retain", 0.1, 0.98, method="original")])
    assert "works less well" not in text


def test_no_sentence_calls_a_method_successful() -> None:
    for gap in (-0.5, 0.0, 0.5):
        assert not re.search(r"success|perfect|exact|guarantee|forgotten completely", sentence("finetune", gap))


@pytest.mark.parametrize(
    ("ratio", "words", "other"),
    [
        (0.0, "within the budget of 0.2", "OVER"),
        (0.13, "within the budget of 0.2", "OVER"),
        (0.2, "within the budget of 0.2", "OVER"),
        (0.201, "OVER the budget of 0.2", "within"),
        (17.5, "OVER the budget of 0.2", "within"),
    ],
)
def test_the_time_is_held_against_the_budget(ratio: float, words: str, other: str) -> None:
    text = sentence("finetune", 0.0, ratio=ratio)
    assert words in text
    assert other not in text
    assert f"{ratio:.2f}" in text


def test_an_original_with_signal_has_something_to_unlearn() -> None:
    text = sentence("original", 0.2)
    assert "outside the noise" in text
    assert "something to unlearn" in text
    assert "budget" not in text


@pytest.mark.parametrize("gap", [0.04, 0.0, -0.03])
def test_an_original_without_signal_cannot_show_unlearning(gap: float) -> None:
    text = sentence("original", gap)
    assert "inside the noise" in text
    assert "cannot show unlearning" in text
    assert "something to unlearn" not in text


@pytest.mark.parametrize("method", ["original", "finetune"])
def test_an_attack_that_is_impossible_is_explained(method: str) -> None:
    (text,) = report.meaning([without_attack(method)])
    assert text.startswith(f"{method}: ")
    assert "no attack is possible" in text
    assert NO_ATTACK in text
    assert "noise" not in text


def test_every_method_but_retrain_has_its_sentence_in_the_order_of_the_rows() -> None:
    sentences = report.meaning([made(name) for name in ("original", "b", "a", "retrain")])
    assert [text.partition(":")[0] for text in sentences] == ["original", "b", "a"]


def test_sentences_are_below_the_table() -> None:
    reports = [made("original"), without_attack("finetune"), made("retrain")]
    text = unwrapped(printed(*reports))
    for line in report.meaning(reports):
        assert line in text


def test_a_table_without_any_attack_has_accuracies_and_time() -> None:
    text = printed(*map(without_attack, ROWS))
    assert rows(text)["finetune"] == ["0.991", "0.872", "0.713", "0.694", "0.129"]
    assert unwrapped(text).count(NO_ATTACK) == 4 + 2  # four columns, two sentences


@pytest.mark.parametrize("width", [80, 120])
def test_a_class_that_is_forgotten_altogether_has_an_accuracy_of_its_own(width: int) -> None:
    forgotten = score("forgotten_class_accuracy", 0.123)
    reports = [replace(row, scores={**row.scores, forgotten.name: forgotten}) for row in map(without_attack, ROWS)]
    text = printed(*reports, width=width)
    assert rows(text)["finetune"] == ["0.991", "0.872", "0.713", "0.694", "0.123", "0.129"]
    assert rows(text)["target"] == ["0.444", "0.444"]
    assert "accuracy forgotten class: share of the test examples of classes forgotten altogether" in unwrapped(text)


def test_nobody_misses_the_class_where_none_is_forgotten() -> None:
    text = unwrapped(printed(*map(made, ROWS)))
    assert "forgotten class" not in text
    assert NO_CLASS not in text


def with_one_retrained_model() -> list[Report]:
    """Three rows as they are where one retrained model comes with the kit: it cannot be compared with another."""
    alone = "there is a single retrained model, which has no other to be compared with"
    not_made = "retrain is a stored model and was not made in this run"
    nothing = {"mia_gap": score("mia_gap", None, None, reason=alone)}
    nothing["time_ratio"] = score("time_ratio", None, None, reason=not_made)
    warned = score("mia_gap", VALUES["mia_gap"], warnings=("There is a single retrained model.",))
    compared = [made(name, mia_gap=warned) for name in ("original", "finetune")]
    return [replace(row, num_retrained=1) for row in (*compared, replace(made("retrain", **nothing), seconds=None))]


def test_a_single_retrained_model_has_dashes_and_the_reasons_for_them() -> None:
    text = printed(*with_one_retrained_model(), width=80)
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(ROWS)}
    assert lines["retrain"][-2:] == ["-", "-"]
    assert lines["finetune"][-2:] == ["+0.107", "0.129"]
    text = unwrapped(text)
    assert "('-' where not computed: there is a single retrained model, which has no other to be compared with)" in text
    assert "('-' where not computed: retrain is a stored model and was not made in this run)" in text
    assert "target: what a single retrained model has" in text
    assert "Note (original, finetune): There is a single retrained model." in text


def test_a_model_that_comes_with_the_kit_has_no_seconds_in_json() -> None:
    (*_, retrain) = parse(json.dumps(report.to_json(with_one_retrained_model()), allow_nan=False))["reports"]
    assert retrain["seconds"] is None
    assert retrain["scores"]["mia_gap"]["value"] is None
    assert "single retrained model" in retrain["scores"]["mia_gap"]["reason"]


# JSON


def parse(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_holds_every_field_of_every_report(tmp_path: Path) -> None:
    reports = [made("original"), without_attack("finetune"), made("retrain")]
    report.write_json(tmp_path / "report.json", reports)
    content = parse((tmp_path / "report.json").read_text())
    assert seals.without_digest(content) == json.loads(json.dumps(report.to_json(reports)))
    assert content["score_version"] == "1.0"
    assert [entry["method"] for entry in content["reports"]] == ["original", "finetune", "retrain"]
    for entry, given in zip(content["reports"], reports, strict=True):
        scores = {
            name: Score(**fields | {"warnings": tuple(fields["warnings"])}) for name, fields in entry["scores"].items()
        }
        restored = Report(**entry | {"scores": scores, "warnings": tuple(entry["warnings"])})
        assert restored == given


def test_json_has_the_documented_keys() -> None:
    (entry,) = report.to_json([made()])["reports"]
    keys = {"challenge", "method", "seed", "num_models", "split_sha256", "seconds", "scores", "versions"}
    assert keys <= set(entry)
    assert set(entry["scores"]) == set(NAMES)
    for name, fields in entry["scores"].items():
        assert {"value", "stderr", "direction", "target"} <= set(fields)
        assert fields["name"] == name
        assert fields["direction"] in ("up", "down", "match_retrain")


def test_a_band_of_chance_is_a_list_of_two_numbers() -> None:
    reported = made(mia_auc=score("mia_auc", 0.6, null_band=(0.43, 0.57)))
    content = parse(json.dumps(report.to_json([reported])))
    assert content["reports"][0]["scores"]["mia_auc"]["null_band"] == [0.43, 0.57]


def test_what_is_not_computed_is_null_with_a_reason() -> None:
    fields = parse(json.dumps(report.to_json([made()])))["reports"][0]["scores"]["mia_tpr_at_1pct_fpr"]
    assert (fields["value"], fields["stderr"], fields["reason"]) == (None, None, TOO_FEW)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_json_with_nan_is_never_written(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        report.write_json(tmp_path / "report.json", [made(mia_auc=score("mia_auc", bad))])
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 with NumPy 2.4
def test_a_real_report_is_json(small_challenge: kit.Challenge) -> None:
    content = report.to_json([kit.evaluate("original", small_challenge, num_retrained=3)])
    text = json.dumps(content, allow_nan=False)
    entry = parse(text)["reports"][0]
    assert entry["split_sha256"] == small_challenge.split.sha256
    assert entry["data_sha256"] == small_challenge.data_sha256
    assert all(fields["value"] is not None or fields["reason"] for fields in entry["scores"].values())


def test_what_all_of_many_methods_are_warned_of_does_not_list_them() -> None:
    names = ("original", "a", "b", "c", "d", "retrain")
    warned = [replace(made(name), warnings=("Beware.",) if name != "original" else ()) for name in names]
    assert words.warnings(warned) == ["Note (all methods): Beware."]
    assert words.warnings(warned[:-2]) == ["Note (a, b, c): Beware."]
