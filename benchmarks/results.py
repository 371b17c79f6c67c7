"""Evaluates every method and keeps the reports: what the tables of docs/methods.md are made of.

    python -m benchmarks.results [CHALLENGE ...]
    python -m benchmarks.results --show | --kinds

`noisy-digits` and `digits` with 32 runs of each method from each of 4 originals, on split 0, which no search of
hyper-parameters has seen; `fashion-mnist` with one run from each of 3. Reports go to data/results/CHALLENGE.json,
finished runs to runs/, where an interrupted evaluation finds them. `--show` prints Markdown tables from the reports
that are there, in which a method without one is "not evaluated yet"; `--kinds` prints the table of the methods' kinds.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import kit  # first: it asks TensorFlow for one thread
from kit import rules

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import methods, reports
from kit.challenges.hyperparameters import of_challenge
from kit.methods import _facts
from kit.reports import markdown
from kit.storage import files, seals

# Originals of each challenge, and runs of a method from each.
CHALLENGES = {"noisy-digits": (4, 32), "digits": (4, 32), "fashion-mnist": (3, 1)}
OTHER_SETTINGS = (
    "*These methods had other hyper-parameters than today's, which are searched in another way: the table says what "
    "they did with those.*"
)
# The order of the table of kinds; a kind that is not here comes last.
KINDS = (
    "exact",
    "tuning on retain",
    "gradients of the forget set",
    "teachers",
    "saliency and dampening",
    "influence and certificates",
    "winners of 2023",
)


def evaluate(challenge: str) -> None:
    """Keeps the reports of all methods on a challenge."""
    loaded = kit.load_challenge(challenge)
    num_originals, num_models = CHALLENGES[challenge]
    evaluation = kit.evaluate_all(
        list(methods.built_in()),
        loaded,
        num_models=num_models,
        num_originals=num_originals,
        root=Path("runs"),
        announce=lambda line: print(line, file=sys.stderr),
    )
    content = reports.to_json(evaluation.reports, evaluation.failures) | {
        "hyperparameters": {name: dict(settings) for name, settings in loaded.hyperparameters.items()},
    }
    files.write_json(stored(challenge), seals.with_digest(content))


def stored(challenge: str) -> Path:
    return files.data_folder() / "results" / f"{challenge}.json"


def read(challenge: str) -> tuple[kit.Report, ...]:
    """Returns what `evaluate` has kept."""
    if not stored(challenge).is_file():
        raise SystemExit(f"{stored(challenge)} is not there. Write it with 'make results'.")
    content = seals.without_digest(json.loads(stored(challenge).read_text(encoding="utf-8")))
    return reports.from_json(content, where=f"'{stored(challenge)}'").reports


def shown(challenges: list[str]) -> str:
    """Returns the tables of methods, those that have not been evaluated yet included."""
    tables = []
    for challenge in challenges:
        rows = read(challenge)
        evaluated = {row.method for row in rows}
        missing = [name for name in methods.built_in() if name not in evaluated]
        note = "" if settings_are_present(challenge) else f"\n\n{OTHER_SETTINGS}"
        tables.append(markdown.methods_table(rows, missing) + note)
    return "\n\n".join([*tables, markdown.LEGEND])


def settings_are_present(challenge: str) -> bool:
    """Returns whether the methods were evaluated with the hyper-parameters that they have on the challenge today."""
    content = json.loads(stored(challenge).read_text(encoding="utf-8"))
    evaluated = {row["method"] for row in content["reports"]}
    present = {name: settings for name, settings in of_challenge(challenge).items() if name in evaluated}
    return bool(content["hyperparameters"] == present)


def kinds() -> str:
    """Returns the table of kinds, from the methods' docstrings; `original` is none."""
    stated = {name: _facts.of_method(name).kind for name in methods.built_in() if name != rules.ORIGINAL}
    order = {kind: number for number, kind in enumerate(KINDS)}
    by_kind = sorted(stated, key=lambda name: (order.get(stated[name], len(order)), stated[name], name))
    return markdown.kinds_table({name: stated[name] for name in by_kind})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("challenges", nargs="*", default=list(CHALLENGES), metavar="CHALLENGE")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--kinds", action="store_true")
    options = parser.parse_args()
    if options.show or options.kinds:
        print(kinds() if options.kinds else shown(options.challenges))
        return
    if unknown := [name for name in options.challenges if name not in CHALLENGES]:
        parser.error(f"there are no results of '{unknown[0]}', but of {', '.join(CHALLENGES)}")
    for challenge in options.challenges:
        evaluate(challenge)


if __name__ == "__main__":
    main()
