"""What do all scores of large populations cost? 512 models of 60,000 training examples, on made-up outputs.

    python -m benchmarks.scoring [--models 512] [--retrained 512] [--examples 60000] [--rows 2] [--only lira]
        [--scores scores.json]

Prints seconds, processor seconds and the peak of the process's memory, family by family, for each row of a table: the
first row pays for what all have in common of the retrained models. Outputs are normal margins around each example's own
mean; 16 models have logits, as in a real population. Only scorers run here: they never touch a model.

`--scores` writes all numbers, so that those of two versions can be compared. To alternate with another version, put its
folder before this one's: PYTHONPATH=<its folder> python benchmarks/scoring.py.
"""

import argparse
import dataclasses
import json
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from kit import scorers
from kit.types import NUM_WITH_LOGITS, Comparison, Outputs, Retraining, Score

NUM_CLASSES = 10
UNIT = Retraining(seconds=1.0, work=1.0, tracing=0.0, operations=0, passes=1.0)  # of time, which is not looked at


def population(method: str, num_models: int, sizes: dict[str, int], seed: int, shift: float) -> Outputs:
    easy = np.random.default_rng(0)
    means = {part: easy.normal(3, 3, size).astype(np.float32) for part, size in sizes.items()}
    labels = {part: easy.integers(0, NUM_CLASSES, size) for part, size in sizes.items()}
    generator = np.random.default_rng(seed)
    confidences, correct, logits = {}, {}, {}
    for part, size in sizes.items():
        margins = generator.standard_normal((num_models, size), np.float32)
        margins += means[part] + (shift if part == "forget" else 0)
        confidences[part], correct[part] = margins, margins > 0
        logits[part] = generator.standard_normal((min(NUM_WITH_LOGITS, num_models), size, NUM_CLASSES), np.float32)
    return Outputs(method, confidences, correct, labels, np.ones(num_models), np.arange(num_models), logits)


class Peak:
    """The largest resident memory of this process while the block runs, in GiB."""

    def __enter__(self) -> "Peak":
        self.gib, self._done = 0.0, threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.gib = max(self.gib, psutil.Process().memory_info().rss / 2**30)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()


def score_row(comparison: Comparison, only: str) -> list[Score]:
    print(f"\n{comparison.unlearned.method:28s}{'seconds':>10s}{'processor':>10s}{'peak GiB':>10s}")
    scores, seconds, processor = [], 0.0, 0.0
    with Peak() as whole:
        for family in scorers.families():
            if only not in family.__name__:
                continue
            with Peak() as peak:
                start, start_processor = time.perf_counter(), time.process_time()
                scores += family.score(comparison)
                of_family = time.perf_counter() - start, time.process_time() - start_processor
            seconds, processor = seconds + of_family[0], processor + of_family[1]
            name = family.__name__.removeprefix("kit.scorers.")
            print(f"  {name:26s}{of_family[0]:10.2f}{of_family[1]:10.2f}{peak.gib:10.2f}")
    print(f"  {'all':26s}{seconds:10.2f}{processor:10.2f}{whole.gib:10.2f}")
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--retrained", type=int, default=512)
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--only", default="", help="families of this name")
    parser.add_argument("--scores", type=Path)
    arguments = parser.parse_args()
    forget = arguments.examples // 10
    sizes = {"retain": arguments.examples - forget, "forget": forget, "validation": 5_000, "test": 10_000}
    pairs = np.arange(min(forget, sizes["test"]))
    retrained = population("retrain", arguments.retrained, sizes, 0, 0.0)
    print(
        f"{arguments.models} models a method, {arguments.retrained} retrained, {arguments.examples:,} training "
        f"examples, {forget:,} of them forgotten, {len(retrained.labels['test']):,} test examples"
    )
    comparison, scores = Comparison(retrained, retrained, pairs, pairs, "", UNIT), {}
    for row in range(1, arguments.rows + 1):
        unlearned = population(f"row {row}", arguments.models, sizes, row, row / 4)
        comparison = dataclasses.replace(comparison, unlearned=unlearned)
        scores[unlearned.method] = [dataclasses.asdict(score) for score in score_row(comparison, arguments.only)]
    if arguments.scores is not None:
        arguments.scores.write_text(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
