"""Evaluates every method and keeps the reports: what the README's tables of methods are made of.

    python benchmarks/results.py [CHALLENGE ...] [--num-models 128]
    python benchmarks/results.py --show

`noisy-digits` and `digits` with as many models of each method, against as many retrained ones, on split 0, which no
search of hyper-parameters has seen; `fashion-mnist` with one. Reports go to data/results/CHALLENGE.json, finished runs
to runs/, where an interrupted evaluation finds them. `--show` prints Markdown tables from the reports that are there.
"""

import os
import sys

if not __package__:  # run by its path: this folder's signal.py must not hide Python's, and kit may not be installed
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kit  # first: it asks TensorFlow for one thread
from kit import rules

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import files, methods
from kit.reports import ranking
from kit.reports import table as report
from kit.scorers.forgetting import competition_difference

CHALLENGES = {"noisy-digits": None, "digits": None, "fashion-mnist": 1}
_BASELINE, _CRITERION = "finetune", "competition_score"


def evaluate(challenge: str, num_models: int) -> None:
    """Keeps the reports of all methods on a challenge, and their differences to the baseline with standard errors."""
    loaded = kit.load_challenge(challenge)
    evaluation = kit.evaluate_all(
        list(methods.names()),
        loaded,
        num_models=num_models,
        root=Path("runs"),
        announce=lambda line: print(line, file=sys.stderr),
    )
    differences: dict[str, tuple[float, float]] = {}
    if num_models > 1:
        baseline = next(one for one in evaluation.reports if one.method == _BASELINE)
        for one in evaluation.reports:
            if one.method in (_BASELINE, *rules.LANDMARKS):
                continue
            if one.pretraining:  # held against other retrained models: not a pair
                differences[one.method] = _of_independent(one.scores[_CRITERION], baseline.scores[_CRITERION])
            else:
                own = (evaluation.outputs[name] for name in (one.method, _BASELINE, "retrain"))
                differences[one.method] = competition_difference(*own)
    content = report.to_json(evaluation.reports, evaluation.failures) | {
        "differences": differences,
        "hyperparameters": {name: dict(settings) for name, settings in loaded.hyperparameters.items()},
    }
    files.write_json(stored(challenge), content)


def _of_independent(one: kit.Score, other: kit.Score) -> tuple[float, float]:
    return one.value - other.value, math.hypot(one.stderr, other.stderr)


def stored(challenge: str) -> Path:
    return files.data_folder() / "results" / f"{challenge}.json"


def read(challenge: str) -> tuple[tuple[kit.Report, ...], dict[str, tuple[float, float]]]:
    """Returns what `evaluate` has kept."""
    if not stored(challenge).is_file():
        raise SystemExit(f"{stored(challenge)} is not there. Write it with 'make results'.")
    content = json.loads(stored(challenge).read_text(encoding="utf-8"))
    reports = tuple(_report(fields) for fields in content["reports"])
    return reports, {name: (difference, stderr) for name, (difference, stderr) in content["differences"].items()}


def _report(fields: Mapping[str, Any]) -> kit.Report:
    return kit.Report(**(fields | {"scores": {name: kit.Score(**score) for name, score in fields["scores"].items()}}))


def print_table(reports: tuple[kit.Report, ...], differences: Mapping[str, tuple[float, float]]) -> None:
    """Prints a challenge's table, the nearest to retraining first."""
    first, name = reports[0], ranking.criterion(reports)
    ranks = ranking.rank(reports)
    models = "one model" if first.num_models == 1 else f"{first.num_models} models"
    print(f"\n**{first.challenge}**, forget set {first.split}, {models} of each method\n")
    columns = ["", "method", name.replace("_", " ")]
    columns += ["of the ceiling", f"above {_BASELINE} (95 %)"] if differences else ["AUC gap"]
    columns += ["retain", "forget", "test", "time ratio"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    landmarks = [one for one in reports if one.method in rules.LANDMARKS]
    for rank in ranks:
        near = "~" if rank.near_best else ""
        print(row(f"{rank.place or '-'}{near}", rank.report, name, differences))
    for one in landmarks:
        print(row("", one, name, differences))
    for sentence in report.facts_told(reports):
        print(f"\n{sentence}.")


def row(place: str, one: kit.Report, name: str, differences: Mapping[str, tuple[float, float]]) -> str:
    link = f"[{ranking.title(one)}](kit/methods/{one.method}.py)"
    cells = [place, link, _shown(one, name, 4)]
    if one.num_models > 1:
        cells.append(_shown(one, "forgetting_score_normalised", 2, percent=True))
        cells.append(interval(*differences[one.method]) if one.method in differences else "")
    else:
        cells.append(_shown(one, "mia_gap", 3))
    cells += [_shown(one, f"{part}_accuracy", 3, error=False) for part in ("retain", "forget", "test")]
    ratio = one.scores["time_ratio"].value
    over = ratio is not None and ratio > rules.TIME_BUDGET and one.method != "retrain"
    cells.append("" if ratio is None else f"{ratio:.2f}{' !' if over else ''}")
    return "| " + " | ".join(cells) + " |"


def interval(difference: float, stderr: float) -> str:
    """Returns the 95 % interval of a difference, with its mark."""
    low, high = difference - 2 * stderr, difference + 2 * stderr
    mark = "**" if low > 0 else ""
    return f"{'~ ' if low <= 0 <= high else ''}{mark}{low:+.4f} to {high:+.4f}{mark}"


def _shown(row: kit.Report, name: str, digits: int, *, percent: bool = False, error: bool = True) -> str:
    score = row.scores[name]
    if score.value is None:
        return "-"
    if percent:
        return f"{score.value:.0%}" + (f" ± {score.stderr:.0%}" if score.stderr is not None else "")
    return f"{score.value:.{digits}f}" + (f" ± {score.stderr:.{digits}f}" if error and score.stderr else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("challenges", nargs="*", default=list(CHALLENGES), metavar="CHALLENGE")
    parser.add_argument("--num-models", type=int, default=128)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    if options.show:
        for challenge in options.challenges:
            print_table(*read(challenge))
        print(
            "\n~ inside the noise: of the best, at a place; of finetune, at an interval. **Bold**: above finetune. "
            "! over the time budget of 0.2 of a retraining."
        )
        return
    for challenge in options.challenges:
        evaluate(challenge, CHALLENGES.get(challenge) or options.num_models)


if __name__ == "__main__":
    main()
