"""Do all scores of a large population fit in memory? 512 models of 60,000 training examples, on made-up outputs.

    python -m benchmarks.scoring [--models 512] [--examples 60000]

Prints seconds and the peak of the process's memory. Outputs are normal margins around each example's own mean; 16
models have logits, as in a real population. Only scorers run here: they never touch a model.
"""

import argparse
import threading
import time

import numpy as np
import psutil

from kit import scorers
from kit.types import NUM_WITH_LOGITS, Comparison, Outputs

NUM_CLASSES = 10


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
        logits[part] = generator.standard_normal((NUM_WITH_LOGITS, size, NUM_CLASSES), np.float32)
    return Outputs(method, confidences, correct, labels, np.ones(num_models), np.arange(num_models), logits)


class Peak:
    """The largest resident memory of this process while the block runs, in GiB."""

    def __enter__(self) -> "Peak":
        self.gib, self._done = 0.0, threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.gib = max(self.gib, psutil.Process().memory_info().rss / 2**30)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--examples", type=int, default=60_000)
    arguments = parser.parse_args()
    forget = arguments.examples // 10
    sizes = {"retain": arguments.examples - forget, "forget": forget, "validation": 5_000, "test": 10_000}
    with Peak() as whole:
        sides = [
            population(name, arguments.models, sizes, seed, seed / 4) for seed, name in enumerate(("retrain", "mine"))
        ]
        pairs = min(forget, sizes["test"])
        comparison = Comparison(sides[1], sides[0], np.arange(pairs), np.arange(pairs), "", 1.0)
        print(
            f"{arguments.models} models a side, {arguments.examples:,} training examples, {forget:,} of them forgotten"
        )
        print(f"{'':28s}{'seconds':>8s}{'peak GiB':>10s}")
        total = 0.0
        for family in scorers.families():
            with Peak() as peak:
                start = time.perf_counter()
                family.score(comparison)
                seconds = time.perf_counter() - start
            total += seconds
            print(f"{family.__name__.removeprefix('kit.scorers.'):28s}{seconds:8.1f}{peak.gib:10.2f}")
    print(f"{'all':28s}{total:8.1f}{whole.gib:10.2f}")


if __name__ == "__main__":
    main()
