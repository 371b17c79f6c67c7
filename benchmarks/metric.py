"""How fast is the forgetting score? Against comparing every model with every threshold, and by number of examples.

    python -m benchmarks.metric [--models 512] [--examples 1000] [--brute 5] [--rounds 3]

The brute force does what the released scorer does, as fast as plain NumPy allows: of each example, every model against
all 160,000 double thresholds and all single ones. It is timed on a few examples, in turn with the kit's; both must
give the same epsilons. The time of the kit's is then to grow with the number of examples, no faster.
"""

import argparse
import math
import time

import numpy as np

from kit.scorers.forgetting import example_epsilons, forgetting_score

THRESHOLDS = 400  # left ones for each right one
RIGHTS_AT_ONCE = 10  # models x thresholds of a step fit the processor's cache: 4 times as fast as all at once


def threshold_epsilons(fpr: np.ndarray, fnr: np.ndarray, delta: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.log(1 - delta - fpr) - np.log(fnr), np.log(1 - delta - fnr) - np.log(fpr)
    epsilons = np.fmax(*bounds)
    epsilons[(fpr == 0) != (fnr == 0)] = np.nan
    epsilons[(fpr == 0) & (fnr == 0)] = np.inf
    return epsilons[~np.isnan(epsilons)]


def count(inside: np.ndarray) -> np.ndarray:
    """Of models x thresholds, the models of each threshold; the fastest way of several."""
    return inside.view(np.uint8).sum(axis=0, dtype=np.uint16)


def brute_force(unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5) -> float:
    """Epsilon of one example."""
    models, ranges = len(unlearned), (np.ptp(unlearned), np.ptp(retrained))
    if max(ranges) == 0 or min(ranges) / max(ranges) < 0.01:
        return 50
    retrained_is_larger = np.median(retrained) > np.median(unlearned)
    positive, negative = (retrained, unlearned) if retrained_is_larger else (unlearned, retrained)
    both = np.concatenate([positive, negative])
    thresholds = np.linspace(both.min(), both.max(), math.ceil(np.ptp(both) * 100))
    fpr = count(negative[:, np.newaxis] >= thresholds) / models
    fnr = count(positive[:, np.newaxis] < thresholds) / models
    epsilons = [threshold_epsilons(fpr, fnr, delta)]
    if ranges[0] == ranges[1]:
        positive, negative = negative, positive
    else:
        positive, negative = (unlearned, retrained) if ranges[0] < ranges[1] else (retrained, unlearned)
    width = np.ptp(positive)
    rights = np.linspace(positive.min() + width - 2, positive.max() + 2, THRESHOLDS)
    for start in range(0, THRESHOLDS, RIGHTS_AT_ONCE):
        right = rights[start : start + RIGHTS_AT_ONCE]
        left = np.linspace(right - width - 2, right - width + 2, THRESHOLDS).ravel()
        right = np.tile(right, THRESHOLDS)
        kept = [count((left <= side[:, np.newaxis]) & (side[:, np.newaxis] <= right)) for side in (positive, negative)]
        epsilons.append(threshold_epsilons(kept[1] / models, (models - kept[0]) / models, delta))
    survivors = np.concatenate(epsilons)
    return float(np.clip(survivors.max(), 0, 50)) if len(survivors) else 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--brute", type=int, default=5, help="examples that the brute force is timed on")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sizes = [arguments.examples // 10, arguments.examples, 5 * arguments.examples]
    generator = np.random.default_rng(0)
    retrained = generator.normal(5, 1.5, (arguments.models, sizes[-1]))
    unlearned = generator.normal(5.5, 1.4, (arguments.models, sizes[-1]))
    example_epsilons(unlearned[:, :2], retrained[:, :2])
    few = unlearned[:, : arguments.brute], retrained[:, : arguments.brute]
    some = unlearned[:, : arguments.examples], retrained[:, : arguments.examples]
    rows = []
    for _ in range(arguments.rounds):
        begin = time.perf_counter()
        slow = np.array([brute_force(*pair) for pair in zip(few[0].T.copy(), few[1].T.copy(), strict=True)])
        brute, begin = time.perf_counter() - begin, time.perf_counter()
        fast = example_epsilons(*some)
        epsilons, begin = time.perf_counter() - begin, time.perf_counter()
        score = forgetting_score(*some)
        rows.append((brute / arguments.brute, epsilons / arguments.examples, time.perf_counter() - begin))
    difference = float(np.abs(fast[: arguments.brute] - slow).max())
    brute, each, whole = np.median(rows, axis=0)
    print(f"{arguments.models} unlearned and {arguments.models} retrained models; medians of {arguments.rounds} rounds")
    print(f"{'brute force, ms an example':40s}{1000 * brute:10.2f}   on {arguments.brute} examples")
    print(f"{'example_epsilons, ms an example':40s}{1000 * each:10.2f}   on {arguments.examples:,} examples")
    print(f"{'  ratio':40s}{brute / each:10.1f}")
    print(f"{'  largest difference of epsilons':40s}{difference:10.1e}")
    print(f"{'forgetting_score, seconds':40s}{whole:10.2f}   score {score:.4f}")
    for size in sizes:
        begin = time.perf_counter()
        example_epsilons(unlearned[:, :size], retrained[:, :size])
        seconds = time.perf_counter() - begin
        print(f"{f'  {size:,} examples, seconds':40s}{seconds:10.2f}   {1000 * seconds / size:.2f} ms an example")
    if difference > 1e-9:
        raise SystemExit("The epsilons differ from the brute force's.")


if __name__ == "__main__":
    main()
