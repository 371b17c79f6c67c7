"""Can models of one form or engine be told from those of another? Two populations of each method, of other seeds.

    python -m benchmarks.same_truth [METHOD ...] [--num-models 128] [--against xla|stacked|operations]

One side is made by TensorFlow's operations (`KIT_XLA=never`), the other by XLA, by `--engine stacked`, or, as a
control, by operations again. Each row compares accuracies and mean losses of all parts in standard errors, and tells
models apart on the forget set by U-LiRA: an AUC of 0.5 within its interval is what cannot be told apart. Methods by
default: all.
"""

import argparse
import os

import numpy as np

import kit
from kit import methods
from kit.machine import xla
from kit.scorers import ulira
from kit.types import PARTS, Comparison, Outputs, Retraining

FORMS = {"operations": ("never", "processes"), "xla": ("auto", "processes"), "stacked": ("never", "stacked")}


def population(method: str, challenge: kit.Challenge, form: str, num_models: int, seed: int) -> Outputs:
    os.environ[xla.VARIABLE], engine = FORMS[form]
    return kit.run_population(method, challenge, num_models=num_models, seed=seed, engine=engine)


def standard_errors(one_side: np.ndarray, other_side: np.ndarray) -> float:
    """Returns the difference of the means of two sets of models in standard errors; 0 where nothing varies."""
    variance = sum(side.var(ddof=1) / len(side) for side in (one_side, other_side))
    difference = one_side.mean() - other_side.mean()
    return float(difference / np.sqrt(variance)) if variance else 0.0


def compare(method: str, challenge: kit.Challenge, against: str, num_models: int) -> None:
    sides = [population(method, challenge, form, num_models, seed) for seed, form in enumerate(("operations", against))]
    accuracies = [standard_errors(*(side.correct[part].mean(axis=1) for side in sides)) for part in PARTS]
    losses = [standard_errors(*(side.losses(part).mean(axis=1) for side in sides)) for part in PARTS]
    nobody, unit = np.zeros(0, np.int64), Retraining(seconds=1.0, work=1.0, tracing=0.0, operations=0, passes=1.0)
    scores = ulira.score(Comparison(*sides, nobody, nobody, "no attack by examples here", unit))
    [auc] = [score for score in scores if score.name == "ulira_auc"]
    largest = max(map(abs, (*accuracies, *losses)))
    row = f"{method:28s}" + "".join(f"{value:+8.1f}" for value in (*accuracies, *losses))
    print(f"{row}{largest:8.1f}{auc.value:9.3f} +- {1.96 * auc.stderr:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=list(methods.built_in()))
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--num-models", type=int, default=128)
    parser.add_argument("--against", choices=list(FORMS), default="xla")
    arguments = parser.parse_args()
    challenge = kit.load_challenge(arguments.challenge)
    print(f"{arguments.challenge}, {arguments.num_models} models a side: operations against {arguments.against}")
    columns = "".join(f"{part[:6]:>8s}" for part in PARTS)
    print(f"{'':28s}{columns}{columns}{'largest':>8s}{'U-LiRA AUC':>12s}")
    for method in arguments.methods:
        compare(method, challenge, arguments.against, arguments.num_models)


if __name__ == "__main__":
    main()
