"""What contained runs showed, from numbers: no process is started here."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from kit.contest import run_checks
from kit.models import weights
from kit.rules import SLOW_IMPORT_SECONDS, TIME_BUDGET, WARN_OUTPUT
from kit.submission import backends, reaching, returned, text_checks
from kit.tasks import CLASSIFICATION

LOGITS = np.arange(12, dtype=np.float32).reshape(4, 3)
LABELS = np.arange(1000) % 10
WEIGHTS = [np.ones((2, 3), np.float32), np.zeros(3, np.float32)]
OTHERS = [np.ones((2, 3), np.float32), np.full(3, 1e-30, np.float32)]
FOUR = "net, retain, forget, validation"


def said(probe: Any = None, described: Any = "") -> dict[str, Any]:
    return {"described": described, "probe": LOGITS.ravel().tolist() if probe is None else probe}


# Every message of both modules of checks, by what it says

MESSAGES = {
    "no Python": text_checks.parse_problem("def f(:"),
    "a file that the parser gives up on": text_checks.parse_problem("-" * 100_000 + "1"),
    "bytes that are no text": text_checks.encoding_problem(b"\xff"),
    "an encoding that nobody knows": text_checks.encoding_problem(b"# coding: nonsense"),
    "a null byte": text_checks.parse_problem("\0"),
    "no function": text_checks.definition_problem(""),
    "another function": text_checks.definition_problem("def f(): ..."),
    "a variable": text_checks.definition_problem("unlearning = 3"),
    "a class": text_checks.definition_problem("class unlearning: ..."),
    "an async def": text_checks.definition_problem("async def unlearning(): ..."),
    "a nested function": text_checks.definition_problem("if x:\n    def unlearning(): ..."),
    "other parameters": text_checks.signature_problem("def unlearning(net): ..."),
    "further parameters": text_checks.signature_problem(f"def unlearning({FOUR}, *rest): ..."),
    "one without a default": text_checks.signature_problem(f"def unlearning({FOUR}, *, a): ..."),
    "two without a default": text_checks.signature_problem(f"def unlearning({FOUR}, *, a, b): ..."),
    "another backend": backends.backend_problem(backends.binding("import jax"), "tensorflow"),
    "evaluation data": reaching.evaluation_data_problem("import sklearn.datasets"),
    "slow import": run_checks.import_problem("mine.py", 6.0),
    "side effects": run_checks.side_effects_problem("mine.py", ["the folder", "sys.path"], 3),
    "architecture": returned.outputs_problem("mine", said([1.0], "an mlp"), LOGITS),
    "outputs": returned.outputs_problem("mine", said([1.0]), LOGITS),
    "logits": run_checks.logits_problem([np.full((1, 3), np.nan)]),
    "unchanged": run_checks.unchanged_problem("mine", WEIGHTS, WEIGHTS),
    "chance": run_checks.chance_problem(0.1, CLASSIFICATION, LABELS),
    "output": run_checks.output_problem("mine", 3_000_000),
    "left behind": run_checks.left_behind_problem("mine", 2, [{"threads": ["a"], "new_files": ["b"]}]),
    "altered": run_checks.altered_problem("mine", [{"altered": True}]),
    "two seeds": run_checks.same_for_two_seeds_problem("mine"),
    "not repeatable": run_checks.not_repeatable_problem("mine"),
    "time": run_checks.time_problem("a call takes 3.00 s, 0.50 of a retraining", 0.5),
}


@pytest.mark.parametrize("about", MESSAGES)
def test_every_message_says_in_one_paragraph_what_was_expected_and_what_to_do(about: str) -> None:
    message = MESSAGES[about]
    assert message.isprintable()  # hence one paragraph
    assert message == message.strip()
    assert "  " not in message
    assert message.count("Expected") == 1
    # what happened. Expected this. Do that.
    assert re.fullmatch(r"\S.{10,}?[.] Expected \S.{10,}?[.] \S.{8,}[.?]", message)


@pytest.mark.parametrize("about", [about for about, message in MESSAGES.items() if "mine" in message])
def test_every_message_of_a_run_begins_with_what_it_is_about(about: str) -> None:
    assert "'mine" in MESSAGES[about].partition("Expected")[0]


# The import


@pytest.mark.parametrize("seconds", [0.0, 0.1, 4.999, SLOW_IMPORT_SECONDS])
def test_a_quick_import_is_fine(seconds: float) -> None:
    assert run_checks.import_problem("mine.py", seconds) == ""


@pytest.mark.parametrize(("seconds", "shown"), [(5.1, "5.1 s"), (12.34, "12.3 s"), (float("inf"), "inf s")])
def test_a_slow_import_is_a_problem(seconds: float, shown: str) -> None:
    assert run_checks.import_problem("mine.py", seconds).startswith(f"Importing 'mine.py' took {shown}.")


def test_an_import_without_effects_is_fine() -> None:
    assert run_checks.side_effects_problem("mine.py", [], 0) == ""


@pytest.mark.parametrize(
    ("changed", "printed", "shown"),
    [
        pytest.param(["sys.path"], 0, "changed sys.path.", id="one"),
        pytest.param(["sys.path", "the environment"], 0, "changed sys.path, the environment.", id="two"),
        pytest.param([], 1, "changed the output (it printed something).", id="printed"),
        pytest.param(["x"], 10**9, "changed x, the output (it printed something).", id="both"),
    ],
)
def test_the_effects_of_an_import_are_listed(changed: list[str], printed: int, shown: str) -> None:
    assert shown in run_checks.side_effects_problem("mine.py", changed, printed)


# The model


@pytest.mark.parametrize(
    ("probe", "outputs"),
    [
        pytest.param(LOGITS.ravel().tolist(), LOGITS, id="equal"),
        pytest.param((LOGITS.ravel() * 1.01).tolist(), LOGITS, id="in bfloat16"),
        pytest.param([int(value) for value in LOGITS.ravel()], LOGITS, id="integers"),
        pytest.param(LOGITS.ravel().tolist()[:5], LOGITS, id="the first few"),
        pytest.param([1.0] * 1000 + [2.0] * 10, np.ones((101, 10)), id="a thousand compared"),
        pytest.param([60000.0], np.array([[60001.0]], np.float16), id="half precision"),
    ],
)
def test_a_model_that_does_what_its_weights_say_is_fine(probe: list[float], outputs: np.ndarray) -> None:
    assert returned.outputs_problem("mine", said(probe), outputs) == ""


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param((LOGITS.ravel() + 0.6).tolist(), id="others"),
        pytest.param([], id="none"),
        pytest.param([*LOGITS.ravel().tolist(), 1.0], id="one too many"),
        pytest.param([float("nan")] * 12, id="nan"),
        pytest.param([float("inf")] * 12, id="inf"),
        pytest.param([2**70] * 12, id="integers beyond 64 bits"),
        pytest.param(["1.0"] * 12, id="texts"),
        pytest.param([[1.0]] * 12, id="lists"),
        pytest.param([None] * 12, id="nulls"),
        pytest.param("0123", id="no list but a text"),
        pytest.param({"0": 1}, id="no list but a dictionary"),
        pytest.param(3, id="no list but a number"),
    ],
)
def test_a_model_that_does_more_than_its_weights_say_is_a_problem(probe: Any) -> None:
    message = returned.outputs_problem("mine", said(probe), LOGITS)
    assert message.startswith("The model that 'mine' returned gives other outputs than its weights do")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_the_business_of_another_check(value: float) -> None:
    outputs = LOGITS.copy()
    outputs[1, 1] = value
    assert returned.outputs_problem("mine", said(outputs.ravel().tolist()), outputs) == ""


def test_a_process_that_says_nothing_of_the_model_is_a_problem() -> None:
    assert returned.outputs_problem("mine", {}, LOGITS) != ""


def test_how_it_differs_from_the_original_is_described() -> None:
    message = returned.outputs_problem("mine", said([1.0], "an mlp"), LOGITS)
    assert "architecture; it has an mlp. Expected" in message


@pytest.mark.parametrize("described", ["an mlp", None, 1, [True]])
def test_an_architecture_that_does_the_same_is_as_good(described: Any) -> None:
    assert returned.outputs_problem("mine", said(described=described), LOGITS) == ""


def test_what_a_process_says_of_its_architecture_is_made_printable_and_cut() -> None:
    message = returned.outputs_problem("mine", said([1.0], "\x1b[2J\n" + "x" * 9999), LOGITS)
    assert message.isprintable()
    assert len(message) < 1000


@pytest.mark.parametrize("logits", [[], [LOGITS], [LOGITS, LOGITS[:1]], [np.full((2, 3), 1e38, np.float32)]])
def test_finite_logits_are_fine(logits: list[np.ndarray]) -> None:
    assert run_checks.logits_problem(logits) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 3, 64])
def test_one_logit_that_is_not_finite_is_a_problem(value: float, size: int) -> None:
    broken = np.zeros((size, 3))
    broken[-1, -1] = value
    assert f"for a batch of {size}." in run_checks.logits_problem([LOGITS, broken, LOGITS])


@pytest.mark.parametrize("changed", [0, 1])
def test_other_weights_are_fine(changed: int) -> None:
    weights = [part.copy() for part in WEIGHTS]
    weights[changed].flat[-1] = np.nextafter(weights[changed].flat[-1], np.float32(9))
    assert run_checks.unchanged_problem("mine", weights, WEIGHTS) == ""


def test_the_weights_of_the_original_are_a_problem() -> None:
    assert "'mine' returned the weights of the original." in run_checks.unchanged_problem(
        "mine", [part.copy() for part in WEIGHTS], WEIGHTS
    )


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        pytest.param(WEIGHTS, True, id="themselves"),
        pytest.param([part.copy() for part in WEIGHTS], True, id="copies"),
        pytest.param(OTHERS, False, id="the last bit"),
        pytest.param([WEIGHTS[0].T, WEIGHTS[1]], False, id="another shape"),
        pytest.param([WEIGHTS[0], np.array([0, 0, np.nan], np.float32)], False, id="nan"),
    ],
)
def test_same_is_to_the_bit(other: list[np.ndarray], alike: bool) -> None:
    assert weights.same_weights(WEIGHTS, other) is alike
    assert weights.same_weights(other, WEIGHTS) is alike


# Accuracy


@pytest.mark.parametrize(
    ("accuracy", "labels"),
    [
        pytest.param(0.9, LABELS, id="far above"),
        pytest.param(0.13, LABELS, id="a little above"),
        pytest.param(1.0, np.arange(30) % 3, id="few examples"),
        pytest.param(0.95, np.arange(1000) % 10 == 0, id="above a common class"),
    ],
)
def test_accuracy_above_chance_is_fine(accuracy: float, labels: np.ndarray) -> None:
    assert run_checks.chance_problem(accuracy, CLASSIFICATION, labels.astype(np.int32)) == ""


@pytest.mark.parametrize(
    ("accuracy", "labels"),
    [
        pytest.param(0.0, LABELS, id="nothing right"),
        pytest.param(0.1, LABELS, id="chance"),
        pytest.param(0.128, LABELS, id="within the error"),
        pytest.param(0.4, np.arange(30) % 3, id="few examples"),
        pytest.param(0.9, np.arange(1000) % 10 == 0, id="a common class"),
        pytest.param(1.0, np.zeros(50), id="one class"),
        pytest.param(float("nan"), LABELS, id="nan"),
    ],
)
def test_accuracy_near_chance_is_a_problem(accuracy: float, labels: np.ndarray) -> None:
    message = run_checks.chance_problem(accuracy, CLASSIFICATION, labels.astype(np.int32))
    assert message.startswith(f"The model gets {accuracy:.3f} of the retain set right")


# Output, time, what is left behind


@pytest.mark.parametrize("printed", [0, 1, WARN_OUTPUT])
def test_little_output_is_fine(printed: int) -> None:
    assert run_checks.output_problem("mine", printed) == ""


@pytest.mark.parametrize(("printed", "shown"), [(150_001, "0.2 MB"), (3_000_000, "3.0 MB"), (10**10, "10000.0 MB")])
def test_much_output_is_a_problem(printed: int, shown: str) -> None:
    assert run_checks.output_problem("mine", printed).startswith(f"'mine' printed {shown}.")


@pytest.mark.parametrize("ratio", [0.0, 0.1, TIME_BUDGET])
def test_a_call_within_the_budget_is_fine(ratio: float) -> None:
    assert run_checks.time_problem("a call takes 1 s", ratio) == ""


@pytest.mark.parametrize("ratio", [TIME_BUDGET + 1e-9, 0.3, 50.0, float("inf"), float("nan")])
def test_a_call_over_the_budget_is_a_problem(ratio: float) -> None:
    message = run_checks.time_problem("a call on X takes 1 s", ratio)
    assert message.startswith(f"A call on X takes 1 s. Expected at most {TIME_BUDGET}, of all processes")


NOTHING_LEFT: list[dict[str, Any]] = [
    {},
    {"threads": [], "children": [], "new_files": [], "changed_files": []},
    {"threads": None, "children": 3, "new_files": "a text", "changed_files": {"a": 1}},
    {"other": ["x"]},
]


@pytest.mark.parametrize("answer", NOTHING_LEFT, ids=["nothing said", "empty lists", "no lists", "another key"])
def test_a_run_that_leaves_nothing_is_fine(answer: dict[str, Any]) -> None:
    assert run_checks.left_behind_problem("mine", 0, [answer, answer]) == ""
    assert run_checks.left_behind_problem("mine", 0, []) == ""


@pytest.mark.parametrize(
    ("outlived", "answers", "shown"),
    [
        pytest.param(1, [], "1 process", id="a process"),
        pytest.param(3, [], "3 processes", id="processes"),
        pytest.param(0, [{"threads": ["worker"]}], "the thread worker", id="a thread"),
        pytest.param(0, [{"children": ["sleep"]}], "the process sleep", id="a child"),
        pytest.param(0, [{"new_files": ["a.txt"]}], "the file a.txt", id="a file"),
        pytest.param(0, [{"changed_files": ["b.txt"]}], "a change of b.txt", id="a changed file"),
        pytest.param(0, [{}, {"threads": ["t"]}], "the thread t", id="in the second run"),
        pytest.param(0, [{"threads": ["t"]}, {"threads": ["t"]}], "the thread t", id="in both runs"),
        pytest.param(0, [{"threads": ["b", "a"]}], "the thread a, the thread b", id="sorted"),
        pytest.param(1, [{"new_files": ["a"], "threads": ["t"]}], "1 process, the thread t, the file a", id="some"),
        pytest.param(0, [{"threads": [3, None]}], "the thread 3, the thread None", id="no texts"),
        pytest.param(0, [{"threads": ["a\n\x1b[2J"]}], "the thread a??[2J", id="control characters"),
    ],
)
def test_what_is_left_behind_is_listed(outlived: int, answers: list[dict[str, Any]], shown: str) -> None:
    message = run_checks.left_behind_problem("mine", outlived, answers)
    assert f"'mine' left behind {shown}. Expected nothing" in message


def test_a_long_list_of_what_is_left_behind_is_cut() -> None:
    answer = {"new_files": [f"{number:02}" + "x" * 999 for number in range(50)]}
    message = run_checks.left_behind_problem("mine", 0, [answer])
    assert message.count("the file") == 5
    assert len(message) < 1000


@pytest.mark.parametrize(
    "answers", [[], [{}], [{"altered": False}], [{"altered": 1}, {"altered": "yes"}]], ids=["no run", "{}", "no", "odd"]
)
def test_data_as_they_were_are_fine(answers: list[dict[str, Any]]) -> None:
    assert run_checks.altered_problem("mine", answers) == ""


@pytest.mark.parametrize("answers", [[{"altered": True}], [{"altered": False}, {"altered": True}]], ids=["one", "two"])
def test_altered_data_are_a_problem(answers: list[dict[str, Any]]) -> None:
    assert run_checks.altered_problem("mine", answers).startswith("'mine' altered the examples or labels")


def test_the_two_findings_about_chance_name_different_remedies() -> None:
    assert "two seeds" in run_checks.same_for_two_seeds_problem("mine")
    assert "time or os.urandom" in run_checks.not_repeatable_problem("mine")
