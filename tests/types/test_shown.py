"""What objects show of themselves: a line at the prompt, a table in a notebook, and no markup of a stranger's."""

from __future__ import annotations

import html.parser
import math
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import kit
from kit.evaluation import Evaluation
from kit.runs.run import Unlearned
from kit.types import Challenge, Cost, FailedRun, ModelOutputs, Outputs, Report, Score, Split

HOSTILE = "<img src=x onerror=alert(1)>"


class Cells(html.parser.HTMLParser):
    """The caption and the cells of a table, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = [[]]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        self.rows[-1].append(data)


def cells(shown: Any) -> list[list[str]]:
    table = Cells(shown._repr_html_())
    assert table.tags <= {"table", "caption", "tr", "td", "th"}
    return table.rows


def outputs(method: str = "finetune") -> Outputs:
    logits = {"forget": np.array([[[2.0, 0.0], [2.0, 0.0]]]), "test": np.zeros((1, 1, 2))}
    return Outputs.of_logits(method, logits, {"forget": [0, 1], "test": [0]}, seconds=[0.5], seeds=[7])


def report(method: str = "finetune") -> Report:
    scores = {
        "forget_accuracy": Score("forget_accuracy", 0.714, 0.04, "match_retrain", target=0.703),
        "mia_gap": Score("mia_gap", None, None, "match_retrain", reason="no attack"),
    }
    names = dict.fromkeys(("split_sha256", "data_sha256", "data_source", "weights_sha256"), "")
    numbers = {"seed": 0, "num_models": 1, "num_retrained": 512, "split_seed": 0}
    others: dict[str, Any] = {"seconds": 1.0, "reference_seconds": 1.0, "versions": {}, "machine": {}}
    return Report(
        challenge="digits", method=method, split="random:0.1", scores=scores, score_version="2.0",
        **names, **numbers, **others,
    )  # fmt: skip


def test_a_score_that_is_not_there_is_answered_with_those_that_are() -> None:
    shown = report()
    for kind in (KeyError, kit.InputError):
        with pytest.raises(kind) as error:
            shown.scores["mia_gaps"]
        assert str(error.value) == (
            "The report has no score 'mia_gaps'. Expected one of forget_accuracy, mia_gap. Did you mean mia_gap?"
        )
    assert shown.scores.get("auc") is None
    assert "auc" not in shown.scores
    assert {type(part) for part in (shown.to_json()["scores"], *shown.to_json()["scores"].values())} == {dict}
    assert pickle.loads(pickle.dumps(shown)) == shown


def test_a_split_and_its_challenge(small_challenge: Challenge) -> None:
    split = Split("random:0.5", 3, forget=np.arange(1000), retain=np.arange(1000, 3001))
    assert repr(split) == "<Split random:0.5 (split seed 3): 1,000 forget, 2,001 retain>"
    assert cells(split) == [["Split random:0.5 (split seed 3)"], ["forget", "1000"], ["retain", "2001"]]
    assert repr(Split("class:3", 3, [0], [1])) == "<Split class:3: 1 forget, 1 retain>"
    size = len(small_challenge.train)
    assert repr(small_challenge).startswith(f"<Challenge {small_challenge.name}: {size:,} training examples of shape ")
    rows = {row[0]: row[1] for row in cells(small_challenge)[1:]}
    assert rows["forget"] == f"{len(small_challenge.split.forget)} examples"
    assert rows["model"] == small_challenge.model


def test_outputs_of_a_population_and_of_a_model() -> None:
    assert repr(outputs()) == "<Outputs of finetune, 1 model: 2 forget, 1 test examples>"
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert cells(outputs())[2:] == [["forget", "2", "0.500", f"{expected:.3f}"], ["test", "1", "1.000", "0.693"]]
    model = ModelOutputs.of_logits({"test": np.zeros((3, 2))}, {"test": np.zeros(3, int)})
    assert repr(model) == "<ModelOutputs: 3 test examples>"
    assert repr(kit.Arrays(np.zeros((4, 2)), np.arange(4))) == "<Arrays: x float32 (4, 2), y int32 (4,)>"


def test_an_unlearned_model_and_what_it_has_cost() -> None:
    net: Any = SimpleNamespace(name="convnet")
    unlearned = Unlearned(net, Cost(0.25, passes=3000.0), 5, {"shards": 3.0})
    assert repr(unlearned) == "<Unlearned model 'convnet', seed 5: 0.25 s>"
    assert cells(unlearned)[1:] == [["seconds by the clock", "0.25"], ["passes", "3000"], ["shards", "3"]]


def test_a_report_shows_what_it_has_a_value_of() -> None:
    title = "Report finetune on digits (random:0.1), 1 model against 512 retrained"
    assert repr(report()) == f"<{title}: forget_accuracy 0.714 ± 0.04>"
    assert cells(report()) == [[title], ["score", "value", "target"], ["forget_accuracy", "0.714 ± 0.04", "0.703"]]
    assert str(report().scores["mia_gap"]) == "- (no attack)"


def test_an_evaluation_shows_its_rows_and_who_failed() -> None:
    reports = (report("original"), report())
    evaluation = Evaluation(reports, {"finetune": outputs()}, {"mine": FailedRun("a paragraph")})
    assert repr(evaluation) == "<Evaluation on digits (random:0.1): original, finetune, mine FAILED>"
    caption, header, *rows = cells(evaluation)
    assert caption == ["digits, forget set random:0.1, against 512 retrained models"]
    assert header == ["method", "accuracy forget"]
    assert rows == [["original", "0.714 ± 0.040"], ["finetune", "0.714 ± 0.040"], ["mine", "FAILED"]]
    assert repr(Evaluation((), {})) == "<Evaluation: nothing>"
    assert cells(Evaluation((), {}))


@pytest.mark.parametrize(
    "shown",
    [
        report(HOSTILE),
        outputs(HOSTILE),
        Split(HOSTILE, 0, [0], [1]),
        Evaluation((report(HOSTILE),), {}, {HOSTILE: FailedRun("")}),
        Unlearned(SimpleNamespace(name=HOSTILE), Cost(1.0), 0, {HOSTILE: 1.0}),  # type: ignore[arg-type]
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_names_are_text(shown: Any) -> None:
    assert any(HOSTILE in cell for row in cells(shown) for cell in row)


def test_no_line_is_longer_than_two_of_a_terminal() -> None:
    challenge = kit.load_challenge()
    for shown in (challenge, challenge.split, challenge.train, outputs(), report()):
        assert len(repr(shown)) < 160
