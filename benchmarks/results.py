"""Evaluates every method and keeps the reports: what the README's table of methods is made of.

    python benchmarks/results.py [--num-models 128] [--only CHALLENGE]

`noisy-digits` and `digits` with as many models of each method, against as many retrained ones, on split 0, which no
search of hyper-parameters has seen; `fashion-mnist` with one. Reports go to data/results/CHALLENGE.json, finished runs
to runs/, where an interrupted evaluation finds them. The tables are Markdown.
"""

import os
import sys

if not __package__:  # run by its path: this folder's signal.py must not hide Python's, and kit may not be installed
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import kit  # first: it asks TensorFlow for one thread

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import files, methods, ranking
from kit.scorers.forgetting import competition_difference

CHALLENGES = {"noisy-digits": None, "digits": None, "fashion-mnist": 1}
_BASELINE = "finetune"


def evaluate(challenge: str, num_models: int) -> dict[str, object]:
    """Returns the reports of all methods on a challenge, and their differences to the baseline with standard errors."""
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
        for report in evaluation.reports:
            # A method with a training of its own is held against other retrained models: not a pair.
            if report.method not in (_BASELINE, *ranking.LANDMARKS) and not report.pretraining:
                own = (evaluation.outputs[name] for name in (report.method, _BASELINE, "retrain"))
                differences[report.method] = competition_difference(*own)
    content = {"reports": [asdict(report) for report in evaluation.reports], "differences": differences}
    files.write_json(files.data_folder() / "results" / f"{challenge}.json", content)
    print_table(evaluation.reports, differences)
    return content


def print_table(reports: tuple[kit.Report, ...], differences: Mapping[str, tuple[float, float]]) -> None:
    """Prints a challenge's table, the nearest to retraining first."""
    first, name = reports[0], ranking.criterion(reports)
    ranks = ranking.rank(reports)
    print(f"\n**{first.challenge}**, forget set {first.split}, {first.num_models} models of each method\n")
    columns = ["", "method", name.replace("_", " ")]
    columns += ["of the ceiling", f"above {_BASELINE} (95 %)"] if differences else ["AUC gap"]
    columns += ["retain", "forget", "test", "time ratio"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    landmarks = [report for report in reports if report.method in ranking.LANDMARKS]
    for rank in ranks:
        near = "~" if rank.near_best else ""
        print(_row(f"{rank.place or '-'}{near}", rank.report, name, differences))
    for report in landmarks:
        print(_row("", report, name, differences))


def _row(place: str, report: kit.Report, name: str, differences: Mapping[str, tuple[float, float]]) -> str:
    link = f"[{ranking.title(report)}](kit/methods/{report.method}.py)"
    cells = [place, link, _shown(report, name, 4)]
    if report.num_models > 1:
        cells.append(_shown(report, "forgetting_score_normalised", 2, percent=True))
        difference, stderr = differences.get(report.method, (None, 0.0))
        where = f"{difference - 2 * stderr:+.4f} to {difference + 2 * stderr:+.4f}" if difference is not None else ""
        bold = difference is not None and difference - 2 * stderr > 0
        cells.append(f"**{where}**" if bold else where)
    else:
        cells.append(_shown(report, "mia_gap", 3))
    cells += [_shown(report, f"{part}_accuracy", 3, error=False) for part in ("retain", "forget", "test")]
    ratio = report.scores["time_ratio"].value
    over = ratio is not None and ratio > kit.report.TIME_BUDGET and report.method != "retrain"
    cells.append("" if ratio is None else f"{ratio:.2f}{' !' if over else ''}")
    return "| " + " | ".join(cells) + " |"


def _shown(report: kit.Report, name: str, digits: int, *, percent: bool = False, error: bool = True) -> str:
    score = report.scores[name]
    if score.value is None:
        return "-"
    if percent:
        return f"{score.value:.0%}" + (f" ± {score.stderr:.0%}" if score.stderr is not None else "")
    return f"{score.value:.{digits}f}" + (f" ± {score.stderr:.{digits}f}" if error and score.stderr else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-models", type=int, default=128)
    parser.add_argument("--only", choices=CHALLENGES, help="one of the challenges")
    options = parser.parse_args()
    for challenge, fixed in CHALLENGES.items():
        if options.only in (None, challenge):
            evaluate(challenge, fixed or options.num_models)
    print("\n~ inside the noise of the best; ! over the time budget of 0.2 of a retraining; **bold**: above finetune")


if __name__ == "__main__":
    main()
