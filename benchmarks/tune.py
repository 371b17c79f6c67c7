"""Searches the hyper-parameters of every method with one budget, on splits that no table reports on.

    python benchmarks/tune.py [METHOD ...] [--challenge noisy-digits] [--workers 2] [--write]

For each method sixteen settings, the present ones and fifteen at random, on split 100; the best four on 100 to 102;
the best two on 100 to 109. The criterion is the 2023 competition's score with sixteen models a side, averaged over
the splits. A method that draws nothing makes the same model each time and earns 0 there with any settings: for it the
criterion is the mean distance of its accuracies (retain, forget, test) from the retrained ones, negated. Settings
that cost more than 0.4 of a retraining's passes, which is about 0.2 of its time in plain Keras, are not drawn. What
was tried is kept in data/results/tuning-CHALLENGE.json and not tried again; `--write` puts the best settings into
data/hyperparameters.toml. SISA and certified removal are left out: theirs are promises, not fits.
"""

import os
import sys

if not __package__:  # run by its path: this folder's signal.py must not hide Python's, and kit may not be installed
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

import argparse
import dataclasses
import json
import multiprocessing
import tomllib
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.runs.population import run_population
from kit.runs.worker import Worker

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import files
from kit.commands import describe
from kit.machine import environment
from kit.methods import _facts
from kit.scorers.forgetting import forgetting_score, guarded

NUM_TRIALS, NUM_MODELS, MOST_PASSES = 16, 16, 0.4
FIRST_SPLIT = 100
# How many settings are tried on how many splits.
STAGES = ((NUM_TRIALS, 1), (4, 3), (2, 10))

# log: between the two, evenly on a logarithmic scale; even; int: whole numbers, both ends included; one of.
_TRAINED = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3)}
SPACES = {
    "finetune": _TRAINED | {"weight_decay": ("log", 1e-5, 1e-2)},
    "catastrophic_forgetting_k": _TRAINED | {"blocks_kept": ("int", 1, 3)},
    "exact_unlearning_k": _TRAINED | {"blocks_kept": ("int", 1, 3)},
    "l1_sparse": _TRAINED | {"alpha": ("log", 1e-6, 1e-2)},
    "weight_noise": _TRAINED | {"sigma": ("log", 0.02, 1.0)},
    "gradient_ascent": {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-5, 0.1)},
    "negative_gradient_plus": _TRAINED | {"share": ("even", 0.5, 1.0)},
    "random_labels": _TRAINED,
    "salun": _TRAINED | {"share": ("even", 0.1, 0.9)},
    "scrub": _TRAINED
    | {"max_epochs": ("int", 0, 5), "alpha": ("log", 1e-3, 2.0), "temperature": ("log", 1.0, 8.0)}
    | {"rewind": ("one of", True, False)},
    "bad_teacher": {
        "epochs": ("int", 1, 15),
        "learning_rate": ("log", 1e-5, 1e-2),
        "retain_share": ("even", 0.1, 1.0),
    },
    "ssd": {"alpha": ("log", 0.5, 10.0), "dampening": ("log", 0.05, 2.0)},
    "fisher_forgetting": {"alpha": ("log", 1e-9, 1e-3), "largest_variance": ("log", 1e1, 1e5)},
    "influence": {
        "damping": ("log", 1e-4, 1.0),
        "iterations": ("int", 1, 9),
        "scale": ("log", 0.1, 30.0),
    },
    "smallest_gradient_reinit": _TRAINED | {"share": ("even", 0.05, 0.9), "others": ("even", 0.0, 1.0)},
    "kernel_transpose": _TRAINED,
    "random_mask": {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-4, 3e-2), "share": ("even", 0.05, 0.9)},
}


def drawn(generator: np.random.Generator, space: dict[str, tuple]) -> dict[str, object]:
    """Returns one setting, rounded to what people would write."""
    found: dict[str, object] = {}
    for name, (kind, *ends) in space.items():
        if kind == "int":
            found[name] = int(generator.integers(ends[0], ends[1] + 1))
        elif kind == "one of":
            found[name] = bool(ends[generator.integers(len(ends))])
        elif kind == "log":
            found[name] = float(f"{np.exp(generator.uniform(*np.log(ends))):.2g}")
        else:
            found[name] = float(f"{generator.uniform(*ends):.2g}")
    return found


def trials(method: str, challenge: kit.Challenge) -> list[dict[str, object]]:
    """Returns the settings to try: the present ones, and others that are cheap enough."""
    defaults = describe.hyperparameters(method)
    present = defaults | dict(challenge.hyperparameters.get(method, {}))
    generator = np.random.default_rng(zlib.crc32(method.encode()))
    found = [{name: present[name] for name in SPACES[method]}]
    most = MOST_PASSES * challenge.recipe.epochs * len(challenge.split.retain)
    while len(found) < NUM_TRIALS:
        settings = drawn(generator, SPACES[method])
        if _facts.passes(method, challenge, defaults | settings) <= most:
            found.append(settings)
    return found


class Bench:
    """One process's challenges, models and retrained populations, made when they are first needed."""

    def __init__(self, name: str) -> None:
        self.name, self.cache = name, files.cache_folder() / "tuning"
        self.workers: dict[int, Worker] = {}

    def worker(self, split: int) -> Worker:
        if split not in self.workers:
            self.workers[split] = Worker(kit.load_challenge(self.name, split_seed=split))
        return self.workers[split]

    def population(self, method: str, split: int, settings: dict[str, object]) -> kit.Outputs:
        worker = self.worker(split)
        overrides = dict(worker.challenge.hyperparameters) | ({method: settings} if settings else {})
        worker.challenge = dataclasses.replace(worker.challenge, hyperparameters=overrides)
        root = self.cache if method == "retrain" else None
        return run_population(
            method, worker.challenge, num_models=NUM_MODELS, root=root, worker=worker, engine="serial"
        )

    def score(self, method: str, split: int, settings: dict[str, object]) -> float:
        """Returns the competition's score, 0 where the model has gone to pieces."""
        retrained = self.population("retrain", split, {})
        try:
            unlearned = self.population(method, split, settings)
        except kit.FailedRun:
            return 0.0
        quality = forgetting_score(guarded(unlearned.confidences["forget"]), guarded(retrained.confidences["forget"]))
        for part in ("retain", "test"):
            quality *= unlearned.correct[part].mean() / retrained.correct[part].mean()
        return float(quality)

    def nearness(self, method: str, split: int, settings: dict[str, object]) -> float:
        """Returns the mean distance of the accuracies from the retrained models', negated; -1 for a ruined model."""
        retrained = self.population("retrain", split, {})
        try:
            unlearned = self.population(method, split, settings)
        except kit.FailedRun:
            return -1.0
        parts = ("retain", "forget", "test")
        return -float(np.mean([abs(unlearned.correct[one].mean() - retrained.correct[one].mean()) for one in parts]))


_BENCH: list[Bench] = []


def search(method: str, challenge: str) -> list[dict[str, Any]]:
    """Returns what was tried of a method, with what it earned, the best last."""
    if not _BENCH:
        _BENCH.append(Bench(challenge))
    bench, settings = _BENCH[0], trials(method, kit.load_challenge(challenge))
    tried = staged(settings, lambda split, one: bench.score(method, split, one))
    if not any(any(one["scores"]) for one in tried):
        tried = staged(settings, lambda split, one: bench.nearness(method, split, one))
    return tried


def staged(
    settings: list[dict[str, object]], criterion: Callable[[int, dict[str, object]], float]
) -> list[dict[str, Any]]:
    """Tries settings on more and more splits, fewer of them each time."""
    tried = [{"settings": one, "present": number == 0, "scores": []} for number, one in enumerate(settings)]
    remaining = tried
    for number, (kept, splits) in enumerate(STAGES):
        remaining = remaining[:kept]
        for one in remaining:
            for split in range(FIRST_SPLIT + len(one["scores"]), FIRST_SPLIT + splits):
                one["scores"].append(criterion(split, one["settings"]))
            one["stage"] = number + 1
        remaining = sorted(remaining, key=lambda one: -float(np.mean(one["scores"])))
    return sorted(tried, key=lambda one: (one["stage"], float(np.mean(one["scores"]))))


def retrained_in_advance(challenge: str, split: int) -> None:
    bench = Bench(challenge)
    bench.population("retrain", split, {})


def write_settings(challenge: str, best: dict[str, dict[str, object]]) -> None:
    """Puts the best settings of a challenge into data/hyperparameters.toml, in place of those that were there."""
    path = files.data_folder() / "hyperparameters.toml"
    content = tomllib.loads(path.read_text())
    for method, settings in best.items():
        defaults = describe.hyperparameters(method)
        differing = {name: value for name, value in settings.items() if defaults[name] != value}
        content.setdefault(challenge, {})[method] = differing
    head = path.read_text().partition("\n[")[0].rstrip()
    lines = [head]
    for name, tables in sorted(content.items()):
        for method, settings in sorted(tables.items()):
            if settings:
                lines += ["", f"[{name}.{method}]"]
                lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    with files.atomic_write(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help=f"default: {', '.join(SPACES)}")
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    path = files.data_folder() / "results" / f"tuning-{options.challenge}.json"
    content = json.loads(path.read_text()) if path.is_file() else {"methods": {}}
    asked = options.methods or list(SPACES)
    missing = [method for method in asked if method not in content["methods"]]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context) as pool:
        if missing:
            made = [pool.submit(retrained_in_advance, options.challenge, FIRST_SPLIT + one) for one in range(10)]
            for one in made:
                one.result()
        running = {pool.submit(search, method, options.challenge): method for method in missing}
        for done in as_completed(running):
            content["methods"][running[done]] = done.result()
            content |= {"stages": STAGES, "models": NUM_MODELS, "versions": environment.versions()}
            files.write_json(path, content)
            print(f"{running[done]}: done", file=sys.stderr)
    print(f"{options.challenge}: competition score with {NUM_MODELS} models a side, mean over splits 100 to 109")
    print("(present: over those that it came to; below 0: minus a distance of accuracies)\n")
    print(f"{'method':<28}{'present':>8}{'best':>8}   best of {NUM_TRIALS} settings")
    for method in asked:
        tried = content["methods"][method]
        best, present = tried[-1], next(one for one in tried if one["present"])
        shown = ", ".join(f"{name} {value}" for name, value in best["settings"].items())
        print(f"{method:<28}{np.mean(present['scores']):>8.4f}{np.mean(best['scores']):>8.4f}   {shown}")
    if options.write:
        write_settings(options.challenge, {method: content["methods"][method][-1]["settings"] for method in asked})


if __name__ == "__main__":
    main()
